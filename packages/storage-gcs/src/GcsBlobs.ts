/**
 * Content as objects of a bucket of Google Cloud Storage.
 *
 * Content up to the size of a chunk is one request; more goes up in a resumable session, and becomes visible with its
 * last chunk. Both say that the object must not exist yet, so that of several writers one gets the key; and both are
 * compared by CRC32C with what the service has taken.
 */
import type { File } from "@google-cloud/storage"
import { BlobStore, make as makeService, type BlobBackend } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import { cut, SourceFailure } from "@omnifile/core/PartCutter"
import * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Bucket from "./Bucket.ts"
import * as Crc32c from "./Crc32c.ts"
import * as GcsError from "./GcsError.ts"
import { retrying, send } from "./Http.ts"
import * as Upload from "./Upload.ts"

export type { Options } from "./Bucket.ts"

const KiB = 1024

/** The service takes chunks of multiples of this. */
const chunkUnit = 256 * KiB

const defaultChunkSize = 8 * KiB * KiB

const fail = StorageError.of("gcs")

const unavailable = (method: string) => (cause: unknown) => fail(method, new StorageError.Unavailable({ cause }))

const missingOrUnavailable = (method: string, key: string) => (cause: unknown) =>
  GcsError.isMissing(cause) ? fail(method, new StorageError.Missing({ key })) : unavailable(method)(cause)

const writeFailed = (key: string) => (cause: unknown) => {
  if (cause instanceof SourceFailure) return fail("write", new StorageError.SourceFailed({ key, cause: cause.cause }))
  return cause instanceof Upload.KeyTaken
    ? fail("write", new StorageError.Conflict({ key }))
    : unavailable("write")(cause)
}

const sizeOf = async (file: File): Promise<number> => Number((await file.getMetadata())[0].size ?? 0)

/** Undefined for all of it. */
const rangeHeader = ({ length, offset }: Bytes.ByteRange): string | undefined => {
  if (length !== undefined) return `bytes=${offset}-${offset + length - 1}`
  return offset === 0 ? undefined : `bytes=${offset}-`
}

/** The same content, compared with the checksum that the service has of it. */
async function* checked(body: Bytes.Bytes, expected: string): AsyncGenerator<Uint8Array, void, void> {
  let crc = 0
  for await (const chunk of body) {
    crc = Crc32c.update(crc, chunk)
    yield chunk
  }
  if (Crc32c.toText(crc) !== expected) throw new Error("the content does not have its checksum")
}

/** Reads until the signal. */
const open = async (
  bucket: Bucket.Bucket,
  key: string,
  range: Bytes.ByteRange,
  signal: AbortSignal
): Promise<Bytes.Bytes> => {
  const nothing = Bytes.fromArray()
  if (range.length === 0) {
    await sizeOf(bucket.fileOf(key))
    return nothing
  }
  try {
    const header = rangeHeader(range)
    const { body, headers } = await retrying(signal, async () => {
      const content = await bucket.contentOf(key)
      if (header !== undefined) content.headers.set("range", header)
      return send(content.url, { headers: content.headers, signal }, [200, 206])
    })
    if (body === null) return nothing
    const [, crc32c] = /crc32c=([^,]+)/.exec(headers.get("x-goog-hash") ?? "") ?? []
    return header === undefined && crc32c !== undefined ? checked(body, crc32c) : body
  } catch (cause) {
    if (GcsError.isPastEnd(cause)) return nothing
    throw cause
  }
}

/** A write that is on its way. One that fails has ended its session before it says so. */
interface Attempt {
  upload: Promise<Upload.Upload> | undefined
}

/** The backend over a bucket that exists. */
export const makeBackend = (options: Bucket.Options): BlobBackend => {
  const chunkSize = Math.max(Math.floor((options.chunkSize ?? defaultChunkSize) / chunkUnit), 1) * chunkUnit
  const bucket = Bucket.open(options)
  const { fileOf } = bucket

  const exists = (key: string) =>
    Effect.tryPromise({
      try: () =>
        sizeOf(fileOf(key)).then(
          () => true,
          (cause: unknown) => {
            if (GcsError.isMissing(cause)) return false
            throw cause
          }
        ),
      catch: unavailable("write")
    })

  return {
    name: "gcs",
    write: Effect.fnUntraced(function* (key, bytes) {
      if (yield* exists(key)) return yield* fail("write", new StorageError.Conflict({ key }))
      yield* Effect.acquireUseRelease(
        Effect.sync((): Attempt => ({ upload: undefined })),
        (attempt) =>
          Effect.flatMap(
            Effect.tryPromise({
              try: (signal) => {
                const parts = cut(Bytes.abortable(bytes, signal), chunkSize)
                return (attempt.upload = Upload.start(fileOf(key), parts, signal))
              },
              catch: writeFailed(key)
            }),
            // Interrupted half way, nobody could tell whether the content is there.
            (upload) => Effect.uninterruptible(Effect.tryPromise({ try: upload.publish, catch: writeFailed(key) }))
          ),
        ({ upload }) =>
          Effect.ignore(
            Effect.tryPromise(async () => {
              const started = await upload?.catch(() => undefined)
              await started?.discard()
            }),
            { log: true }
          )
      )
    }),
    read: Effect.fnUntraced(function* (key, range) {
      const reader = yield* Effect.acquireRelease(
        Effect.sync(() => new AbortController()),
        (controller) => Effect.sync(() => controller.abort())
      )
      return yield* Effect.tryPromise({
        try: (signal) => open(bucket, key, range, AbortSignal.any([signal, reader.signal])),
        catch: missingOrUnavailable("read", key)
      })
    }),
    size: (key) => Effect.tryPromise({ try: () => sizeOf(fileOf(key)), catch: missingOrUnavailable("size", key) }),
    remove: (key) =>
      Effect.tryPromise({
        try: () => fileOf(key).delete({ ignoreNotFound: true }),
        catch: unavailable("remove")
      })
  }
}

/** Content in a bucket. */
export const layer = (options: Bucket.Options): Layer.Layer<BlobStore, StorageError.StorageError> =>
  Layer.effect(
    BlobStore,
    Effect.try({ try: () => makeService(makeBackend(options)), catch: (cause) => unavailable("open")(cause) })
  )
