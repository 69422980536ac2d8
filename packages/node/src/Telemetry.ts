/**
 * Traces by OpenTelemetry's protocol over HTTP, where its own environment variables ask for them:
 * `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, and those beside them.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import { type Environment, valueOf } from "./config/Interpolation.ts"

const isWanted = (env: Environment): boolean =>
  valueOf(env, "OTEL_SDK_DISABLED") !== "true" &&
  (valueOf(env, "OTEL_EXPORTER_OTLP_ENDPOINT") ?? valueOf(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) !== undefined

/** As OpenTelemetry has it; Effect's exporter waits to be told. */
const defaults = { OTEL_TRACES_EXPORTER: "otlp" }

/** OpenTelemetry's default is protobuf. */
const isJson = (env: Environment): boolean =>
  (valueOf(env, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") ?? valueOf(env, "OTEL_EXPORTER_OTLP_PROTOCOL")) === "http/json"

/** Headers of a request or an answer that a span may tell: no other could be known to hold no key. */
const toldHeaders: ReadonlySet<string> = new Set(["content-type", "content-length", "retry-after", "x-request-id"])

/** A segment of a path that names one thing among many. */
const named = /^[a-z]+[-_].{16,}$|.{40,}/

/** `GET /v1/files/{id}`: as few names as there are routes. */
const spanName = ({ method, url }: HttpServerRequest): string => {
  const [path = ""] = url.split("?", 1)
  return `${method} ${path
    .split("/")
    .map((segment) => (named.test(segment) ? "{id}" : segment))
    .join("/")}`
}

const serverSpans = Layer.mergeAll(
  Layer.succeed(HttpMiddleware.TracerHeaderFilter, (header: string) => toldHeaders.has(header)),
  Layer.succeed(HttpMiddleware.SpanNameGenerator, spanName)
)

/** Loaded where somebody wants it only. */
const exporter = async (env: Environment): Promise<Layer.Layer<never>> => {
  const [OtlpTracer, OtlpSerialization, FetchHttpClient] = await Promise.all([
    import("effect/observability/OtlpTracer"),
    import("effect/observability/OtlpSerialization"),
    import("effect/http/FetchHttpClient")
  ])
  const serviceName = valueOf(env, "OTEL_SERVICE_NAME") ?? "omnifile"
  return OtlpTracer.layerFromConfig({ resource: { serviceName } }).pipe(
    Layer.provide(isJson(env) ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ ...defaults, ...env }))),
    Layer.orDie,
    Layer.satisfiesServicesType<never>()
  ) as Layer.Layer<never>
}

/** A tracer, or nothing. */
export const layer = (env: Environment): Layer.Layer<never> =>
  isWanted(env) ? Layer.merge(Layer.unwrap(Effect.promise(() => exporter(env))), serverSpans) : Layer.empty
