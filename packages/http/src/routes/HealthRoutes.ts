/** `/health/live` and `/health/ready`, for whoever starts and stops the process. They need no key. */
import { Registry } from "@omnifile/core/Registry"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const registry = yield* Registry

    yield* router.add("GET", "/health/live", HttpServerResponse.jsonUnsafe({ status: "ok" }))

    yield* router.add(
      "GET",
      "/health/ready",
      registry.isAlive("readiness", 0).pipe(
        Effect.match({
          onSuccess: () => HttpServerResponse.jsonUnsafe({ status: "ok", registry: "ok" }),
          onFailure: () =>
            HttpServerResponse.jsonUnsafe({ status: "unavailable", registry: "unavailable" }, { status: 503 })
        })
      )
    )
  })
)
