/**
 * What every endpoint has in common: a request ID in and out, the caller's identity, errors as answers, and
 * one log entry.
 */
import { Authenticator } from "@omnifile/core/Authenticator"
import type { CallError } from "@omnifile/core/CallError"
import type { Answers } from "@omnifile/core/Hooks"
import type { Operation } from "@omnifile/core/Operation"
import { type Options, Pipeline } from "@omnifile/core/Pipeline"
import type { Principal } from "@omnifile/core/Principal"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as ApiError from "./ApiError.ts"
import * as RequestId from "./RequestId.ts"
import * as RequestMetrics from "./RequestMetrics.ts"

/** What is known of a request that has been answered. */
export interface RequestLogEntry {
  readonly requestId: string
  /** Of the trace that the request belongs to, by its `traceparent` or by our own tracing; null if it is in none. */
  readonly traceId: string | null
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
  /** Runs an operation in the caller's name, under the request's ID. */
  readonly run: <Op extends Operation>(
    operation: Op,
    options?: Options
  ) => Effect.Effect<Answers[Op["_tag"]], CallError, Scope.Scope>
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

const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/

/** The trace of our own span, which goes on with that of the client, or else the one that the client names. */
const traceIdOf = (context: Context.Context<never>, headers: Headers): string | null => {
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  if (span !== undefined) return span.traceId
  const given = headers["traceparent"]
  return given === undefined ? null : (traceparent.exec(given)?.[1] ?? null)
}

/** Builds the endpoints of a group of routes. */
export const make = Effect.gen(function* () {
  const authenticator = yield* Authenticator
  const log = yield* RequestLog
  const pipeline = yield* Pipeline
  const requestId = yield* RequestId.make
  const count = RequestMetrics.make()

  /** `errors` is how whatever goes wrong is answered, a missing key included. */
  const authenticated = <R>(
    handler: Handler<R>,
    errors: ApiError.ErrorStyle = ApiError.openAIErrors
  ): Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    never,
    R | HttpServerRequest.HttpServerRequest | Scope.Scope
  > =>
    Effect.contextWith((outer: Context.Context<HttpServerRequest.HttpServerRequest>) =>
      Clock.clockWith((clock) => {
        const request = Context.get(outer, HttpServerRequest.HttpServerRequest)
        const started = clock.currentTimeMillisUnsafe()
        const headers = request.headers
        const id = requestId(headers)
        const traceId = traceIdOf(outer, headers)
        let caller: Principal | null = null

        const answer = (response: HttpServerResponse.HttpServerResponse, failure: ApiError.ErrorAnswer | null) =>
          Effect.contextWith((context: Context.Context<never>) => {
            const duration = clock.currentTimeMillisUnsafe() - started
            count(context, { method: request.method, status: response.status, duration })
            log({
              requestId: id,
              traceId,
              method: request.method,
              path: pathOf(request.url),
              status: response.status,
              duration,
              user: caller?.user ?? null,
              team: caller?.team ?? null,
              error: failure?.message ?? null
            })
            return Effect.succeed(HttpServerResponse.setHeader(response, "x-request-id", id))
          })
        const refuse = (failure: ApiError.ErrorAnswer) => answer(errors.respond(failure, id), failure)

        return authenticator.authenticate(apiKey(headers)).pipe(
          Effect.flatMap((principal) => {
            caller = principal
            return handler({
              request,
              headers,
              id,
              principal,
              run: (operation, options) => pipeline.run({ id, principal, operation }, options)
            })
          }),
          Effect.matchCauseEffect({
            onSuccess: (response) => answer(response, null),
            onFailure: (cause) => {
              const error = Cause.findErrorOption(cause)
              if (Option.isSome(error)) return refuse(ApiError.describe(error.value))
              // What is left has no failure in it.
              const unexpected = cause as Cause.Cause<never>
              return Cause.hasInterruptsOnly(cause)
                ? Effect.failCause(unexpected)
                : Effect.andThen(
                    Effect.logError("A request failed unexpectedly", unexpected),
                    refuse(ApiError.internal)
                  )
            }
          }),
          Effect.annotateLogs(traceId === null ? { requestId: id } : { requestId: id, traceId })
        )
      })
    )

  return { authenticated }
})

export type Endpoint = Effect.Success<typeof make>
