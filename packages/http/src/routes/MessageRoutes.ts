/** `/v1/messages` on Anthropic's wire: https://docs.anthropic.com/en/api/messages, plain and streamed. */
import type { InMemory } from "@omnifile/core/Bytes"
import type { InvalidRequest } from "@omnifile/core/CallError"
import type { CountTokens, CreateMessage, MessageHeaders } from "@omnifile/core/MessageOperation"
import * as MessageRequest from "@omnifile/core/MessageRequest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Result from "effect/Result"
import { anthropicErrors, requestIdHeader } from "../AnthropicErrors.ts"
import * as Endpoint from "../Endpoint.ts"
import * as JsonBody from "../JsonBody.ts"
import * as ProviderResponse from "../ProviderResponse.ts"

type Parse = (body: InMemory, headers: MessageHeaders) => Result.Result<CreateMessage | CountTokens, InvalidRequest>

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { authenticated } = yield* Endpoint.make
    const json = yield* JsonBody.make()

    const answering = (parse: Parse) =>
      authenticated(
        Effect.fnUntraced(function* ({ headers, id, request, run }) {
          const body = yield* json.bytes({ headers, request })
          const said = { version: headers["anthropic-version"] ?? null, beta: headers["anthropic-beta"] ?? null }
          const operation = yield* Effect.fromResult(parse(body, said))
          const answer = yield* run(operation)
          return HttpServerResponse.setHeader(ProviderResponse.passOn(answer.response), requestIdHeader, id)
        }),
        anthropicErrors
      )

    yield* router.add("POST", "/v1/messages", answering(MessageRequest.parseMessage))
    yield* router.add("POST", "/v1/messages/count_tokens", answering(MessageRequest.parseCount))
  })
)
