/**
 * Server-sent events on their way to a client, with values replaced in their data.
 *
 * What is not replaced goes on byte for byte, comments, names and line ends included, and no event is kept longer than
 * until its end has come. The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import * as Bytes from "./Bytes.ts"
import { type Edit, splice } from "./JsonEdit.ts"

/** The longest event that is taken; in bytes. A generated image may be in one. */
export const longestEvent = 64 * 1024 * 1024

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const SPACE = 0x20
const dataField = [0x64, 0x61, 0x74, 0x61] as const
const byteOrderMark = [0xef, 0xbb, 0xbf] as const

/** Finds the ends of events in one chunk after another. A line ends with CR, LF or both; an event with an empty line. */
class Boundaries {
  #lineIsEmpty = true
  #afterReturn = false

  /** Whether the first byte of the next chunk still belongs to the event before it. */
  isOwed(chunk: Uint8Array): boolean {
    return this.#afterReturn && this.#lineIsEmpty && chunk[0] === LF
  }

  /** The offset after the event that goes on at `from`, or -1 if it does not end in this chunk. */
  next(chunk: Uint8Array, from: number): number {
    // Nearly every stream has line feeds alone, for which there is a faster way.
    return !this.#afterReturn && chunk.indexOf(CR, from) < 0
      ? this.#nextOfLineFeeds(chunk, from)
      : this.#nextOfAny(chunk, from)
  }

  #nextOfLineFeeds(chunk: Uint8Array, from: number): number {
    if (from === chunk.length) return -1
    if (this.#lineIsEmpty && chunk[from] === LF) return from + 1
    let p = chunk.indexOf(LF, from)
    while (p >= 0 && p + 1 < chunk.length) {
      if (chunk[p + 1] === LF) {
        this.#lineIsEmpty = true
        return p + 2
      }
      p = chunk.indexOf(LF, p + 1)
    }
    this.#lineIsEmpty = p >= 0
    return -1
  }

  #nextOfAny(chunk: Uint8Array, from: number): number {
    for (let p = from; p < chunk.length; p++) {
      const c = chunk[p]
      if (c !== LF && c !== CR) {
        this.#lineIsEmpty = false
        this.#afterReturn = false
        continue
      }
      if (c === LF && this.#afterReturn) {
        this.#afterReturn = false
        continue
      }
      const ended = this.#lineIsEmpty
      this.#lineIsEmpty = true
      this.#afterReturn = false
      if (c === CR) {
        if (chunk[p + 1] === LF) p++
        else this.#afterReturn = p + 1 === chunk.length
      }
      if (ended) return p + 1
    }
    return -1
  }
}

const startsWith = (bytes: Uint8Array, start: number, end: number, expected: ReadonlyArray<number>): boolean =>
  end - start >= expected.length && expected.every((byte, index) => bytes[start + index] === byte)

/** A line of an event's data: where it stands in the event, and where in the data. */
interface DataLine {
  readonly start: number
  readonly end: number
  readonly offset: number
}

const endOfLine = (event: Uint8Array, start: number, hasReturns: boolean): number => {
  const feed = event.indexOf(LF, start)
  const end = feed < 0 ? event.length : feed
  if (!hasReturns) return end
  const back = event.indexOf(CR, start)
  return back < 0 ? end : Math.min(end, back)
}

/** The values of the `data` fields, in order. */
const dataLines = (event: Uint8Array): ReadonlyArray<DataLine> => {
  const lines: Array<DataLine> = []
  let offset = 0
  const hasReturns = event.indexOf(CR) >= 0
  let start = event[0] === byteOrderMark[0] && startsWith(event, 0, event.length, byteOrderMark) ? 3 : 0
  while (start < event.length) {
    const end = endOfLine(event, start, hasReturns)
    if (event[start] === dataField[0] && startsWith(event, start, end, dataField)) {
      const colon = start + dataField.length
      if (colon === end || event[colon] === COLON) {
        let value = Math.min(colon + 1, end)
        if (value < end && event[value] === SPACE) value++
        lines.push({ start: value, end, offset })
        // A line feed stands between the lines.
        offset += end - value + 1
      }
    }
    start = end + 1
  }
  return lines
}

const joined = (event: Uint8Array, lines: ReadonlyArray<DataLine>): Uint8Array => {
  const [only] = lines
  if (only !== undefined && lines.length === 1) return event.subarray(only.start, only.end)
  const last = lines.at(-1)
  const data = new Uint8Array(last === undefined ? 0 : last.offset + last.end - last.start).fill(LF)
  for (const { end, offset, start } of lines) data.set(event.subarray(start, end), offset)
  return data
}

/** An edit of the data as an edit of the event. A token of JSON never goes over the end of a line. */
const inEvent =
  (lines: ReadonlyArray<DataLine>) =>
  (edit: Edit): Edit => {
    const line = lines.findLast(({ offset }) => offset <= edit.start)
    const shift = line === undefined ? 0 : line.start - line.offset
    return { ...edit, start: edit.start + shift, end: edit.end + shift }
  }

/** What is to be replaced in the data of an event; at once where nothing has to be waited for. */
export type EditsOf = (data: Uint8Array) => ReadonlyArray<Edit> | Promise<ReadonlyArray<Edit>>

/**
 * The same events with the edits of `editsOf` made in their data. Offsets count from the start of an event's data,
 * whose lines are joined by line feeds; an edit must lie within one line. What comes after the last event's end is
 * handed on as an event of its own. Throws what the source or `editsOf` throws, and for an event that is too long.
 */
export const rewrite = (source: Bytes.Bytes, editsOf: EditsOf): Bytes.Bytes => ({
  [Symbol.asyncIterator]: () => rewritten(source, editsOf)
})

async function* rewritten(source: Bytes.Bytes, editsOf: EditsOf): AsyncGenerator<Uint8Array, void, void> {
  const boundaries = new Boundaries()
  /** Of an event whose end has not come. */
  let held: Array<Uint8Array> = []
  let heldLength = 0

  for await (const chunk of source) {
    /** Before this offset everything has been handed on. */
    let passed = 0
    let start = held.length === 0 && boundaries.isOwed(chunk) ? 1 : 0
    for (;;) {
      const end = boundaries.next(chunk, start)
      if (end < 0) break
      const rest = chunk.subarray(start, end)
      const event = held.length === 0 ? rest : Bytes.concat([...held, rest])
      const lines = dataLines(event)
      const found = lines.length === 0 ? [] : editsOf(joined(event, lines))
      let edits: ReadonlyArray<Edit>
      if (found instanceof Promise) {
        // What came before does not wait.
        if (start > passed) yield chunk.subarray(passed, start)
        passed = start
        edits = await found
      } else edits = found
      if (held.length > 0 || edits.length > 0) {
        if (start > passed) yield chunk.subarray(passed, start)
        passed = end
        yield* splice([event], edits.map(inEvent(lines)))
        held = []
        heldLength = 0
      }
      start = end
    }
    if (start > passed) yield chunk.subarray(passed, start)
    if (start < chunk.length) {
      held.push(chunk.subarray(start))
      heldLength += chunk.length - start
      if (heldLength > longestEvent) throw new RangeError(`An event of the stream is over ${longestEvent} bytes.`)
    }
  }
  if (held.length > 0) {
    const event = Bytes.concat(held)
    const lines = dataLines(event)
    const edits = lines.length === 0 ? [] : await editsOf(joined(event, lines))
    yield* splice([event], edits.map(inEvent(lines)))
  }
}
