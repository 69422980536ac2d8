/**
 * Reading and writing the few wire types that identifiers are made of: bytes, varints (LEB128), UTF-8 text behind its
 * length, and text that may be null.
 */
import * as Result from "effect/Result"

import { concat } from "../Bytes.ts"

const encoder = new TextEncoder()
/** Fatal, so that ill-formed bytes are refused; keeps a leading byte order mark, which is text like any other here. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** `undefined` for bytes that are not well-formed UTF-8. */
export const fromUtf8 = (bytes: Uint8Array): string | undefined =>
  Result.getOrUndefined(Result.try(() => decoder.decode(bytes)))

export const varint = (value: number): Uint8Array => {
  const groups: Array<number> = []
  let rest = value
  while (rest >= 0x80) {
    groups.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  groups.push(rest)
  return Uint8Array.from(groups)
}

export const text = (value: string): Uint8Array => {
  const bytes = utf8(value)
  return concat([varint(bytes.length), bytes])
}

/** Null is length 0 and text of n bytes is length n + 1, so that null and the empty string stay apart. */
export const nullableText = (value: string | null): Uint8Array => {
  if (value === null) return varint(0)
  const bytes = utf8(value)
  return concat([varint(bytes.length + 1), bytes])
}

const maxVarintGroups = 4

/**
 * Reads what the writers above wrote and nothing else. After the first fault every read gives a blank value, so a
 * caller reads all its fields and asks {@link ByteReader.isComplete} once.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  #offset = 0
  #failed = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get failed(): boolean {
    return this.#failed
  }

  /** Every read succeeded and no byte is left over. */
  get isComplete(): boolean {
    return !this.#failed && this.#offset === this.#bytes.length
  }

  bytes(length: number): Uint8Array {
    if (this.#failed || length > this.#bytes.length - this.#offset) {
      this.#failed = true
      return new Uint8Array(0)
    }
    const start = this.#offset
    this.#offset += length
    return this.#bytes.subarray(start, this.#offset)
  }

  byte(): number {
    return this.bytes(1)[0] ?? 0
  }

  varint(): number {
    let value = 0
    for (let group = 0; group < maxVarintGroups; group++) {
      const byte = this.byte()
      value |= (byte & 0x7f) << (7 * group)
      if (byte < 0x80) {
        // A last group of zero is a longer spelling of the same number.
        if (byte === 0 && group > 0) this.#failed = true
        return this.#failed ? 0 : value
      }
    }
    this.#failed = true
    return 0
  }

  text(): string {
    return this.#utf8(this.varint())
  }

  nullableText(): string | null {
    const length = this.varint()
    return length === 0 ? null : this.#utf8(length - 1)
  }

  #utf8(length: number): string {
    const value = fromUtf8(this.bytes(length))
    if (value === undefined) this.#failed = true
    return value ?? ""
  }
}
