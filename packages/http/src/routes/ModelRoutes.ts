/** `/v1/models`: the model names that the key may use. */
import { ModelNotFound } from "@omnifile/core/CallError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Endpoint from "../Endpoint.ts"

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { authenticated } = yield* Endpoint.make
    // The API wants to know since when there is a model; here it is there since the start.
    const created = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const modelObject = (id: string) => ({ id, object: "model" as const, created, owned_by: "omnifile" })
    const operation = { _tag: "ListModels" } as const

    yield* router.add(
      "GET",
      "/v1/models",
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const { models } = yield* run(operation)
          return HttpServerResponse.jsonUnsafe({ object: "list", data: models.map(modelObject) })
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/models/:model",
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const { model = "" } = yield* HttpRouter.params
          const { models } = yield* run(operation)
          if (!models.includes(model)) return yield* new ModelNotFound({ model })
          return HttpServerResponse.jsonUnsafe(modelObject(model))
        })
      )
    )
  })
)
