/** `/v1/responses`: https://platform.openai.com/docs/api-reference/responses, plain and streamed. */
import * as ResponseRequest from "@omnifile/core/ResponseRequest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Endpoint from "../Endpoint.ts"
import * as IdempotencyKey from "../IdempotencyKey.ts"
import * as JsonBody from "../JsonBody.ts"
import { pathId } from "../PathId.ts"
import * as ProviderResponse from "../ProviderResponse.ts"
import * as QueryParams from "../QueryParams.ts"

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { authenticated } = yield* Endpoint.make
    const json = yield* JsonBody.make()

    yield* router.add(
      "POST",
      "/v1/responses",
      authenticated(
        Effect.fnUntraced(function* ({ headers, request, run }) {
          const key = yield* IdempotencyKey.of(headers)
          const body = yield* json.bytes({ headers, request })
          const operation = yield* Effect.fromResult(ResponseRequest.parse(body, key))
          const answer = yield* run(operation)
          return ProviderResponse.passOn(answer.response)
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/responses/:id",
      authenticated(
        Effect.fnUntraced(function* ({ request, run }) {
          const query = QueryParams.textOf(request.url)
          const operation = { _tag: "RetrieveResponse", id: yield* pathId, query } as const
          const answer = yield* run(operation)
          return ProviderResponse.passOn(answer.response)
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/responses/:id/input_items",
      authenticated(
        Effect.fnUntraced(function* ({ request, run }) {
          const query = QueryParams.textOf(request.url)
          const operation = { _tag: "ListInputItems", id: yield* pathId, query } as const
          const answer = yield* run(operation)
          return ProviderResponse.passOn(answer.response)
        })
      )
    )

    yield* router.add(
      "POST",
      "/v1/responses/:id/cancel",
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const operation = { _tag: "CancelResponse", id: yield* pathId } as const
          const answer = yield* run(operation)
          return ProviderResponse.passOn(answer.response)
        })
      )
    )

    yield* router.add(
      "DELETE",
      "/v1/responses/:id",
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const operation = { _tag: "DeleteResponse", id: yield* pathId } as const
          const answer = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(answer.object)
        })
      )
    )
  })
)
