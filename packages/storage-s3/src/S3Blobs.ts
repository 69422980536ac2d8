/**
 * Content as objects of a bucket, on S3 or a server that is compatible with it.
 *
 * Content up to the size of a part is one `PutObject`; more goes up in parts, a few at a time, and becomes visible
 * when the upload is completed. Both say `If-None-Match: *`, so that of several writers one gets the key. A server
 * that takes no notice of that keeps apart the writers of one process only.
 */
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand } from "@aws-sdk/client-s3"
import { BlobStore, make as makeService, type BlobBackend } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import { cut, SourceFailure } from "@omnifile/core/PartCutter"
import * as StorageError from "@omnifile/core/StorageError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Readable } from "node:stream"
import * as Bucket from "./Bucket.ts"
import * as S3Error from "./S3Error.ts"
import * as UnfinishedUploads from "./UnfinishedUploads.ts"
import * as Upload from "./Upload.ts"
import * as Writers from "./Writers.ts"

export type { Credentials, Options, ServerSideEncryption } from "./Bucket.ts"

const MiB = 1024 * 1024
const defaultPartSize = 8 * MiB
const minPartSize = 5 * MiB
const defaultConcurrentParts = 3
const defaultAbandonedAfter = 2 * 24 * 60 * 60 * 1000

const fail = StorageError.of("s3")

const unavailable = (method: string) => (cause: unknown) => fail(method, new StorageError.Unavailable({ cause }))

const missingOrUnavailable = (method: string, key: string) => (cause: unknown) =>
  S3Error.isMissing(cause) ? fail(method, new StorageError.Missing({ key })) : unavailable(method)(cause)

const writeFailed = (key: string) => (cause: unknown) => {
  if (cause instanceof SourceFailure) return fail("write", new StorageError.SourceFailed({ key, cause: cause.cause }))
  return cause instanceof Upload.KeyTaken
    ? fail("write", new StorageError.Conflict({ key }))
    : unavailable("write")(cause)
}

/** Undefined for all of it. */
const rangeHeader = ({ length, offset }: Bytes.ByteRange): string | undefined => {
  if (length !== undefined) return `bytes=${offset}-${offset + length - 1}`
  return offset === 0 ? undefined : `bytes=${offset}-`
}

/** An error that comes when nobody reads any more must not end the process. */
const close = (body: Readable): void => {
  body.on("error", () => {})
  body.destroy()
}

/** The first bytes only: some servers send more than they are asked for. */
async function* atMost(length: number, body: Readable): AsyncGenerator<Uint8Array, void, void> {
  let left = length
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("the body is not of bytes")
    yield chunk.byteLength > left ? chunk.subarray(0, left) : chunk
    left -= chunk.byteLength
    if (left <= 0) return
  }
}

const makeReader = (bucket: Bucket.Bucket) => {
  const size = async (key: string): Promise<number> =>
    (await bucket.client.send(new HeadObjectCommand(bucket.objectOf(key)))).ContentLength ?? 0

  const open = async (key: string, range: Bytes.ByteRange, signal: AbortSignal): Promise<Readable> => {
    if (range.length === 0) {
      await size(key)
      return Readable.from([])
    }
    const header = rangeHeader(range)
    try {
      const { Body, ContentLength, ContentRange } = await bucket.client.send(
        new GetObjectCommand({ ...bucket.objectOf(key), ...(header === undefined ? {} : { Range: header }) }),
        { abortSignal: signal }
      )
      if (!(Body instanceof Readable)) throw new TypeError("the answer has no readable body")
      if (range.length !== undefined && (ContentLength ?? 0) > range.length) {
        return Readable.from(atMost(range.length, Body))
      }
      if (ContentRange?.endsWith("/0") !== true) return Body
      // Some servers promise a byte of empty content.
      close(Body)
      return Readable.from([])
    } catch (cause) {
      if (S3Error.isPastEnd(cause)) return Readable.from([])
      throw cause
    }
  }
  return { open, size }
}

