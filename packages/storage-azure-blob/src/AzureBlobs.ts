/**
 * Content as block blobs of a container of Azure Blob Storage.
 *
 * Content up to the size of a block is one request; more goes up in blocks, a few at a time, and becomes visible when
 * they are committed. Both say `If-None-Match: *`, so that of several writers one gets the key.
 */
import type { BlockBlobClient } from "@azure/storage-blob"
import { BlobStore, make as makeService, type BlobBackend } from "@omnifile/core/BlobStore"
import type * as Bytes from "@omnifile/core/Bytes"
import * as ObjectBlobs from "@omnifile/core/ObjectBlobs"
import * as ObjectUpload from "@omnifile/core/ObjectUpload"
import * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomUUID } from "node:crypto"
import { Readable } from "node:stream"
import * as AzureError from "./AzureError.ts"
import * as Container from "./Container.ts"
import * as Upload from "./Upload.ts"

export type { Credential, Options } from "./Container.ts"

const name = "azure-blob"

const defaultBlockSize = 8 * 1024 * 1024
const minBlockSize = 64 * 1024
const defaultConcurrentBlocks = 3

/** The service has no content under the key. */
class NoContent extends Error {}

const sizeOf = async (blob: BlockBlobClient): Promise<number> => {
  const { contentLength, metadata } = await blob.getProperties()
  if (Upload.isNothing(metadata)) throw new NoContent()
  return contentLength ?? 0
}

const open = async (
  blob: BlockBlobClient,
  range: Bytes.ByteRange,
  signal: AbortSignal
): Promise<ObjectBlobs.OpenContent> => {
  if (range.length === 0) {
    await sizeOf(blob)
    return ObjectBlobs.nothing
  }
  try {
    const { metadata, readableStreamBody } = await blob.download(range.offset, range.length, { abortSignal: signal })
    if (!(readableStreamBody instanceof Readable)) throw new TypeError("the answer has no readable body")
    const body = ObjectBlobs.fromStream(readableStreamBody)
    if (!Upload.isNothing(metadata)) return body
    body.close()
    throw new NoContent()
  } catch (cause) {
    if (!AzureError.isPastEnd(cause)) throw cause
    await sizeOf(blob)
    return ObjectBlobs.nothing
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

/** The backend over a container that exists. */
export const makeBackend = (options: Container.Options): BlobBackend => {
  const concurrentBlocks = Math.max(options.concurrentBlocks ?? defaultConcurrentBlocks, 1)
  const { blobOf } = Container.open(options)
  return ObjectBlobs.make({
    name,
    partSize: Math.max(options.blockSize ?? defaultBlockSize, minBlockSize),
    start: (key, blocks, signal) =>
      ObjectUpload.start(Upload.newObject(blobOf(key)), randomUUID(), blocks, concurrentBlocks, signal),
    open: (key, range, signal) => open(blobOf(key), range, signal),
    size: (key) => sizeOf(blobOf(key)),
    remove: (key) => remove(blobOf(key)),
    isMissing: (cause) => cause instanceof NoContent || AzureError.isMissing(cause)
  })
}

/** Content in a container. */
export const layer = (options: Container.Options): Layer.Layer<BlobStore, StorageError.StorageError> =>
  Layer.effect(
    BlobStore,
    Effect.try({
      try: () => makeService(makeBackend(options)),
      catch: (cause) => StorageError.of(name)("open", new StorageError.Unavailable({ cause }))
    })
  )
