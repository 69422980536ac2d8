/**
 * Replaces values of a JSON document in its bytes. What does not change is not written anew, and long stretches of it
 * are not even copied: the document stays in pieces.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Bytes } from "./Bytes.ts"
import type { StorageError } from "./StorageError.ts"

/** A value to put in the place of the bytes between two offsets. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly value: string
  /** Written as it is, not as a JSON string: for places that hold no JSON. */
  readonly raw?: true | undefined
}

/** An edit that can bring content, which comes after its value. */
export interface BodyEdit extends Edit {
  readonly content?: EditContent | undefined
}

/** Content on its way into a document, and what is written after it. */
export interface EditContent {
  /** In bytes. */
  readonly length: number
  readonly open: Effect.Effect<Bytes, StorageError, Scope.Scope>
  readonly after: string
}

/** From this length on a stretch is a piece of its own: copying it would cost more than sending it so. In bytes. */
const uncopied = 16 * 1024

const encoder = new TextEncoder()

/** Offsets in order, without overlaps and within so many bytes; a `RangeError` if they are not. */
const inOrder = <E extends Edit>(edits: ReadonlyArray<E>, length: number): ReadonlyArray<E> => {
  const ordered = edits.length === 1 ? edits : [...edits].sort((a, b) => a.start - b.start)
  let kept = 0
  for (const { end, start } of ordered) {
    if (!(start >= kept && end >= start && end <= length)) {
      throw new RangeError(`The edit of bytes ${start} to ${end} overlaps another or is out of bounds.`)
    }
    kept = end
  }
  return ordered
}

/** Puts pieces together: stretches that are short, and values, are collected in one array until a long one comes. */
class Pieces {
  readonly done: Array<Uint8Array | EditContent> = []
  #short: Array<Uint8Array | string> = []
  #length = 0

  add(piece: Uint8Array): void {
    if (piece.length === 0) return
    if (piece.length < uncopied) {
      this.#short.push(piece)
      this.#length += piece.length
    } else {
      this.flush()
      this.done.push(piece)
    }
  }

  addText(text: string): void {
    this.#short.push(text)
    this.#length += utf8Length(text)
  }

  addContent(content: EditContent): void {
    this.flush()
    this.done.push(content)
    this.addText(content.after)
  }

  flush(): void {
    const short = this.#short
    if (short.length === 0) return
    const [only] = short
    this.done.push(short.length === 1 && typeof only === "object" ? only : written(short, this.#length))
    this.#short = []
    this.#length = 0
  }
}

const written = (parts: ReadonlyArray<Uint8Array | string>, length: number): Uint8Array => {
  const result = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    if (typeof part === "string") at = writeText(result, at, part)
    else {
      result.set(part, at)
      at += part.length
    }
  }
  return result
}

/** Most values are ASCII, which is written faster than an encoder is called. */
const writeText = (result: Uint8Array, start: number, text: string): number => {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c >= 0x80) return start + encoder.encodeInto(text, result.subarray(start)).written
    result[start + i] = c
  }
  return start + text.length
}

/** The bytes of a well-formed string in UTF-8, counted because making them only to learn this costs more. */
const utf8Length = (text: string): number => {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    // The two halves of a surrogate pair have two bytes each.
    if (c >= 0x80) length += c < 0x800 || (c >= 0xd800 && c <= 0xdfff) ? 1 : 2
  }
  return length
}

/**
 * The document in `chunks` with values replaced by strings, which are written as JSON.stringify does unless they are raw; all other bytes
 * stay as they are. Offsets count from the start of the first chunk. Without edits the result is `chunks` itself,
 * otherwise it may share memory with them. Edits may come in any order. Edits that overlap or are out of bounds are a
 * mistake of the program: a `RangeError`.
 */
export const splice = (chunks: ReadonlyArray<Uint8Array>, edits: ReadonlyArray<Edit>): ReadonlyArray<Uint8Array> =>
  // Without content there is nothing but bytes.
  compose(chunks, edits) as ReadonlyArray<Uint8Array>

/** The same with edits that bring content: it is a piece of its own, in its place. */
export const compose = (
  chunks: ReadonlyArray<Uint8Array>,
  edits: ReadonlyArray<BodyEdit>
): ReadonlyArray<Uint8Array | EditContent> => {
  if (edits.length === 0) return chunks
  let length = 0
  for (const chunk of chunks) length += chunk.length
  const pieces = new Pieces()
  let index = 0
  let chunk = chunks[0] ?? new Uint8Array(0)
  /** The offset of the chunk's first byte. */
  let base = 0
  let at = 0
  /** Goes on to an offset, with or without what is on the way there. */
  const advance = (to: number, keep: boolean): void => {
    for (;;) {
      const stop = Math.min(to, base + chunk.length)
      if (keep && stop > at) pieces.add(chunk.subarray(at - base, stop - base))
      at = stop
      if (at === to) return
      base += chunk.length
      chunk = chunks[++index] ?? chunk
    }
  }
  for (const { content, end, raw, start, value } of inOrder(edits, length)) {
    advance(start, true)
    pieces.addText(raw === true ? value : JSON.stringify(value))
    if (content !== undefined) pieces.addContent(content)
    advance(end, false)
  }
  advance(length, true)
  pieces.flush()
  return pieces.done
}
