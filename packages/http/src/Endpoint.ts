/**
 * What every endpoint has in common: a request ID in and out, the caller's identity, errors as answers, and
 * one log entry.
 */
import { Authenticator } from "@omnifile/core/Authenticator"
import type { CallError } from "@omnifile/core/CallError"
import type { Principal } from "@omnifile/core/Principal"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as ApiError from "./ApiError.ts"
import * as RequestId from "./RequestId.ts"

/** What is known of a request that has been answered. */
export interface RequestLogEntry {
  readonly requestId: string
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly status: number
  /** Until the head of the answer, in milliseconds. */
  readonly duration: number
  readonly user: string | null
  readonly team: string | null
  /** Why it failed, or null. */
  readonly error: string | null
}

/** Where answered requests are written. Nowhere, unless the host says so. */
export const RequestLog: Context.Reference<(entry: RequestLogEntry) => void> = Context.Reference<
  (entry: RequestLogEntry) => void
>("@omnifile/http/RequestLog", { defaultValue: () => () => {} })

/** A request whose caller is known. */
export interface Authenticated {
  readonly request: HttpServerRequest.HttpServerRequest
  /** Those of the request, read once: hosts may build them anew at every look. */
  readonly headers: Headers
  readonly id: string
  readonly principal: Principal
}

export type Handler<R> = (
  authenticated: Authenticated
) => Effect.Effect<HttpServerResponse.HttpServerResponse, CallError, R>

const bearer = /^bearer +(\S+) *$/i

/** The key of `Authorization: Bearer`, or of the headers that other providers' clients send. */
const apiKey = (headers: Readonly<Record<string, string | undefined>>): string | undefined => {
  const { authorization } = headers
  if (authorization === undefined) return headers["x-api-key"] ?? headers["api-key"]
  // The common spelling without a regular expression.
  return authorization.startsWith("Bearer ") ? authorization.slice(7).trim() : bearer.exec(authorization)?.[1]
}

const pathOf = (url: string): string => {
  const query = url.indexOf("?")
  return query < 0 ? url : url.slice(0, query)
}

/** Builds the endpoints of a group of routes. */
export const make = Effect.gen(function* () {
  const authenticator = yield* Authenticator
  const log = yield* RequestLog
  const requestId = yield* RequestId.make

  const authenticated = <R>(
    handler: Handler<R>
  ): Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    never,
    R | HttpServerRequest.HttpServerRequest | Scope.Scope
  > =>
    Effect.flatMap(
      HttpServerRequest.HttpServerRequest,
      Effect.fnUntraced(function* (request) {
        const started = yield* Clock.currentTimeMillis
        const headers = request.headers
        const id = requestId(headers)
        let principal: Principal | null = null
        const outcome = yield* authenticator.authenticate(apiKey(headers)).pipe(
          Effect.flatMap((caller) => {
            principal = caller
            return handler({ request, headers, id, principal: caller })
          }),
          Effect.result,
          Effect.annotateLogs("requestId", id),
          Effect.catchCause((cause) =>
            Cause.hasInterruptsOnly(cause)
              ? Effect.failCause(cause as Cause.Cause<never>)
              : Effect.as(
                  Effect.annotateLogs(Effect.logError("A request failed unexpectedly", cause), "requestId", id),
                  null
                )
          )
        )
        const failure =
          outcome === null ? ApiError.internal : Result.isFailure(outcome) ? ApiError.describe(outcome.failure) : null
        const response =
          outcome !== null && Result.isSuccess(outcome)
            ? outcome.success
            : ApiError.respond(failure ?? ApiError.internal)
        const caller = principal as Principal | null
        log({
          requestId: id,
          method: request.method,
          path: pathOf(request.url),
          status: response.status,
          duration: (yield* Clock.currentTimeMillis) - started,
          user: caller?.user ?? null,
          team: caller?.team ?? null,
          error: failure?.message ?? null
        })
        return HttpServerResponse.setHeader(response, "x-request-id", id)
      })
    )

  return { authenticated }
})

export type Endpoint = Effect.Success<typeof make>
