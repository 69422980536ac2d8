/**
 * A built app with a lifetime and two mouths: `node` for `node:http` and whatever stands on it, `web` for
 * hosts that speak `Request` and `Response`.
 */
import * as ApiError from "@omnifile/http/ApiError"
import * as RequestId from "@omnifile/http/RequestId"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as NodeBridge from "./NodeBridge.ts"
import * as WebBridge from "./WebBridge.ts"

export interface Gateway {
  /** Answers a request. Resolves when the response is closed; never rejects. */
  readonly node: NodeBridge.NodeHandler
  /** Answers a web request. Its signal, or the end of whoever reads the body, ends what runs for it. */
  readonly web: WebBridge.WebHandler
  /**
   * Interrupts what is still running, and frees everything: waiting requests are answered 503, streams are cut
   * off. Stop accepting requests before. Twice is as once.
   */
  readonly close: () => Promise<void>
}

/** Spans cost time on every call: they are made when somebody has installed a tracer for them. */
const spansOnDemand = <A, E, R>(build: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Tracer.Tracer, (tracer) =>
    tracer === Tracer.nativeTracer ? Effect.withTracerEnabled(build, false) : build
  )

const unknownRoute: ApiError.ErrorAnswer = {
  status: 404,
  message: "Unknown request URL. See the API reference for what there is.",
  type: "invalid_request_error",
  param: null,
  code: "unknown_url"
}

/** Answers for requests that no endpoint answers, in the same shape. */
const fallbacks = Effect.map(RequestId.make, (requestId) => {
  const answer = (error: ApiError.ErrorAnswer) =>
    Effect.map(HttpServerRequest, ({ headers }) =>
      HttpServerResponse.setHeader(ApiError.respond(error), "x-request-id", requestId(headers))
    )
  return { notFound: answer(unknownRoute), internal: answer(ApiError.internal) }
})

/**
 * Builds the app now, not with the first request: a wrong key or an unreachable database fails the start. The
 * type asks for routes that handle all of their errors and have all of their services. `references`, such as
 * loggers, hold for the building and for every request.
 */
export const make = async <E>(
  routes: Layer.Layer<never, E, HttpRouter.HttpRouter>,
  references: Layer.Layer<never> = Layer.empty
): Promise<Gateway> => {
  const scope = Scope.makeUnsafe()
  const build = Effect.gen(function* () {
    const { internal, notFound } = yield* fallbacks
    const routed: NodeBridge.HttpApp = yield* HttpRouter.toHttpEffect(routes)
    const app = Effect.catchDefect(routed, (defect) =>
      Effect.andThen(Effect.logError("A request failed unexpectedly", defect), internal)
    )
    const node = yield* NodeBridge.make(app, notFound)
    const web = yield* WebBridge.make(app, notFound)
    return { node, web }
  }).pipe(
    // A unified ID is longer than the router's default for a path parameter.
    Effect.provideService(HttpRouter.RouterConfig, { maxParamLength: 8_192 }),
    spansOnDemand,
    Effect.provide(references)
  )
  const { node, web } = await Effect.runPromise(Scope.provide(build, scope)).catch(async (cause: unknown) => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    throw cause
  })
  return { node, web, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}
