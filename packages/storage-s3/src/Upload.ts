/** One object that is to be written: in one request when it is small, in parts otherwise. */
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
import { KeyTaken, type NewObject, type ObjectParts } from "@omnifile/core/ObjectUpload"
import type { Bucket } from "./Bucket.ts"
import * as S3Error from "./S3Error.ts"

/** The metadata that tells which write made an object. */
const writeId = "omnifile-write"

/** The same answer, or a `KeyTaken` if that is what it means. */
const unlessTaken = async <A>(key: string, answer: Promise<A>): Promise<A> => {
  try {
    return await answer
  } catch (cause) {
    throw S3Error.isTaken(cause) || S3Error.isNoSuchUpload(cause) ? new KeyTaken(key, { cause }) : cause
  }
}

const beginParts = async (bucket: Bucket, key: string, mark: string, signal: AbortSignal): Promise<ObjectParts> => {
  const { client, checksum, encryption, objectOf } = bucket
  const created = await client.send(
    new CreateMultipartUploadCommand({ ...objectOf(key), ...encryption, ...checksum, Metadata: { [writeId]: mark } })
  )
  const upload = { ...objectOf(key), UploadId: created.UploadId }
  const completed: Array<CompletedPart> = []
  return {
    send: async (body, number) => {
      const command = new UploadPartCommand({
        ...upload,
        ...checksum,
        Body: body,
        ContentLength: body.byteLength,
        PartNumber: number + 1
      })
      const sent = await client.send(command, { abortSignal: signal }).catch((cause: unknown) => {
        // Who removes a key aborts its uploads.
        throw S3Error.isNoSuchUpload(cause) ? new KeyTaken(key, { cause }) : cause
      })
      completed[number] = {
        PartNumber: number + 1,
        ETag: sent.ETag,
        ...(sent.ChecksumCRC32 === undefined ? {} : { ChecksumCRC32: sent.ChecksumCRC32 }),
        ...(sent.ChecksumSHA256 === undefined ? {} : { ChecksumSHA256: sent.ChecksumSHA256 })
      }
    },
    commit: () =>
      unlessTaken(
        key,
        client.send(
          new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: completed }, IfNoneMatch: "*" })
        )
      ),
    drop: () =>
      client.send(new AbortMultipartUploadCommand(upload)).catch((cause: unknown) => {
        if (!S3Error.isMissing(cause)) throw cause
      })
  }
}

export const newObject = (bucket: Bucket, key: string): NewObject => {
  const { client, checksum, encryption, objectOf } = bucket
  return {
    find: async () => {
      try {
        const { Metadata } = await client.send(new HeadObjectCommand(objectOf(key)))
        return { mark: Metadata?.[writeId], remove: () => client.send(new DeleteObjectCommand(objectOf(key))) }
      } catch (cause) {
        if (S3Error.isMissing(cause)) return undefined
        throw cause
      }
    },
    put: (content, mark) => {
      const command = new PutObjectCommand({
        ...objectOf(key),
        ...encryption,
        ...checksum,
        Body: content,
        ContentLength: content.byteLength,
        Metadata: { [writeId]: mark },
        IfNoneMatch: "*"
      })
      return unlessTaken(key, client.send(command))
    },
    begin: (mark, signal) => beginParts(bucket, key, mark, signal)
  }
}
