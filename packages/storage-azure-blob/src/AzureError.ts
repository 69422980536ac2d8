/** What the errors of the Azure SDK mean for content. */
import { RestError } from "@azure/storage-blob"

const statusOf = (cause: unknown): number | undefined => (cause instanceof RestError ? cause.statusCode : undefined)

const codeOf = (cause: unknown): string => (cause instanceof RestError ? (cause.code ?? "") : "")

/** There is no such blob. A container that does not exist is another matter. */
export const isMissing = (cause: unknown): boolean =>
  statusOf(cause) === 404 && codeOf(cause) !== "ContainerNotFound" && codeOf(cause) !== "ResourceNotFound"

/** The range begins past the end. */
export const isPastEnd = (cause: unknown): boolean => statusOf(cause) === 416

/** `If-None-Match: *` did not hold. */
export const isTaken = (cause: unknown): boolean => statusOf(cause) === 412 || statusOf(cause) === 409

/** Blocks of the list are not there: another commit to the same blob has dropped them. */
export const areBlocksGone = (cause: unknown): boolean => codeOf(cause) === "InvalidBlockList"
