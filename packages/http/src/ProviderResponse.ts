/** A provider's answer, passed on as it comes. */
import { header, type TransportResponse } from "@omnifile/core/HttpTransport"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/**
 * What clients may see of a provider's headers. Everything else stays here: cookies, and what tells of the
 * account, such as its organisation and its limits.
 */
const passed = ["content-type", "content-length", "content-encoding", "openai-processing-ms"] as const

/** Proxies on the way must neither keep nor collect a stream of events. */
const streamed = { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" }

export const passOn = (response: TransportResponse): HttpServerResponse.HttpServerResponse => {
  const headers: Record<string, string> = {}
  for (const name of passed) {
    const value = header(response, name)
    if (value !== undefined) headers[name] = value
  }
  if (headers["content-type"]?.startsWith("text/event-stream") === true) Object.assign(headers, streamed)
  const { complete, status } = response
  return complete === null
    ? HttpServerResponse.raw(response.body, { status, headers })
    : HttpServerResponse.uint8Array(complete, { status, headers, contentType: headers["content-type"] })
}
