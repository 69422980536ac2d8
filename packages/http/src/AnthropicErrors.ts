/**
 * Errors as Anthropic's API answers them: https://docs.anthropic.com/en/api/errors
 *
 * `{ "type": "error", "error": { "type", "message" }, "request_id" }`. What OpenAI's shape says in a field of its own
 * is part of the message.
 */
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { ErrorAnswer, ErrorStyle } from "./ApiError.ts"

const types: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error"
}

const typeOf = (status: number): string =>
  types[status] ?? (status >= 400 && status < 500 ? "invalid_request_error" : "api_error")

const messageOf = ({ message, param }: ErrorAnswer): string =>
  param === null || param === "id" || message.includes(param) ? message : `${param}: ${message}`

/** The header by which Anthropic's clients know a request. */
export const requestIdHeader = "request-id"

export const anthropicErrors: ErrorStyle = {
  respond: (answer, requestId) =>
    HttpServerResponse.jsonUnsafe(
      {
        type: "error",
        error: { type: typeOf(answer.status), message: messageOf(answer) },
        request_id: requestId
      },
      { status: answer.status, headers: { ...answer.headers, [requestIdHeader]: requestId } }
    )
}
