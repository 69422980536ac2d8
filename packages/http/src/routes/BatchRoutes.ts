/** `/v1/batches`: https://platform.openai.com/docs/api-reference/batch */
import { Pipeline } from "@omnifile/core/Pipeline"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as BatchBody from "../BatchBody.ts"
import * as Endpoint from "../Endpoint.ts"
import * as IdempotencyKey from "../IdempotencyKey.ts"
import * as JobList from "../JobList.ts"
import * as JsonBody from "../JsonBody.ts"
import { pathId } from "../PathId.ts"
import * as QueryParams from "../QueryParams.ts"
import { RequestBodies } from "../RequestBodies.ts"
import { ServerSettings } from "../ServerSettings.ts"

const defaultListLimit = 20
const longestListLimit = 100

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const bodies = yield* RequestBodies
    const pipeline = yield* Pipeline
    const { maxBodySize } = yield* ServerSettings
    const { authenticated } = yield* Endpoint.make

    yield* router.add(
      "POST",
      "/v1/batches",
      authenticated(
        Effect.fnUntraced(function* ({ headers, id, principal, request }) {
          const key = yield* IdempotencyKey.of(headers)
          const body = yield* JsonBody.object(yield* JsonBody.read(request, headers, bodies, maxBodySize))
          const operation = yield* BatchBody.parse(body, key)
          const { object } = yield* pipeline.run({ id, principal, operation })
          return HttpServerResponse.jsonUnsafe(object)
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/batches",
      authenticated(
        Effect.fnUntraced(function* ({ id, principal, request }) {
          const params = QueryParams.parse(request.url)
          const bounds = { min: 1, max: longestListLimit, default: defaultListLimit }
          const limit = yield* QueryParams.integer(params, "limit", bounds)
          const after = yield* QueryParams.text(params, "after")
          const page = yield* pipeline.run({ id, principal, operation: { _tag: "ListBatches", limit, after } })
          return HttpServerResponse.jsonUnsafe(JobList.list(page.objects, page.hasMore))
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/batches/:id",
      authenticated(
        Effect.fnUntraced(function* ({ id, principal }) {
          const operation = { _tag: "RetrieveBatch", id: yield* pathId } as const
          const { object } = yield* pipeline.run({ id, principal, operation })
          return HttpServerResponse.jsonUnsafe(object)
        })
      )
    )

    yield* router.add(
      "POST",
      "/v1/batches/:id/cancel",
      authenticated(
        Effect.fnUntraced(function* ({ id, principal }) {
          const operation = { _tag: "CancelBatch", id: yield* pathId } as const
          const { object } = yield* pipeline.run({ id, principal, operation })
          return HttpServerResponse.jsonUnsafe(object)
        })
      )
    )
  })
)
