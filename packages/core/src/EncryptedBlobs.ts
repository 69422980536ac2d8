/**
 * Content that is encrypted before another store keeps it: who has only the store can neither read nor change it.
 *
 * Each content has a key of its own, derived (HKDF-SHA256) from one of the configured keys, a random salt and the
 * name that it is stored under, so that content which is copied to another name cannot be read. It is encrypted with
 * AES-256-GCM in chunks of 64 KiB. The nonce of a chunk is its number and whether it is the last one: chunks that are
 * left out, repeated, put in another order or cut off do not decrypt, and any of them can be read without those before.
 *
 * What is stored is a header (4 bytes that tell the format, 16 of the configured key's ID, 32 of salt) and the chunks,
 * each followed by its tag of 16 bytes. Sizes can be told by who sees the store, and so can equal key IDs.
 *
 * To change the key, put a new one before the old ones: content under those stays readable as long as they are there.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { BlobStore, make as makeService, type BlobBackend } from "./BlobStore.ts"
import * as Bytes from "./Bytes.ts"
import * as BlobCipher from "./internal/blobCipher.ts"
import { ChunkReader } from "./internal/chunkReader.ts"
import * as StorageError from "./StorageError.ts"

export interface EncryptionKey {
  /** 1 to 16 characters of `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`. It is stored with the content, in the clear. */
  readonly id: string
  /** 32 bytes from a good random generator. */
  readonly secret: Redacted.Redacted<Uint8Array>
}

export interface Options {
  /** New content is encrypted under the first. */
  readonly keys: readonly [EncryptionKey, ...ReadonlyArray<EncryptionKey>]
}

const { chunkSize, headerSize, sealedSize, tagSize } = BlobCipher

/** What is stored in the place of the content. */
const sealed = (cipher: BlobCipher.Cipher, header: Uint8Array, bytes: Bytes.Bytes): Bytes.Bytes => ({
  // Not a generator, which would keep who ends the iteration waiting for a source that does not say anything.
  [Symbol.asyncIterator]: () => {
    const reader = new ChunkReader(bytes, chunkSize)
    let index = -1
    let ended = false
    return {
      next: async () => {
        if (index === -1) {
          index = 0
          return { done: false, value: header }
        }
        if (ended) return { done: true, value: undefined }
        const { chunk, isLast } = await reader.next()
        ended = isLast
        return { done: false, value: await cipher.seal(index++, isLast, chunk) }
      },
      return: async () => {
        await reader.end()
        return { done: true, value: undefined }
      }
    }
  }
})

/** The chunks from `first`, opened; `atEnd` tells that the last one of `bytes` is the last of the content. */
const opened = (
  cipher: BlobCipher.Cipher,
  first: number,
  atEnd: boolean,
  bytes: Bytes.Bytes,
  corrupt: (cause: unknown) => StorageError.StorageError
): Bytes.Bytes => ({
  async *[Symbol.asyncIterator]() {
    const reader = new ChunkReader(bytes, sealedSize)
    let index = first
    try {
      for (;;) {
        const { chunk, isLast } = await reader.next()
        yield await cipher.open(index, isLast && atEnd, chunk).catch((cause: unknown) => {
          throw corrupt(cause)
        })
        index += 1
        if (isLast) return
      }
    } finally {
      await reader.end()
    }
  }
})

/** The part of `bytes` after `skip` bytes, `length` of them at most. The whole of `bytes` is read, and so checked. */
const sliced = (bytes: Bytes.Bytes, skip: number, length: number): Bytes.Bytes => ({
  async *[Symbol.asyncIterator]() {
    let position = 0
    for await (const chunk of bytes) {
      const part = chunk.subarray(Math.max(skip - position, 0), Math.max(skip + length - position, 0))
      position += chunk.byteLength
      if (part.byteLength > 0) yield part
    }
  }
})

