/**
 * Content as objects of a bucket of Google Cloud Storage.
 *
 * Content up to the size of a chunk is one request; more goes up in a resumable session, and becomes visible with its
 * last chunk. Both say that the object must not exist yet, so that of several writers one gets the key; and both are
 * compared by CRC32C with what the service has taken.
 */
import type { File } from "@google-cloud/storage"
import { BlobStore, make as makeService, type BlobBackend } from "@omnifile/core/BlobStore"
import type * as Bytes from "@omnifile/core/Bytes"
import * as ObjectBlobs from "@omnifile/core/ObjectBlobs"
import * as ObjectUpload from "@omnifile/core/ObjectUpload"
import * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomUUID } from "node:crypto"
import * as Bucket from "./Bucket.ts"
import * as Crc32c from "./Crc32c.ts"
import * as GcsError from "./GcsError.ts"
import { retrying, send } from "./Http.ts"
import { newObject } from "./Upload.ts"

export type { Options } from "./Bucket.ts"

const name = "gcs"

const KiB = 1024

/** The service takes chunks of multiples of this. */
const chunkUnit = 256 * KiB

const defaultChunkSize = 8 * KiB * KiB

const sizeOf = async (file: File): Promise<number> => Number((await file.getMetadata())[0].size ?? 0)

/** The same content, compared with the checksum that the service has of it. */
async function* checked(body: Bytes.Bytes, expected: string): AsyncGenerator<Uint8Array, void, void> {
  let crc = 0
  for await (const chunk of body) {
    crc = Crc32c.update(crc, chunk)
    yield chunk
  }
  if (Crc32c.toText(crc) !== expected) throw new Error("the content does not have its checksum")
}

const open = async (
  bucket: Bucket.Bucket,
  key: string,
  range: Bytes.ByteRange,
  signal: AbortSignal
): Promise<ObjectBlobs.OpenContent> => {
  if (range.length === 0) {
    await sizeOf(bucket.fileOf(key))
    return ObjectBlobs.nothing
  }
  const reading = new AbortController()
  const either = AbortSignal.any([signal, reading.signal])
  try {
    const header = ObjectBlobs.rangeHeader(range)
    const { body, headers } = await retrying(either, async () => {
      const content = await bucket.contentOf(key)
      if (header !== undefined) content.headers.set("range", header)
      return send(content.url, { headers: content.headers, signal: either }, [200, 206])
    })
    if (body === null) return ObjectBlobs.nothing
    const [, crc32c] = /crc32c=([^,]+)/.exec(headers.get("x-goog-hash") ?? "") ?? []
    const bytes = header === undefined && crc32c !== undefined ? checked(body, crc32c) : body
    return { bytes, close: () => reading.abort() }
  } catch (cause) {
    if (GcsError.isPastEnd(cause)) return ObjectBlobs.nothing
    throw cause
  }
}

/** The backend over a bucket that exists. */
export const makeBackend = (options: Bucket.Options): BlobBackend => {
  const bucket = Bucket.open(options)
  const { fileOf } = bucket
  return ObjectBlobs.make({
    name,
    partSize: Math.max(Math.floor((options.chunkSize ?? defaultChunkSize) / chunkUnit), 1) * chunkUnit,
    start: (key, parts, signal) => ObjectUpload.start(newObject(fileOf(key)), randomUUID(), parts, 1, signal),
    open: (key, range, signal) => open(bucket, key, range, signal),
    size: (key) => sizeOf(fileOf(key)),
    remove: (key) => fileOf(key).delete({ ignoreNotFound: true }),
    isMissing: GcsError.isMissing
  })
}

/** Content in a bucket. */
export const layer = (options: Bucket.Options): Layer.Layer<BlobStore, StorageError.StorageError> =>
  Layer.effect(
    BlobStore,
    Effect.try({
      try: () => makeService(makeBackend(options)),
      catch: (cause) => StorageError.of(name)("open", new StorageError.Unavailable({ cause }))
    })
  )
