/** A provider's answer, passed on as it comes. */
import { header, type TransportResponse } from "@omnifile/core/HttpTransport"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/**
 * What clients may see of a provider's headers. Everything else stays here: cookies, and what tells of the
 * account, such as its organisation and its limits.
 */
const passed = ["content-length", "content-type", "content-encoding", "openai-processing-ms"] as const

/** Those of an answer that is all there. Its length and type are those of its body. */
const passedBeside = ["content-encoding", "openai-processing-ms"] as const

/** Proxies on the way must neither keep nor collect a stream of events. */
const streamed = { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" }

/** Most answers need no headers but those of their body, which then cost nothing of their own. */
const whole = (response: TransportResponse, body: Uint8Array): HttpServerResponse.HttpServerResponse => {
  const { status } = response
  let answer = HttpServerResponse.uint8Array(body, { status, contentType: header(response, "content-type") })
  for (const name of passedBeside) {
    const value = header(response, name)
    if (value !== undefined) answer = HttpServerResponse.setHeader(answer, name, value)
  }
  return answer
}

export const passOn = (response: TransportResponse): HttpServerResponse.HttpServerResponse => {
  const { complete, status } = response
  const contentType = header(response, "content-type")
  const isEvents = contentType?.startsWith("text/event-stream") === true
  if (complete !== null && !isEvents) return whole(response, complete)
  const headers: Record<string, string> = isEvents ? { ...streamed } : {}
  for (const name of passed) {
    const value = header(response, name)
    if (value !== undefined) headers[name] = value
  }
  return complete === null
    ? HttpServerResponse.raw(response.body, { status, headers })
    : HttpServerResponse.uint8Array(complete, { status, headers, contentType })
}
