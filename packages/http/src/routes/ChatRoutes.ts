/** `/v1/chat/completions`: https://platform.openai.com/docs/api-reference/chat, plain and streamed. */
import * as ChatRequest from "@omnifile/core/ChatRequest"
import { Pipeline } from "@omnifile/core/Pipeline"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Endpoint from "../Endpoint.ts"
import * as JsonBody from "../JsonBody.ts"
import * as ProviderResponse from "../ProviderResponse.ts"
import { RequestBodies } from "../RequestBodies.ts"
import { ServerSettings } from "../ServerSettings.ts"

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const bodies = yield* RequestBodies
    const pipeline = yield* Pipeline
    const { maxBodySize } = yield* ServerSettings
    const { authenticated } = yield* Endpoint.make

    yield* router.add(
      "POST",
      "/v1/chat/completions",
      authenticated(
        Effect.fnUntraced(function* ({ headers, id, principal, request }) {
          const body = yield* JsonBody.read(request, headers, bodies, maxBodySize)
          const operation = yield* Effect.fromResult(ChatRequest.parse(body))
          const answer = yield* pipeline.run({ id, principal, operation })
          return ProviderResponse.passOn(answer.response)
        })
      )
    )
  })
)
