/** Refusals in the shape of Google's APIs. */
import { json } from "../openai/Answer.ts"
import type { ApiError } from "../openai/Answer.ts"
import type { Refuse } from "../openai/Faults.ts"

const statuses: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  409: "ALREADY_EXISTS",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED"
}

/** The body of a refusal. An error's code, if it has one, is the status in words. */
export const errorBody = ({ code, message, more, status }: ApiError): Readonly<Record<string, unknown>> => {
  const known = Object.values(statuses).includes(code ?? "") || code === "FAILED_PRECONDITION"
  const word = known ? code : (statuses[status] ?? (status < 500 ? "INVALID_ARGUMENT" : "INTERNAL"))
  return { code: status, message, status: word, ...more }
}

export const error: Refuse = (cause, headers = {}) => json(cause.status, { error: errorBody(cause) }, headers)
