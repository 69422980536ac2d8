/**
 * Content as block blobs of a container of Azure Blob Storage.
 *
 * Content up to the size of a block is one request; more goes up in blocks, a few at a time, and becomes visible when
 * they are committed. Both say `If-None-Match: *`, so that of several writers one gets the key.
 */
import type { BlockBlobClient } from "@azure/storage-blob"
import { BlobStore, make as makeService, type BlobBackend } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import { cut, SourceFailure } from "@omnifile/core/PartCutter"
import * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Readable } from "node:stream"
import * as AzureError from "./AzureError.ts"
import * as Container from "./Container.ts"
import * as Upload from "./Upload.ts"

export type { Credential, Options } from "./Container.ts"

const defaultBlockSize = 8 * 1024 * 1024
const minBlockSize = 64 * 1024
const defaultConcurrentBlocks = 3

const fail = StorageError.of("azure-blob")

/** The service has no content under the key. */
class NoContent extends Error {}

const unavailable = (method: string) => (cause: unknown) => fail(method, new StorageError.Unavailable({ cause }))

const missingOrUnavailable = (method: string, key: string) => (cause: unknown) =>
  cause instanceof NoContent || AzureError.isMissing(cause)
    ? fail(method, new StorageError.Missing({ key }))
    : unavailable(method)(cause)

const writeFailed = (key: string) => (cause: unknown) => {
  if (cause instanceof SourceFailure) return fail("write", new StorageError.SourceFailed({ key, cause: cause.cause }))
  return cause instanceof Upload.KeyTaken
    ? fail("write", new StorageError.Conflict({ key }))
    : unavailable("write")(cause)
}

/** An error that comes when nobody reads any more must not end the process. */
const close = (body: Readable): void => {
  body.on("error", () => {})
  body.destroy()
}

const sizeOf = async (blob: BlockBlobClient): Promise<number> => {
  const { contentLength, metadata } = await blob.getProperties()
  if (Upload.isNothing(metadata)) throw new NoContent()
  return contentLength ?? 0
}

const open = async (blob: BlockBlobClient, range: Bytes.ByteRange, signal: AbortSignal): Promise<Readable> => {
  if (range.length === 0) {
    await sizeOf(blob)
    return Readable.from([])
  }
  try {
    const { metadata, readableStreamBody } = await blob.download(range.offset, range.length, { abortSignal: signal })
    if (!(readableStreamBody instanceof Readable)) throw new TypeError("the answer has no readable body")
    if (!Upload.isNothing(metadata)) return readableStreamBody
    close(readableStreamBody)
    throw new NoContent()
  } catch (cause) {
    if (!AzureError.isPastEnd(cause)) throw cause
    await sizeOf(blob)
    return Readable.from([])
  }
}

const remove = async (blob: BlockBlobClient): Promise<void> => {
  const blocks = await blob.getBlockList("uncommitted").catch((cause: unknown) => {
    if (AzureError.isMissing(cause)) return undefined
    throw cause
  })
  if ((blocks?.uncommittedBlocks ?? []).length > 0) await Upload.dropBlocks(blob)
  await blob.deleteIfExists()
}

/** A write whose blocks are on their way. One that fails has taken back its blocks before it says so. */
interface Attempt {
  upload: Promise<Upload.Upload> | undefined
}

/** The backend over a container that exists. */
export const makeBackend = (options: Container.Options): BlobBackend => {
  const blockSize = Math.max(options.blockSize ?? defaultBlockSize, minBlockSize)
  const concurrentBlocks = Math.max(options.concurrentBlocks ?? defaultConcurrentBlocks, 1)
  const { blobOf } = Container.open(options)

  const exists = (key: string) =>
    Effect.tryPromise({
      try: () =>
        sizeOf(blobOf(key)).then(
          () => true,
          (cause: unknown) => {
            if (cause instanceof NoContent || AzureError.isMissing(cause)) return false
            throw cause
          }
        ),
      catch: unavailable("write")
    })

  return {
    name: "azure-blob",
    write: Effect.fnUntraced(function* (key, bytes) {
      if (yield* exists(key)) return yield* fail("write", new StorageError.Conflict({ key }))
      yield* Effect.acquireUseRelease(
        Effect.sync((): Attempt => ({ upload: undefined })),
        (attempt) =>
          Effect.flatMap(
            Effect.tryPromise({
              try: (signal) => {
                const blocks = cut(Bytes.abortable(bytes, signal), blockSize)
                return (attempt.upload = Upload.start(blobOf(key), blocks, concurrentBlocks, signal))
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
    read: (key, range) =>
      Effect.acquireRelease(
        Effect.tryPromise({
          try: (signal) => open(blobOf(key), range, signal),
          catch: missingOrUnavailable("read", key)
        }),
        (body) => Effect.sync(() => close(body)),
        { interruptible: true }
      ),
    size: (key) => Effect.tryPromise({ try: () => sizeOf(blobOf(key)), catch: missingOrUnavailable("size", key) }),
    remove: (key) => Effect.tryPromise({ try: () => remove(blobOf(key)), catch: unavailable("remove") })
  }
}

/** Content in a container. */
export const layer = (options: Container.Options): Layer.Layer<BlobStore, StorageError.StorageError> =>
  Layer.effect(
    BlobStore,
    Effect.try({ try: () => makeService(makeBackend(options)), catch: (cause) => unavailable("open")(cause) })
  )
