/** One Effect HTTP app in, one `(request, response)` function out: what every Node.js host stands on. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
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
  /** What the app is to know of the request beside it: its `Attachment`. */
  readonly attachment?: unknown
}

/** What the host has attached to the request in hand. */
export const Attachment: Context.Reference<unknown> = Context.Reference<unknown>("@omnifile/node/Attachment", {
  defaultValue: () => undefined
})

/**
 * What a body parser has made of a body that it has read to the end, as bytes or text again. JSON that it did not
 * keep as it came may differ in its bytes.
 */
export const parsedBody = (
  request: IncomingMessage,
  parsed: { readonly body?: unknown; readonly rawBody?: unknown }
): string | Uint8Array | undefined => {
  if (!request.readableEnded) return undefined
  const body = parsed.rawBody ?? parsed.body
  return body === undefined || typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body)
}

export type NodeHandler = (request: IncomingMessage, response: ServerResponse, locals?: Locals) => Promise<void>

export type HttpApp = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  HttpServerError.HttpServerError,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** How long the unread rest of a refused body is read, so that the client gets to the answer, in milliseconds. */
export const drainPatience = 30_000

export const isRouteNotFound = (error: HttpServerError.HttpServerError): boolean =>
  error.reason._tag === "RouteNotFound"

const methodsWithBody: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"])

/** The request with the body that a parser has taken from its stream. */
const rehydrate = (request: HttpServerRequest.HttpServerRequest, body: string | Uint8Array) => {
  if (!methodsWithBody.has(request.method)) return request
  // `BodyInit` leaves out arrays over shared memory, which no parser makes.
  const source = new Request("http://localhost", { method: request.method, body: body as BodyInit })
  return HttpServerRequest.fromWeb(source).modify({ url: request.url, headers: request.headers })
}

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
const drain = (request: IncomingMessage): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      request.off("end", done).off("close", done)
      resolve()
    }
    const timer = setTimeout(done, drainPatience)
    request.once("end", done).once("close", done).resume()
  })

async function* followedByDrain(answer: Uint8Array, request: IncomingMessage): AsyncGenerator<Uint8Array> {
  yield answer
  await drain(request)
}

/**
 * A refusal of a body that is not all there yet. It is sent at once and whole, for a client that reads while it
 * sends; but the response ends, and perhaps the connection with it, only when the body does, for a client that
 * sends everything first.
 */
const refuse = (
  response: HttpServerResponse.HttpServerResponse,
  request: IncomingMessage
): HttpServerResponse.HttpServerResponse => {
  const { body, headers, status } = response
  if (body._tag !== "Uint8Array") return toNodeBody(response)
  return HttpServerResponse.raw(Readable.from(followedByDrain(body.body, request), { objectMode: false }), {
    status,
    headers: { ...headers, "content-type": body.contentType, "content-length": String(body.body.length) }
  })
}

/** Builds the handler in the scope, which ends what runs when it closes. */
export const make = Effect.fnUntraced(function* (app: HttpApp, notFound: HttpApp) {
  const scope = yield* Effect.scope
  const locals = new WeakMap<object, Locals>()

  const passOn = (request: HttpServerRequest.HttpServerRequest, next: (() => void) | undefined) => {
    if (next === undefined) return notFound
    const response = NodeHttpServerRequest.toServerResponse(request)
    return Effect.callback<HttpServerResponse.HttpServerResponse>((resume) => {
      response.once("close", () => resume(Effect.succeed(HttpServerResponse.empty())))
      next()
    })
  }

  const perRequest = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const { attachment, body, next } = locals.get(request.source) ?? {}
    const run =
      body === undefined
        ? app
        : Effect.provideService(app, HttpServerRequest.HttpServerRequest, rehydrate(request, body))
    return (attachment === undefined ? run : Effect.provideService(run, Attachment, attachment)).pipe(
      Effect.catchIf(isRouteNotFound, () => passOn(request, next)),
      Effect.map((response) => {
        const incoming = NodeHttpServerRequest.toIncomingMessage(request)
        return response.status >= 400 && !incoming.complete && !incoming.destroyed
          ? refuse(response, incoming as IncomingMessage)
          : toNodeBody(response)
      })
    )
  })

  // The service type of `makeHandler` is inferred as `any`.
  const handler = yield* NodeHttpServer.makeHandler(perRequest, { scope }) as Effect.Effect<
    (request: IncomingMessage, response: ServerResponse) => void
  >

  const handle: NodeHandler = (request, response, local) =>
    new Promise((resolve) => {
      if (response.destroyed) return resolve()
      response.once("close", () => resolve())
      keepHeaders(response)
      if (local !== undefined) locals.set(request, local)
      handler(request, response)
    })
  return handle
})