/** Where the chunks of a content are, by its size in the store; undefined for a size that no content has. */
const layoutOf = (storedSize: number): { readonly chunks: number; readonly size: number } | undefined => {
  const body = storedSize - headerSize
  const chunks = Math.ceil(body / sealedSize)
  const isWhole = body >= tagSize && body - (chunks - 1) * sealedSize >= tagSize
  return isWhole ? { chunks, size: body - chunks * tagSize } : undefined
}

/** The backend over another store. Fails when a key is not one. */
export const makeBackend = (inner: BlobStore["Service"], options: Options): BlobBackend => {
  const fail = StorageError.of("encrypted")
  const keys = BlobCipher.importKeys(options.keys.map(({ id, secret }) => ({ id, secret: Redacted.value(secret) })))
  const corrupt = (method: string, key: string) => (cause: unknown) =>
    fail(method, new StorageError.Corrupt({ key, cause }))
  const cipherOf = (method: string, key: string, header: Uint8Array) =>
    Effect.tryPromise({ try: () => keys.open(header, key), catch: corrupt(method, key) })

  /** Size, chunks and cipher of what is stored; the header is read first. */
  const inspect = Effect.fnUntraced(function* (method: string, key: string) {
    const layout = layoutOf(yield* inner.size(key))
    if (layout === undefined) return yield* corrupt(method, key)("it is not encrypted, or was cut off")
    const header = yield* Effect.scoped(
      Effect.flatMap(inner.open(key, { offset: 0, length: headerSize }), (bytes) =>
        Effect.tryPromise({
          try: () => Bytes.collect(bytes),
          catch: (cause) =>
            cause instanceof StorageError.StorageError ? cause : fail(method, new StorageError.Unavailable({ cause }))
        })
      )
    )
    return { ...layout, cipher: yield* cipherOf(method, key, header) }
  })

  const openChunks = Effect.fnUntraced(function* (
    method: string,
    key: string,
    { chunks, cipher }: { readonly chunks: number; readonly cipher: BlobCipher.Cipher },
    first: number,
    last: number
  ) {
    const range = { offset: headerSize + first * sealedSize, length: (last - first + 1) * sealedSize }
    const bytes = yield* inner.open(key, range)
    return opened(cipher, first, last === chunks - 1, bytes, corrupt(method, key))
  })

  return {
    name: inner.name,
    write: Effect.fnUntraced(function* (key, bytes) {
      const { cipher, header } = yield* Effect.promise(() => keys.create(key))
      yield* inner.put(key, sealed(cipher, header, bytes))
    }),
    read: Effect.fnUntraced(function* (key, { length = Number.MAX_SAFE_INTEGER, offset }) {
      const content = yield* inspect("read", key)
      // Nothing past the end is what a content that was cut off would have: the last chunk tells.
      const first = Math.min(Math.floor(offset / chunkSize), content.chunks - 1)
      const end = Math.min(offset + length, content.size)
      const last = end >= content.size ? content.chunks - 1 : Math.max(first, Math.floor((end - 1) / chunkSize))
      return sliced(
        yield* openChunks("read", key, content, first, last),
        offset - first * chunkSize,
        Math.max(end - offset, 0)
      )
    }),
    size: (key) =>
      Effect.scoped(
        Effect.gen(function* () {
          const content = yield* inspect("size", key)
          const last = yield* openChunks("size", key, content, content.chunks - 1, content.chunks - 1)
          yield* Effect.tryPromise({
            try: () => Bytes.collect(last),
            catch: (cause) =>
              cause instanceof StorageError.StorageError ? cause : fail("size", new StorageError.Unavailable({ cause }))
          })
          return content.size
        })
      ),
    remove: inner.remove
  }
}

/** Encrypts what the store that is provided to it keeps. */
export const layer = (options: Options): Layer.Layer<BlobStore, never, BlobStore> =>
  Layer.effect(
    BlobStore,
    Effect.map(BlobStore, (inner) => makeService(makeBackend(inner, options)))
  )
