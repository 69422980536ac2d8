/**
 * Why there is no token. Errors of the library hold answers and IDs of the tenant: what is told of them is their name,
 * the code of Entra and a status.
 */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"
import * as ProviderError from "@omnifile/core/ProviderError"

export class NoAnswer extends Data.TaggedError("NoAnswer") {}

/** The library found no way to ask for one. */
export class NoToken extends Data.TaggedError("NoToken") {}

/** An error, what caused it, and what it gathers of several tries. */
const chain = (error: unknown, depth = 0): ReadonlyArray<object> => {
  if (!Predicate.isObject(error) || depth > 4) return []
  const causes = "cause" in error ? [error.cause] : []
  const gathered = "errors" in error && Array.isArray(error.errors) ? error.errors : []
  return [error, ...[...causes, ...gathered].flatMap((inner) => chain(inner, depth + 1))]
}

const isStatus = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 400 && value <= 599

const statusOf = (error: unknown): number | undefined =>
  chain(error)
    .flatMap((each) => ["status" in each ? each.status : undefined, "statusCode" in each ? each.statusCode : undefined])
    .find(isStatus)

const nameOf = (error: unknown): string =>
  error instanceof Error && /^\w{1,64}$/.test(error.name) ? error.name : "unknown error"

export const describe = (error: unknown): string => {
  const [code] = /AADSTS\d{1,10}/.exec(error instanceof Error ? error.message : "") ?? []
  const status = statusOf(error)
  return [nameOf(error), code, status === undefined ? undefined : `(${status})`]
    .filter((part) => part !== undefined)
    .join(" ")
}

const reasonOf = (error: unknown): ProviderError.ProviderError["reason"] => {
  const status = statusOf(error)
  if (status === 429) return new ProviderError.Throttled({ retryAfter: null })
  if (status !== undefined && status < 500) return new ProviderError.Unauthorized({ status })
  if (status !== undefined) return new ProviderError.Faulty({ status, message: describe(error) })
  // Nothing that was tried knows who the machine is.
  const isNobody = error instanceof NoToken || nameOf(error) === "AggregateAuthenticationError"
  return isNobody
    ? new ProviderError.Unauthorized({ status: 401 })
    : new ProviderError.Unreachable({ timedOut: error instanceof NoAnswer, cause: new Error(describe(error)) })
}

export const toProviderError = (account: string, error: unknown): ProviderError.ProviderError =>
  new ProviderError.ProviderError({ account, call: "entra.token", reason: reasonOf(error), maybeAccepted: false })
