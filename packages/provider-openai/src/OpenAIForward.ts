/** Calls on OpenAI's wire that go on as they are. */
import type { ForwardedRequest, ProviderCall } from "@omnifile/core/Provider"

/** The path without its first slash names the call, such as `audio.speech`. */
export const forward = ({ body, contentType, path, query }: ForwardedRequest): ProviderCall => ({
  name: path.slice(1).replaceAll("/", "."),
  method: "POST",
  path: query === "" ? path : `${path}?${query}`,
  headers: { "content-type": contentType },
  body,
  idempotent: false
})
