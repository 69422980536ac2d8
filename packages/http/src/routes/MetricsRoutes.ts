/** `/metrics`: the metrics of this process in Prometheus's text format, for admins. */
import { Forbidden } from "@omnifile/core/CallError"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Endpoint from "../Endpoint.ts"

const contentType = "text/plain; version=0.0.4; charset=utf-8"

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { authenticated } = yield* Endpoint.make

    yield* router.add(
      "GET",
      "/metrics",
      authenticated(
        Effect.fnUntraced(function* ({ principal }) {
          if (principal.role !== "admin") return yield* new Forbidden({ message: "Metrics are for admins." })
          return HttpServerResponse.text(yield* PrometheusMetrics.format(), { contentType })
        })
      )
    )
  })
)
