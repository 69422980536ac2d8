/** Reads content in chunks of one size, and tells the last one. */
import type { Bytes } from "../Bytes.ts"

export interface Chunk {
  /** Of the full size, unless it is the last; empty only if the content is. */
  readonly chunk: Uint8Array<ArrayBuffer>
  readonly isLast: boolean
}

/** One byte more than a chunk is read before the chunk is given: only then is it known whether it is the last. */
export class ChunkReader {
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #size: number
  #buffer: Uint8Array<ArrayBuffer>
  #length = 0
  #rest: Uint8Array = new Uint8Array(0)
  #ended = false

  constructor(bytes: Bytes, size: number) {
    this.#iterator = bytes[Symbol.asyncIterator]()
    this.#size = size
    this.#buffer = new Uint8Array(size)
  }

  /** Rejected with what the source throws. */
  async next(): Promise<Chunk> {
    for (;;) {
      const taken = Math.min(this.#size - this.#length, this.#rest.byteLength)
      this.#buffer.set(this.#rest.subarray(0, taken), this.#length)
      this.#rest = this.#rest.subarray(taken)
      this.#length += taken
      if (this.#rest.byteLength > 0) {
        const chunk = this.#buffer
        this.#buffer = new Uint8Array(this.#size)
        this.#length = 0
        return { chunk, isLast: false }
      }
      const next = await this.#iterator.next()
      if (next.done === true) {
        this.#ended = true
        return { chunk: this.#buffer.subarray(0, this.#length), isLast: true }
      }
      this.#rest = next.value
    }
  }

  /** Ends the source, unless it has ended. */
  async end(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#iterator.return?.()
  }
}
