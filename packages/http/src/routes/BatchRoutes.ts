/** `/v1/batches`: https://platform.openai.com/docs/api-reference/batch */
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

const defaultListLimit = 20
const longestListLimit = 100

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { authenticated } = yield* Endpoint.make
    const json = yield* JsonBody.make()

    yield* router.add(
      "POST",
      "/v1/batches",
      authenticated(
        Effect.fnUntraced(function* ({ headers, request, run }) {
          const key = yield* IdempotencyKey.of(headers)
          const body = yield* json.object({ headers, request })
          const operation = yield* BatchBody.parse(body, headers, key)
          const { object } = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(object)
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/batches",
      authenticated(
        Effect.fnUntraced(function* ({ request, run }) {
          const params = QueryParams.parse(request.url)
          const bounds = { min: 1, max: longestListLimit, default: defaultListLimit }
          const limit = yield* QueryParams.integer(params, "limit", bounds)
          const after = yield* QueryParams.text(params, "after")
          const page = yield* run({ _tag: "ListBatches", limit, after })
          return HttpServerResponse.jsonUnsafe(JobList.list(page.objects, page.hasMore))
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/batches/:id",
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const operation = { _tag: "RetrieveBatch", id: yield* pathId } as const
          const { object } = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(object)
        })
      )
    )

    yield* router.add(
      "POST",
      "/v1/batches/:id/cancel",
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const operation = { _tag: "CancelBatch", id: yield* pathId } as const
          const { object } = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(object)
        })
      )
    )
  })
)
