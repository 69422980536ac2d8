/** `/v1/chat/completions`: https://platform.openai.com/docs/api-reference/chat, plain and streamed. */
import * as ChatRequest from "@omnifile/core/ChatRequest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Endpoint from "../Endpoint.ts"
import * as JsonBody from "../JsonBody.ts"
import * as ProviderResponse from "../ProviderResponse.ts"

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { authenticated } = yield* Endpoint.make
    const json = yield* JsonBody.make()

    yield* router.add(
      "POST",
      "/v1/chat/completions",
      authenticated(
        Effect.fnUntraced(function* ({ headers, request, run }) {
          const body = yield* json.bytes({ headers, request })
          const operation = yield* Effect.fromResult(ChatRequest.parse(body))
          const answer = yield* run(operation)
          return ProviderResponse.passOn(answer.response)
        })
      )
    )
  })
)
