/** Multipart uploads that nobody will finish: their parts are kept, and paid for, until they are aborted. */
import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  type MultipartUpload
} from "@aws-sdk/client-s3"
import type { Bucket } from "./Bucket.ts"
import * as S3Error from "./S3Error.ts"

/** Those of objects whose keys begin so; none where the server does not tell us. */
async function* list({ client, name }: Bucket, prefix: string): AsyncGenerator<MultipartUpload, void, void> {
  let after: Pick<ListMultipartUploadsCommandOutput, "NextKeyMarker" | "NextUploadIdMarker"> = {}
  for (;;) {
    const page = await client
      .send(
        new ListMultipartUploadsCommand({
          Bucket: name,
          Prefix: prefix,
          ...(after.NextKeyMarker === undefined ? {} : { KeyMarker: after.NextKeyMarker }),
          ...(after.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: after.NextUploadIdMarker })
        })
      )
      .catch((cause: unknown) => {
        if (S3Error.isRefused(cause)) return undefined
        throw cause
      })
    yield* page?.Uploads ?? []
    if (page?.IsTruncated !== true || page.NextKeyMarker === undefined) return
    after = page
  }
}

/** Aborts the uploads to keys that begin with the prefix and that are chosen. Returns how many. */
export const abort = async (
  bucket: Bucket,
  prefix: string,
  isChosen: (upload: MultipartUpload) => boolean
): Promise<number> => {
  let count = 0
  for await (const upload of list(bucket, prefix)) {
    // Some servers take no notice of the prefix.
    if (upload.Key?.startsWith(prefix) !== true || !isChosen(upload)) continue
    await bucket.client
      .send(new AbortMultipartUploadCommand({ Bucket: bucket.name, Key: upload.Key, UploadId: upload.UploadId }))
      .catch((cause: unknown) => {
        if (!S3Error.isMissing(cause)) throw cause
      })
    count += 1
  }
  return count
}
