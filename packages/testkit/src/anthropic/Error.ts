/**
 * Refusals in Anthropic's shape.
 */
import { json } from "../openai/Answer.ts"
import type { ApiError } from "../openai/Answer.ts"
import type { Refuse } from "../openai/Faults.ts"
import { newId } from "../openai/Ids.ts"

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

/** The body of a refusal. A code stands among the details, where there is one. */
export const errorBody = ({ code, message, status }: ApiError): Readonly<Record<string, unknown>> => {
  const type = types[status] ?? (status < 500 ? "invalid_request_error" : "api_error")
  const details = code === null || status === 429 ? {} : { details: { error_code: code } }
  return { type: "error", error: { type, message, ...details }, request_id: newId("req_") }
}

export const error: Refuse = (cause, headers = {}) => json(cause.status, errorBody(cause), headers)
