/**
 * Refusals in Anthropic's shape.
 */
import { json } from "../openai/Answer.ts"
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

export const error: Refuse = ({ message, status }, headers = {}) => {
  const type = types[status] ?? (status < 500 ? "invalid_request_error" : "api_error")
  return json(status, { type: "error", error: { type, message }, request_id: newId("req_") }, headers)
}
