/**
 * From a failed call to OpenAI's error answer. Total: an error without a row here does not compile.
 *
 * `{ "error": { "message", "type", "param", "code" } }`, with real null for what is absent.
 */
import type { CallError } from "@omnifile/core/CallError"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

export interface ErrorAnswer {
  readonly status: number
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | null
  readonly headers?: Readonly<Record<string, string>> | undefined
}

const badRequest = "invalid_request_error"
const upstream = "upstream_error"

const seconds = (millis: number): string => String(Math.max(1, Math.ceil(millis / 1000)))

/** What to answer for an error. */
export const describe = (error: CallError): ErrorAnswer => {
  switch (error._tag) {
    case "InvalidRequest":
      return { status: 400, message: error.message, type: badRequest, param: error.param, code: error.code }
    case "Unauthenticated":
      return { status: 401, message: error.message, type: badRequest, param: null, code: "invalid_api_key" }
    case "Forbidden":
      return { status: 403, message: error.message, type: "permission_error", param: null, code: "forbidden" }
    case "NotFound":
      return {
        status: 404,
        message: `No such ${error.object} object: ${error.id}`,
        type: badRequest,
        param: error.param ?? "id",
        code: null
      }
    case "ModelNotFound":
      return {
        status: 404,
        message: `The model \`${error.model}\` does not exist or you do not have access to it.`,
        type: badRequest,
        param: "model",
        code: "model_not_found"
      }
    case "ContentUnavailable":
      return { status: 410, message: error.message, type: badRequest, param: null, code: "content_unavailable" }
    case "RangeNotSatisfiable":
      return {
        status: 416,
        message: `The range lies outside of the ${error.bytes} bytes of the content.`,
        type: badRequest,
        param: null,
        code: "range_not_satisfiable",
        headers: { "content-range": `bytes */${error.bytes}` }
      }
    case "Conflicting":
      return { status: 409, message: error.message, type: badRequest, param: null, code: error.code }
    case "TooLarge":
      return { status: 413, message: error.message, type: badRequest, param: error.param, code: "too_large" }
    case "UnsupportedMediaType":
      return { status: 415, message: error.message, type: badRequest, param: null, code: "unsupported_media_type" }
    case "RateLimited":
      return {
        status: 429,
        message: error.message,
        type: "rate_limit_error",
        param: null,
        code: "rate_limit_exceeded",
        headers: { "retry-after": seconds(error.retryAfter ?? 1000) }
      }
    case "ProvidersFailed": {
      const timedOut = error.failures.length > 0 && error.failures.every((failure) => failure.timedOut)
      return {
        status: timedOut ? 504 : 502,
        message: error.message,
        type: upstream,
        param: null,
        code: timedOut ? "provider_timeout" : "provider_error"
      }
    }
    case "ProviderRefused":
      return {
        status: error.status,
        message: error.message,
        type: error.type ?? badRequest,
        param: error.param,
        code: error.code
      }
    case "StorageError":
      switch (error.reason._tag) {
        case "Unavailable":
        case "Conflict":
        case "SourceFailed":
          return {
            status: 503,
            message: "The storage is not available at the moment. Try again.",
            type: "server_error",
            param: null,
            code: "storage_unavailable",
            headers: { "retry-after": "1" }
          }
        case "Missing":
        case "Corrupt":
          return internal
      }
  }
}

/** For what should not have happened. The cause is in the log. */
export const internal: ErrorAnswer = {
  status: 500,
  message: "The server had an error while processing the request.",
  type: "server_error",
  param: null,
  code: "internal_error"
}

export const respond = ({
  code,
  headers,
  message,
  param,
  status,
  type
}: ErrorAnswer): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe({ error: { message, type, param, code } }, { status, headers })

/** How an API tells a client what went wrong. */
export interface ErrorStyle {
  readonly respond: (answer: ErrorAnswer, requestId: string) => HttpServerResponse.HttpServerResponse
}

export const openAIErrors: ErrorStyle = { respond }
