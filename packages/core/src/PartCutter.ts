/** Cuts content into parts of one size, for backends that store it so. */
import { concat, type Bytes } from "./Bytes.ts"

/** What the source threw, as opposed to an error of the store. */
export class SourceFailure extends Error {
  constructor(cause: unknown) {
    super("the content could not be read", { cause })
  }
}

/**
 * Parts of exactly `partSize` bytes, as some servers insist on, and a last one with what is left; none for empty
 * content. Rejected with a `SourceFailure` when the source throws.
 */
export async function* cut(bytes: Bytes, partSize: number): AsyncGenerator<Uint8Array, void, void> {
  let chunks: Array<Uint8Array> = []
  let size = 0
  const iterator = bytes[Symbol.asyncIterator]()
  let ended = false
  try {
    for (;;) {
      const next = await iterator.next().catch((cause: unknown) => {
        ended = true
        throw new SourceFailure(cause)
      })
      if (next.done === true) {
        ended = true
        break
      }
      let chunk = next.value
      while (size + chunk.byteLength >= partSize) {
        const length = partSize - size
        yield concat([...chunks, chunk.subarray(0, length)])
        chunk = chunk.subarray(length)
        chunks = []
        size = 0
      }
      if (chunk.byteLength > 0) chunks.push(chunk)
      size += chunk.byteLength
    }
  } finally {
    if (!ended) await iterator.return?.()
  }
  if (size > 0) yield concat(chunks)
}
