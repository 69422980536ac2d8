/** The calls that a batch can be made of. */

/** What each URL is a call of: it tells where a line's body may name files. */
export const batchEndpoints = {
  "/v1/chat/completions": "chat",
  "/v1/responses": "responses",
  "/v1/embeddings": "plain",
  "/v1/completions": "plain",
  "/v1/moderations": "plain",
  "/v1/images/generations": "plain",
  "/v1/images/edits": "media",
  "/v1/videos": "media"
} as const

export type BatchEndpoint = keyof typeof batchEndpoints

export const isBatchEndpoint = (url: string): url is BatchEndpoint => Object.hasOwn(batchEndpoints, url)
