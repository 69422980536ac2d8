/**
 * A built app with a lifetime and two mouths: `node` for `node:http` and whatever stands on it, `web` for
 * hosts that speak `Request` and `Response`.
 */
import * as ApiError from "@omnifile/http/ApiError"
import * as RequestId from "@omnifile/http/RequestId"
import * as Context from "effect/Context"
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

/** A gateway whose routes stand on services that other apps of the host can use too. */
export interface GatewayOver<in out Services> extends Gateway {
  /**
   * Builds an app beside the routes, with the same services, settings and end. The building must not wait for
   * anything.
   */
  readonly mount: (app: Effect.Effect<NodeBridge.HttpApp, never, Services | Scope.Scope>) => NodeBridge.NodeHandler
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
export const make = <E>(
  routes: Layer.Layer<never, E, HttpRouter.HttpRouter>,
  references: Layer.Layer<never> = Layer.empty
): Promise<Gateway> => makeOver(Layer.empty, () => routes, references)

/** The same over services that are built once, for the routes and for what is mounted beside them. */
export const makeOver = async <Services, E>(
  services: Layer.Layer<Services, E>,
  routes: (services: Context.Context<Services>) => Layer.Layer<never, E, HttpRouter.HttpRouter>,
  references: Layer.Layer<never> = Layer.empty
): Promise<GatewayOver<Services>> => {
  const scope = Scope.makeUnsafe()
  const build = Effect.gen(function* () {
    const { internal, notFound } = yield* fallbacks
    const built = yield* Layer.build(services)
    const guarded = (routed: NodeBridge.HttpApp): NodeBridge.HttpApp =>
      Effect.catchDefect(routed, (defect) =>
        Effect.andThen(Effect.logError("A request failed unexpectedly", defect), internal)
      )
    const app = guarded(yield* HttpRouter.toHttpEffect(routes(built)))
    const node = yield* NodeBridge.make(app, notFound)
    const web = yield* WebBridge.make(app, notFound)
    const context = Context.merge(yield* Effect.context<Scope.Scope>(), built)
    const mount: GatewayOver<Services>["mount"] = (app) =>
      Effect.runSyncWith(context)(Effect.flatMap(app, (mounted) => NodeBridge.make(guarded(mounted), notFound)))
    return { node, web, mount }
  }).pipe(
    // A unified ID is longer than the router's default for a path parameter.
    Effect.provideService(HttpRouter.RouterConfig, { maxParamLength: 8_192 }),
    spansOnDemand
  )
  // In the gateway's own scope: what they hold, such as an exporter of traces, is needed until the end.
  const referring = Effect.flatMap(Layer.build(references), (context) => Effect.provideContext(build, context))
  const mouths = await Effect.runPromise(Scope.provide(referring, scope)).catch(async (cause: unknown) => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    throw cause
  })
  return { ...mouths, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}
