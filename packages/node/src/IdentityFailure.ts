/**
 * Why an identity service gives out no secret. Errors of the libraries hold answers, addresses and IDs of tenants: what is
 * told of them is their name, the code of the service and a status.
 */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"
import * as ProviderError from "@omnifile/core/ProviderError"

export class NoAnswer extends Data.TaggedError("NoAnswer") {}

/** The library found no way to ask for one. */
export class NoToken extends Data.TaggedError("NoToken") {}

/** What tells the errors of a service's library apart. */
export interface Signs {
  /** Finds the service's own code in a message. */
  readonly code: RegExp
  /** Whether nothing that was tried knows who the machine is. */
  readonly isNobody: (error: unknown) => boolean
}

/** An error, what caused it, and what it gathers of several tries. */
const chain = (error: unknown, depth = 0): ReadonlyArray<object> => {
  if (!Predicate.isObject(error) || depth > 4) return []
  const causes = "cause" in error ? [error.cause] : []
  const gathered = "errors" in error && Array.isArray(error.errors) ? error.errors : []
  return [error, ...[...causes, ...gathered].flatMap((inner) => chain(inner, depth + 1))]
}

const isStatus = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 400 && value <= 599

/** Where libraries keep the status of an answer. */
const statusesOf = (error: object): ReadonlyArray<unknown> => {
  const fields = ["status", "statusCode", "httpStatusCode"]
  const places = [error, "$metadata" in error ? error.$metadata : null, "response" in error ? error.response : null]
  return places.filter(Predicate.isObject).flatMap((place) => fields.map((field): unknown => Reflect.get(place, field)))
}

const statusOf = (error: unknown): number | undefined => chain(error).flatMap(statusesOf).find(isStatus)

export const nameOf = (error: unknown): string =>
  error instanceof Error && /^\w{1,64}$/.test(error.name) ? error.name : "unknown error"

export const describe = (error: unknown, { code }: Signs): string => {
  const [found] = code.exec(error instanceof Error ? error.message : "") ?? []
  const status = statusOf(error)
  return [nameOf(error), found, status === undefined ? undefined : `(${status})`]
    .filter((part) => part !== undefined)
    .join(" ")
}

const reasonOf = (error: unknown, signs: Signs): ProviderError.ProviderError["reason"] => {
  const status = statusOf(error)
  if (status === 429) return new ProviderError.Throttled({ retryAfter: null })
  if (status !== undefined && status < 500) return new ProviderError.Unauthorized({ status })
  if (status !== undefined) return new ProviderError.Faulty({ status, message: describe(error, signs) })
  return error instanceof NoToken || signs.isNobody(error)
    ? new ProviderError.Unauthorized({ status: 401 })
    : new ProviderError.Unreachable({
        timedOut: error instanceof NoAnswer,
        cause: new Error(describe(error, signs))
      })
}

/** `call` is what was asked for, such as `entra.token`. */
export const toProviderError = (
  account: string,
  call: string,
  error: unknown,
  signs: Signs
): ProviderError.ProviderError =>
  new ProviderError.ProviderError({ account, call, reason: reasonOf(error, signs), maybeAccepted: false })
