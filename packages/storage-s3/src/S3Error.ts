/** What the errors of the AWS SDK mean for content. */
import { S3ServiceException } from "@aws-sdk/client-s3"

const statusOf = (cause: unknown): number | undefined =>
  cause instanceof S3ServiceException ? cause.$metadata.httpStatusCode : undefined

const nameOf = (cause: unknown): string => (cause instanceof S3ServiceException ? cause.name : "")

/** There is no such object. A bucket that does not exist is another matter. */
export const isMissing = (cause: unknown): boolean =>
  nameOf(cause) === "NoSuchKey" || (statusOf(cause) === 404 && nameOf(cause) !== "NoSuchBucket")

/** The range begins past the end. */
export const isPastEnd = (cause: unknown): boolean => statusOf(cause) === 416

/** `If-None-Match: *` did not hold, or another conditional write was quicker. */
export const isTaken = (cause: unknown): boolean => statusOf(cause) === 412 || statusOf(cause) === 409

/** The multipart upload was completed, or aborted by a removal of its key. */
export const isNoSuchUpload = (cause: unknown): boolean => nameOf(cause) === "NoSuchUpload"

/** The server does not know the operation, as many that are compatible with S3, or does not allow it to us. */
export const isRefused = (cause: unknown): boolean =>
  statusOf(cause) === 501 || statusOf(cause) === 405 || statusOf(cause) === 403