/** A write whose parts are on their way. One that fails has taken back its parts before it says so. */
interface Attempt {
  upload: Promise<Upload.Upload> | undefined
}

/** The backend over a bucket that exists. The scope closes its connections. */
export const makeBackend = Effect.fnUntraced(function* (
  options: Bucket.Options
): Effect.fn.Return<BlobBackend, never, Scope.Scope> {
  const partSize = Math.max(options.partSize ?? defaultPartSize, minPartSize)
  const concurrentParts = Math.max(options.concurrentParts ?? defaultConcurrentParts, 1)
  const abandonedAfter = options.abandonedAfter ?? defaultAbandonedAfter
  const bucket = yield* Effect.acquireRelease(
    Effect.sync(() => Bucket.open(options)),
    ({ client }) => Effect.sync(() => client.destroy())
  )
  const reader = makeReader(bucket)
  const writers = Writers.make()

  /** Aborts what crashed writers have left, once an hour, for the whole prefix. */
  const abortAbandoned = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.tryPromise(() =>
      UnfinishedUploads.abort(
        bucket,
        bucket.prefix,
        ({ Initiated }) => Initiated !== undefined && now - Initiated.getTime() > abandonedAfter
      )
    )
  )
  yield* Effect.forkScoped(Effect.repeat(Effect.ignore(abortAbandoned, { log: "Warn" }), Schedule.spaced("1 hour")))

  const exists = (key: string) =>
    Effect.tryPromise({
      try: () =>
        reader.size(key).then(
          () => true,
          (cause: unknown) => {
            if (S3Error.isMissing(cause)) return false
            throw cause
          }
        ),
      catch: unavailable("write")
    })

  return {
    name: "s3",
    write: Effect.fnUntraced(function* (key, bytes) {
      if (yield* exists(key)) return yield* fail("write", new StorageError.Conflict({ key }))
      yield* Effect.acquireUseRelease(
        Effect.sync(() => writers.enter(key)),
        (writer) =>
          Effect.acquireUseRelease(
            Effect.sync((): Attempt => ({ upload: undefined })),
            (attempt) =>
              Effect.flatMap(
                Effect.tryPromise({
                  try: (signal) => {
                    const parts = cut(Bytes.abortable(bytes, signal), partSize)
                    return (attempt.upload = Upload.start(bucket, key, parts, concurrentParts, signal))
                  },
                  catch: writeFailed(key)
                }),
                // Interrupted half way, nobody could tell whether the content is there.
                (upload) =>
                  Effect.uninterruptible(
                    Effect.tryPromise({ try: () => writer.once(upload.publish), catch: writeFailed(key) })
                  )
              ),
            ({ upload }) =>
              Effect.ignore(
                Effect.tryPromise(async () => {
                  const started = await upload?.catch(() => undefined)
                  await started?.discard()
                }),
                { log: true }
              )
          ),
        (writer) => Effect.sync(() => writer.leave())
      )
    }),
    read: (key, range) =>
      Effect.acquireRelease(
        Effect.tryPromise({
          try: (signal) => reader.open(key, range, signal),
          catch: missingOrUnavailable("read", key)
        }),
        (body) => Effect.sync(() => close(body)),
        { interruptible: true }
      ),
    size: (key) => Effect.tryPromise({ try: () => reader.size(key), catch: missingOrUnavailable("size", key) }),
    remove: (key) =>
      Effect.tryPromise({
        try: async () => {
          const { Key } = bucket.objectOf(key)
          await UnfinishedUploads.abort(bucket, Key, (upload) => upload.Key === Key)
          await bucket.client.send(new DeleteObjectCommand(bucket.objectOf(key)))
        },
        catch: unavailable("remove")
      })
  }
})

/** Content in a bucket. */
export const layer = (options: Bucket.Options): Layer.Layer<BlobStore> =>
  Layer.effect(BlobStore, Effect.map(makeBackend(options), makeService))
