/**
 * Content as objects of a bucket, on S3 or a server that is compatible with it.
 *
 * Content up to the size of a part is one `PutObject`; more goes up in parts, a few at a time, and becomes visible
 * when the upload is completed. Both say `If-None-Match: *`, so that of several writers one gets the key. A server
 * that takes no notice of that keeps apart the writers of one process only.
 */
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand } from "@aws-sdk/client-s3"
import { BlobStore, make as makeService, type BlobBackend } from "@omnifile/core/BlobStore"
import type * as Bytes from "@omnifile/core/Bytes"
import * as ObjectBlobs from "@omnifile/core/ObjectBlobs"
import * as ObjectUpload from "@omnifile/core/ObjectUpload"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { Readable } from "node:stream"
import * as Bucket from "./Bucket.ts"
import * as S3Error from "./S3Error.ts"
import * as UnfinishedUploads from "./UnfinishedUploads.ts"
import { newObject } from "./Upload.ts"
import * as Writers from "./Writers.ts"

export type { Credentials, Options, ServerSideEncryption } from "./Bucket.ts"

const MiB = 1024 * 1024
const defaultPartSize = 8 * MiB
const minPartSize = 5 * MiB
const defaultConcurrentParts = 3
const defaultAbandonedAfter = 2 * 24 * 60 * 60 * 1000

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

  const open = async (key: string, range: Bytes.ByteRange, signal: AbortSignal): Promise<ObjectBlobs.OpenContent> => {
    if (range.length === 0) {
      await size(key)
      return ObjectBlobs.nothing
    }
    const header = ObjectBlobs.rangeHeader(range)
    try {
      const { Body, ContentLength, ContentRange } = await bucket.client.send(
        new GetObjectCommand({ ...bucket.objectOf(key), ...(header === undefined ? {} : { Range: header }) }),
        { abortSignal: signal }
      )
      if (!(Body instanceof Readable)) throw new TypeError("the answer has no readable body")
      if (range.length !== undefined && (ContentLength ?? 0) > range.length) {
        return ObjectBlobs.fromStream(Readable.from(atMost(range.length, Body)))
      }
      if (ContentRange?.endsWith("/0") !== true) return ObjectBlobs.fromStream(Body)
      // Some servers promise a byte of empty content.
      ObjectBlobs.fromStream(Body).close()
      return ObjectBlobs.nothing
    } catch (cause) {
      if (S3Error.isPastEnd(cause)) return ObjectBlobs.nothing
      throw cause
    }
  }
  return { open, size }
}

/** The backend over a bucket that exists. The scope closes its connections. */
export const makeBackend = Effect.fnUntraced(function* (
  options: Bucket.Options
): Effect.fn.Return<BlobBackend, never, Scope.Scope> {
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

  return ObjectBlobs.make({
    name: "s3",
    partSize: Math.max(options.partSize ?? defaultPartSize, minPartSize),
    start: (key, parts, signal) =>
      writers.inTurn(key, () =>
        ObjectUpload.start(newObject(bucket, key), randomUUID(), parts, concurrentParts, signal)
      ),
    open: reader.open,
    size: reader.size,
    remove: async (key) => {
      const { Key } = bucket.objectOf(key)
      await UnfinishedUploads.abort(bucket, Key, (upload) => upload.Key === Key)
      await bucket.client.send(new DeleteObjectCommand(bucket.objectOf(key)))
    },
    isMissing: S3Error.isMissing
  })
})

/** Content in a bucket. */
export const layer = (options: Bucket.Options): Layer.Layer<BlobStore> =>
  Layer.effect(BlobStore, Effect.map(makeBackend(options), makeService))
