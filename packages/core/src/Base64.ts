/** Content in base64 as it comes, without ever holding more of it than a chunk. */
import type { Bytes } from "./Bytes.ts"

const alphabet = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
const PAD = 0x3d

/** The length of so many bytes in base64. */
export const lengthOf = (bytes: number): number => 4 * Math.ceil(bytes / 3)

/** At most so many bytes are encoded at once: a multiple of three. */
const most = 48 * 1024

const at = (bytes: Uint8Array, index: number): number => bytes[index] ?? 0

/** Encodes bytes; what is missing for a group of three at the end is padded. */
const encoded = (bytes: Uint8Array): Uint8Array => {
  const result = new Uint8Array(lengthOf(bytes.length))
  let out = 0
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (at(bytes, i) << 16) | (at(bytes, i + 1) << 8) | at(bytes, i + 2)
    result[out++] = at(alphabet, group >>> 18)
    result[out++] = at(alphabet, (group >>> 12) & 63)
    result[out++] = at(alphabet, (group >>> 6) & 63)
    result[out++] = at(alphabet, group & 63)
  }
  const missing = (3 - (bytes.length % 3)) % 3
  if (missing > 0) result.fill(PAD, out - missing)
  return result
}

const joined = (carried: Uint8Array, chunk: Uint8Array): Uint8Array => {
  if (carried.length === 0) return chunk
  const both = new Uint8Array(carried.length + chunk.length)
  both.set(carried)
  both.set(chunk, carried.length)
  return both
}

/** The same content in base64, with padding and without line breaks. */
export const encode = (bytes: Bytes): Bytes => ({
  async *[Symbol.asyncIterator]() {
    let carried: Uint8Array = new Uint8Array(0)
    for await (const chunk of bytes) {
      const all = joined(carried, chunk)
      const whole = all.length - (all.length % 3)
      for (let from = 0; from < whole; from += most) yield encoded(all.subarray(from, Math.min(whole, from + most)))
      carried = all.slice(whole)
    }
    if (carried.length > 0) yield encoded(carried)
  }
})
