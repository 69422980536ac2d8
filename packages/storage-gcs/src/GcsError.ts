/** What the errors of Google's library mean for content. */

const statusOf = (cause: unknown): number | undefined =>
  cause instanceof Error && "code" in cause ? Number(cause.code) : undefined

/** There is no such object; or no such bucket, which the service does not tell apart. */
export const isMissing = (cause: unknown): boolean => statusOf(cause) === 404

/** The range begins past the end. */
export const isPastEnd = (cause: unknown): boolean => statusOf(cause) === 416

/** The object exists. */
export const isTaken = (cause: unknown): boolean => statusOf(cause) === 412
