/** `/metrics`: the metrics of this process in Prometheus's text format, for admins. */
import { Forbidden } from "@omnifile/core/CallError"
import * as Census from "@omnifile/core/Census"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Dependencies from "../Dependencies.ts"
import * as Endpoint from "../Endpoint.ts"

const contentType = "text/plain; version=0.0.4; charset=utf-8"

/** As of this look at the metrics. */
const updateDependencies = (answers: ReadonlyArray<Dependencies.Answer>) =>
  Effect.forEach(
    answers,
    ({ isThere, name }) => {
      const description = "Whether a service that the server stands on answers"
      const up = Metric.gauge("omnifile_dependency_up", { description, attributes: { dependency: name } })
      return Metric.update(up, isThere ? 1 : 0)
    },
    { discard: true }
  )

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { authenticated } = yield* Endpoint.make
    const askDependencies = yield* Dependencies.make
    const takeCensus = yield* Census.make

    yield* router.add(
      "GET",
      "/metrics",
      authenticated(
        Effect.fnUntraced(function* ({ principal }) {
          if (principal.role !== "admin") return yield* new Forbidden({ message: "Metrics are for admins." })
          yield* updateDependencies(yield* askDependencies)
          // Without the registry there is still much to tell.
          yield* Effect.catch(takeCensus, (error) => Effect.logWarning("What waits could not be counted", error))
          return HttpServerResponse.text(yield* PrometheusMetrics.format(), { contentType })
        })
      )
    )
  })
)
