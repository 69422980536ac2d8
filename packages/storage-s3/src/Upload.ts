/** Writes one object: in one request when it is small, in parts otherwise. It is there whole or not at all. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart
} from "@aws-sdk/client-s3"
import { randomUUID } from "node:crypto"
import type { Bucket } from "./Bucket.ts"
import * as S3Error from "./S3Error.ts"

/** The metadata that tells which write made an object. */
const writeId = "omnifile-write"

/** The key holds the content of another write. */
export class KeyTaken extends Error {}

/** A write of one object that is not finished. */
export interface Upload {
  /** The object is there when this is fulfilled. Rejected with `KeyTaken`, or what the server answers. */
  readonly publish: () => Promise<void>
  /** Takes back what was uploaded, if the object was not published, or nobody can tell. */
  readonly discard: () => Promise<void>
}

/** Whether the object is the one that this write has made. */
const isOwn = async ({ client, objectOf }: Bucket, key: string, id: string): Promise<boolean> => {
  try {
    return (await client.send(new HeadObjectCommand(objectOf(key)))).Metadata?.[writeId] === id
  } catch (cause) {
    if (S3Error.isMissing(cause)) return false
    throw cause
  }
}

/**
 * Sends what makes the object visible, unless another has the key. An answer that was lost makes the SDK send it
 * again, and the second answer is that the key is taken, or the upload gone: the object itself tells whose it is.
 */
const publishOnce = async (bucket: Bucket, key: string, id: string, send: () => Promise<unknown>): Promise<void> => {
  try {
    await send()
  } catch (cause) {
    if (await isOwn(bucket, key, id).catch(() => false)) return
    throw S3Error.isTaken(cause) || S3Error.isNoSuchUpload(cause) ? new KeyTaken(key, { cause }) : cause
  }
}

/** How a write stands: `uncertain` is one that is being published, or failed in a way that tells nothing. */
type State = "uploading" | "uncertain" | "published" | "refused"

/** Publishes, and keeps in mind what can be told of it. */
const makePublishing = (bucket: Bucket, key: string, id: string) => {
  let state: State = "uploading"
  return {
    isPublished: () => state === "published",
    publish: async (send: () => Promise<unknown>): Promise<void> => {
      state = "uncertain"
      try {
        await publishOnce(bucket, key, id, send)
        state = "published"
      } catch (cause) {
        if (cause instanceof KeyTaken) state = "refused"
        throw cause
      }
    },
    /** Whoever was told that the write failed must never find its object. */
    takeBack: async (): Promise<void> => {
      if (state !== "uncertain" || !(await isOwn(bucket, key, id))) return
      await bucket.client.send(new DeleteObjectCommand(bucket.objectOf(key)))
    }
  }
}

/** The whole content in one request. */
const small = (bucket: Bucket, key: string, id: string, body: Uint8Array): Upload => {
  const publishing = makePublishing(bucket, key, id)
  return {
    publish: () =>
      publishing.publish(() =>
        bucket.client.send(
          new PutObjectCommand({
            ...bucket.objectOf(key),
            ...bucket.encryption,
            ...bucket.checksum,
            Body: body,
            ContentLength: body.byteLength,
            Metadata: { [writeId]: id },
            IfNoneMatch: "*"
          })
        )
      ),
    discard: publishing.takeBack
  }
}

/** A multipart upload. The parts are sent a few at a time, while the next one is read. */
const large = async (
  bucket: Bucket,
  key: string,
  id: string,
  parts: AsyncIterable<Uint8Array>,
  concurrentParts: number,
  signal: AbortSignal
): Promise<Upload> => {
  const { client, checksum, encryption, objectOf } = bucket
  const created = await client.send(
    new CreateMultipartUploadCommand({ ...objectOf(key), ...encryption, ...checksum, Metadata: { [writeId]: id } })
  )
  const upload = { ...objectOf(key), UploadId: created.UploadId }
  const publishing = makePublishing(bucket, key, id)
  const completed: Array<CompletedPart> = []
  const sending = new Set<Promise<void>>()
  const discard = async (): Promise<void> => {
    // A part that arrives after the end of the upload would stay.
    await Promise.allSettled(sending)
    if (publishing.isPublished()) return
    try {
      await client.send(new AbortMultipartUploadCommand(upload)).catch((cause: unknown) => {
        if (!S3Error.isMissing(cause)) throw cause
      })
    } finally {
      await publishing.takeBack()
    }
  }

  const sendPart = async (body: Uint8Array, partNumber: number): Promise<void> => {
    const { $metadata: _, ...sent } = await client.send(
      new UploadPartCommand({
        ...upload,
        ...checksum,
        Body: body,
        ContentLength: body.byteLength,
        PartNumber: partNumber
      }),
      { abortSignal: signal }
    )
    completed[partNumber - 1] = {
      PartNumber: partNumber,
      ETag: sent.ETag,
      ...(sent.ChecksumCRC32 === undefined ? {} : { ChecksumCRC32: sent.ChecksumCRC32 }),
      ...(sent.ChecksumSHA256 === undefined ? {} : { ChecksumSHA256: sent.ChecksumSHA256 })
    }
  }

  try {
    let partNumber = 0
    for await (const part of parts) {
      partNumber += 1
      if (sending.size >= concurrentParts) await Promise.race(sending)
      const sent = sendPart(part, partNumber)
      sending.add(sent)
      // Those that fail stay: the next race, or the end, is rejected with their error.
      sent.then(
        () => sending.delete(sent),
        () => {}
      )
    }
    await Promise.all(sending)
  } catch (cause) {
    await discard().catch(() => {})
    // Who removes a key aborts its uploads.
    throw S3Error.isNoSuchUpload(cause) ? new KeyTaken(key, { cause }) : cause
  }
  return {
    publish: () =>
      publishing.publish(() =>
        client.send(
          new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: completed }, IfNoneMatch: "*" })
        )
      ),
    discard
  }
}

const empty = new Uint8Array(0)

/**
 * Sends the parts, all but the last of one size. What is rejected has left nothing on the server, unless the server
 * cannot be reached any more.
 */
export const start = async (
  bucket: Bucket,
  key: string,
  parts: AsyncGenerator<Uint8Array, void, void>,
  concurrentParts: number,
  signal: AbortSignal
): Promise<Upload> => {
  const id = randomUUID()
  try {
    const first = await parts.next()
    const second = first.done === true ? first : await parts.next()
    if (second.done === true) return small(bucket, key, id, first.value ?? empty)
    const all = async function* () {
      if (first.done !== true) yield first.value
      yield second.value
      yield* parts
    }
    return await large(bucket, key, id, all(), concurrentParts, signal)
  } catch (cause) {
    await parts.return()
    throw cause
  }
}
