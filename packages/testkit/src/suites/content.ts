/** Content for the suites: reproducible at any size without ever being whole in memory, and sources of it. */
import type { Bytes } from "@omnifile/core/Bytes"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { createHash, type Hash } from "node:crypto"

/** Bytes without a pattern: one seed always gives the same ones. */
export const bytesOf = (seed: number, length: number): Uint8Array => {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[index] = state
  }
  return new Uint8Array(words.buffer, 0, length)
}

/** Cuts content into chunks of this size. */
export const chunked = (whole: Uint8Array, size: number): ReadonlyArray<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let offset = 0; offset < whole.byteLength; offset += size) chunks.push(whole.subarray(offset, offset + size))
  return chunks
}

export const digestOf = (whole: Uint8Array): string => createHash("sha256").update(whole).digest("hex")

/** Length and SHA-256 of content that is read to its end. */
export const measure = async (bytes: Bytes): Promise<{ readonly length: number; readonly digest: string }> => {
  const hash = createHash("sha256")
  let length = 0
  for await (const chunk of bytes) {
    hash.update(chunk)
    length += chunk.byteLength
  }
  return { length, digest: hash.digest("hex") }
}

/** Chunks that are made when they are asked for; `hash` sees all of them. */
export const generated = (chunks: number, chunkLength: number, hash: Hash): Bytes => ({
  async *[Symbol.asyncIterator]() {
    for (let index = 0; index < chunks; index++) {
      const chunk = bytesOf(index, chunkLength)
      hash.update(chunk)
      yield chunk
    }
  }
})

/** Chunks, and then an error. */
export const failing = (chunks: ReadonlyArray<Uint8Array>, error: unknown): Bytes => ({
  async *[Symbol.asyncIterator]() {
    yield* chunks
    throw error
  }
})

/** A source that gives its chunks and then keeps its reader waiting. */
export interface PausedSource {
  readonly bytes: Bytes
  /** Done as soon as the reader waits. */
  readonly waiting: Effect.Effect<void>
  /** Done as soon as the reader has ended the iteration. */
  readonly ended: Effect.Effect<void>
  /** Ends the content. */
  readonly finish: Effect.Effect<void>
}

export const paused = Effect.fnUntraced(function* (chunks: ReadonlyArray<Uint8Array>): Effect.fn.Return<PausedSource> {
  const waiting = yield* Deferred.make<void>()
  const ended = yield* Deferred.make<void>()
  let finish = (): void => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const rest = [...chunks]
  const done = { done: true, value: undefined } as const
  return {
    bytes: {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          const value = rest.shift()
          if (value !== undefined) return { done: false, value }
          Deferred.doneUnsafe(waiting, Effect.void)
          await finished
          return done
        },
        return: async () => {
          Deferred.doneUnsafe(ended, Effect.void)
          return done
        }
      })
    },
    waiting: Deferred.await(waiting),
    ended: Deferred.await(ended),
    finish: Effect.sync(() => finish())
  }
})
