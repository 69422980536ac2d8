/**
 * What a host's own handler throws: a failure of the provider, which another deployment may mend, or a mistake of
 * the host, which none does.
 */
import * as Bytes from "./Bytes.ts"
import type { TransportResponse } from "./HttpTransport.ts"

export type HostFailure =
  /** The provider answered, but not with success. */
  | { readonly _tag: "Answered"; readonly response: TransportResponse }
  /** The provider could not be reached, or the connection broke. */
  | { readonly _tag: "Unreachable"; readonly timedOut: boolean; readonly sent: boolean }
  /** Nothing that has to do with a provider. */
  | { readonly _tag: "Mistake" }

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null

/** Before a connection there is no request. */
const unsent = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT"
])
const broken = new Set([...unsent, "ECONNRESET", "ECONNABORTED", "EPIPE", "ETIMEDOUT"])

/** Names of the errors of official clients, of undici, and of `AbortSignal.timeout`. */
const connectionErrors = new Set(["APIConnectionError", "APIConnectionTimeoutError", "APIUserAbortError"])
const timeoutErrors = new Set(["APIConnectionTimeoutError", "APIUserAbortError", "TimeoutError"])

const isBroken = (code: unknown): boolean =>
  typeof code === "string" && (broken.has(code) || code.startsWith("UND_ERR_"))

/** The names of a value's classes, the nearest first. */
const classNames = (value: Fields): ReadonlyArray<string> => {
  const names: Array<string> = typeof value["name"] === "string" ? [value["name"]] : []
  for (let type: unknown = Object.getPrototypeOf(value); isFields(type); type = Object.getPrototypeOf(type)) {
    const { constructor } = type
    if (typeof constructor === "function") names.push(constructor.name)
  }
  return names
}

/** An error with the errors that caused it. */
const chainOf = (error: unknown): ReadonlyArray<Fields> => {
  const chain: Array<Fields> = []
  for (let cause = error; isFields(cause) && chain.length < 8 && !chain.includes(cause); cause = cause["cause"]) {
    chain.push(cause)
  }
  return chain
}

const ofConnection = (error: unknown): HostFailure => {
  const chain = chainOf(error)
  const codes = chain.flatMap(({ code }) => (isBroken(code) ? [String(code)] : []))
  const names = chain.flatMap(classNames)
  // The one error that `fetch` has for whatever kept it from an answer.
  const fetchFailed = chain.some(({ message }) => message === "fetch failed" || message === "terminated")
  const timedOut = names.some((name) => timeoutErrors.has(name)) || codes.some((code) => code.includes("TIME"))
  return codes.length > 0 || fetchFailed || timedOut || names.some((name) => connectionErrors.has(name))
    ? { _tag: "Unreachable", timedOut, sent: !codes.some((code) => unsent.has(code)) }
    : { _tag: "Mistake" }
}

const encoder = new TextEncoder()

/** The error answer as the provider wrote it, as far as the client that threw the error has kept it. */
const bodyOf = (error: Fields): string => {
  const given = error["responseBody"] ?? error["error"] ?? error["body"] ?? error["data"]
  if (typeof given === "string") return given
  if (!isFields(given)) return JSON.stringify({ error: { message: String(error["message"] ?? "") } })
  // Clients of OpenAI take the answer's `error` out of it, those of Anthropic do not.
  return JSON.stringify("error" in given ? given : { error: given })
}

const headersOf = (error: Fields): Record<string, string> => {
  const given = error["headers"] ?? error["responseHeaders"]
  const headers: Record<string, string> = {}
  if (given instanceof Headers) given.forEach((value, name) => (headers[name] = value))
  else if (isFields(given)) {
    for (const [name, value] of Object.entries(given)) headers[name.toLowerCase()] = String(value)
  }
  return headers
}

/**
 * What a thrown value means. An error with a status of 400 and above is the provider's answer, unless it says that
 * the host has made it for its own client (`expose`, as those of Koa and Express do).
 */
export const of = (error: unknown): HostFailure => {
  if (!isFields(error)) return { _tag: "Mistake" }
  const status = error["status"] ?? error["statusCode"]
  if (typeof status !== "number") return ofConnection(error)
  if (!Number.isInteger(status) || status < 400 || status > 599 || "expose" in error) return { _tag: "Mistake" }
  const bytes = encoder.encode(bodyOf(error))
  const response = {
    status,
    headers: headersOf(error),
    complete: bytes,
    body: Bytes.fromArray(bytes),
    cancel: () => {}
  }
  return { _tag: "Answered", response }
}
