/** `/v1/chat/completions`: https://platform.openai.com/docs/api-reference/chat, plain and streamed. */
import { UnsupportedMediaType } from "@omnifile/core/CallError"
import * as ChatRequest from "@omnifile/core/ChatRequest"
import { Pipeline } from "@omnifile/core/Pipeline"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Endpoint from "../Endpoint.ts"
import * as ProviderResponse from "../ProviderResponse.ts"
import { RequestBodies } from "../RequestBodies.ts"
import { ServerSettings } from "../ServerSettings.ts"

const isJson = (contentType: string | undefined): boolean =>
  contentType === undefined || /^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType)

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
          if (!isJson(headers["content-type"])) {
            return yield* new UnsupportedMediaType({ message: "Send the body as application/json." })
          }
          const body = yield* bodies.bytes(request, maxBodySize)
          const operation = yield* Effect.fromResult(ChatRequest.parse(body))
          const answer = yield* pipeline.run({ id, principal, operation })
          return ProviderResponse.passOn(answer.response)
        })
      )
    )
  })
)
