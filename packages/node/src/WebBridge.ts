/** One Effect HTTP app in, one `Request -> Response` function out: for hosts that speak the web's types. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpEffect from "effect/http/HttpEffect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { drainPatience, type HttpApp, isRouteNotFound } from "./NodeBridge.ts"

export type WebHandler = (request: Request) => Promise<Response>

/** What runs is interrupted when the scope closes. */
const endWith = <A, E, R>(scope: Scope.Scope, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    Fiber.runIn(fiber, scope)
    return effect
  })

/** A body that is an iterable becomes a stream, which is cut off when the scope closes. */
const toWebBody =
  (scope: Scope.Scope) =>
  (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
    const { body } = response
    if (body._tag !== "Raw") return response
    const bytes = body.body as AsyncIterable<Uint8Array>
    const stream = Stream.fromAsyncIterable(bytes, (cause) => cause)
    return HttpServerResponse.stream(Stream.unwrap(endWith(scope, Effect.succeed(stream))), {
      status: response.status,
      headers: response.headers
    })
  }

/** An unread body of a refused request is read on for a while: many clients send everything before they read. */
const drain = ({ source }: HttpServerRequest, response: HttpServerResponse.HttpServerResponse): void => {
  if (response.status < 400 || !(source instanceof Request) || source.body === null || source.body.locked) return
  // It is nobody's concern how that ends.
  source.body.pipeTo(new WritableStream(), { signal: AbortSignal.timeout(drainPatience) }).catch(() => {})
}

/** Builds the handler in the scope, which ends what runs when it closes. */
export const make = Effect.fnUntraced(function* (app: HttpApp, notFound: HttpApp) {
  const scope = yield* Effect.scope
  // Settings that hold for the building hold for every request.
  const context = yield* Effect.context()
  const perRequest = Effect.flatMap(HttpServerRequest, (request) =>
    app.pipe(
      Effect.catchIf(isRouteNotFound, () => notFound),
      Effect.tap((response) => Effect.sync(() => drain(request, response))),
      Effect.map(toWebBody(scope))
    )
  )
  const toHandler = HttpEffect.toWebHandlerWith<never, HttpServerRequest | Scope.Scope>(context)
  const handle = toHandler(endWith(scope, perRequest))
  const handler: WebHandler = (request) => handle(request)
  return handler
})
