/** One Effect HTTP app in, one `(request, response)` function out: what every Node.js host stands on. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Readable } from "node:stream"

/** What a framework knows about a request that nobody else can see. */
export interface Locals {
  /** Called instead of answering 404 when no route matches. */
  readonly next?: (() => void) | undefined
  /** The body, when a body parser has read it already. */
  readonly body?: string | Uint8Array | undefined
}

export type NodeHandler = (request: IncomingMessage, response: ServerResponse, locals?: Locals) => Promise<void>

export type HttpApp = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  HttpServerError.HttpServerError,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** How long the unread rest of a refused body is read, so that the client gets to the answer. */
const drainPatience = Duration.seconds(10)

export const isRouteNotFound = (error: HttpServerError.HttpServerError): boolean =>
  error.reason._tag === "RouteNotFound"

/** The request with the body that a parser has taken from its stream. */
const rehydrate = (request: HttpServerRequest.HttpServerRequest, body: string | Uint8Array) =>
  HttpServerRequest.fromWeb(
    new Request(new URL(request.url, "http://localhost"), {
      method: request.method,
      headers: Object.entries(request.headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
      // `BodyInit` leaves out arrays over shared memory, which no parser makes.
      body: body as BodyInit
    })
  )

/**
 * `compression` and others that wait for headers read `writeHead(status, undefined, headers)` as "no headers"
 * and drop them all (https://github.com/expressjs/compression/pull/254). Where one of them has replaced
 * `writeHead`, it gets the form with two arguments.
 */
const keepHeaders = (response: ServerResponse): void => {
  if (!Object.hasOwn(response, "writeHead")) return
  const patched = response.writeHead as (...args: ReadonlyArray<unknown>) => ServerResponse
  response.writeHead = ((...args: ReadonlyArray<unknown>) =>
    args.length === 3 && (args[1] === undefined || args[1] === null)
      ? patched.call(response, args[0], args[2])
      : patched.apply(response, [...args])) as typeof response.writeHead
}

/** Bodies that are iterables become Node streams, which Node can pipe. */
const toNodeBody = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  if (body._tag !== "Raw" || body.body instanceof Readable) return response
  const bytes = body.body as AsyncIterable<Uint8Array>
  return HttpServerResponse.raw(Readable.from(bytes, { objectMode: false }), {
    status: response.status,
    headers: response.headers
  })
}

/** Reads on without keeping anything, until the end or for a while. */
const drain = (request: Readable): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const done = (): void => resume(Effect.void)
    request.once("end", done).once("close", done).once("error", done).resume()
    return Effect.sync(() => request.off("end", done).off("close", done).off("error", done))
  }).pipe(Effect.timeoutOption(drainPatience), Effect.asVoid)

/** Builds the handler in the scope, which ends what runs when it closes. */
export const make = Effect.fnUntraced(function* (app: HttpApp, notFound: HttpServerResponse.HttpServerResponse) {
  const scope = yield* Effect.scope
  const locals = new WeakMap<object, Locals>()

  const passOn = (request: HttpServerRequest.HttpServerRequest, next: (() => void) | undefined) => {
    if (next === undefined) return Effect.succeed(notFound)
    const response = NodeHttpServerRequest.toServerResponse(request)
    return Effect.callback<HttpServerResponse.HttpServerResponse>((resume) => {
      response.once("close", () => resume(Effect.succeed(HttpServerResponse.empty())))
      next()
    })
  }

  const perRequest = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const { body, next } = locals.get(request.source) ?? {}
    const run =
      body === undefined
        ? app
        : Effect.provideService(app, HttpServerRequest.HttpServerRequest, rehydrate(request, body))
    return run.pipe(
      Effect.catchIf(isRouteNotFound, () => passOn(request, next)),
      Effect.flatMap((response) => {
        const incoming = NodeHttpServerRequest.toIncomingMessage(request)
        return response.status >= 400 && !incoming.complete && !incoming.destroyed
          ? Effect.as(drain(incoming), response)
          : Effect.succeed(toNodeBody(response))
      })
    )
  })

  // The service type of `makeHandler` is inferred as `any`.
  const handler = yield* NodeHttpServer.makeHandler(perRequest, { scope }) as Effect.Effect<
    (request: IncomingMessage, response: ServerResponse) => void
  >

  const handle: NodeHandler = (request, response, local) =>
    new Promise((resolve) => {
      response.once("close", () => resolve())
      keepHeaders(response)
      if (local !== undefined) locals.set(request, local)
      handler(request, response)
    })
  return handle
})
