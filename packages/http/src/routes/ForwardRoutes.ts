/** Calls of OpenAI's API that go to a deployment as they are: embeddings, moderations, images, audio and the like. */
import * as ForwardRequest from "@omnifile/core/ForwardRequest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Endpoint from "../Endpoint.ts"
import * as ProviderResponse from "../ProviderResponse.ts"
import * as QueryParams from "../QueryParams.ts"
import { RequestBodies } from "../RequestBodies.ts"
import { ServerSettings } from "../ServerSettings.ts"

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const bodies = yield* RequestBodies
    const { forwardPaths, maxBodySize } = yield* ServerSettings
    const { authenticated } = yield* Endpoint.make

    for (const forwarded of ForwardRequest.pathsWith(forwardPaths)) {
      yield* router.add(
        "POST",
        `/v1${forwarded.path}`,
        authenticated(
          Effect.fnUntraced(function* ({ headers, request, run }) {
            const body = yield* bodies.bytes(request, maxBodySize)
            const query = QueryParams.textOf(request.url)
            const contentType = headers["content-type"]
            const operation = yield* Effect.fromResult(ForwardRequest.parse(forwarded, { body, contentType, query }))
            const answer = yield* run(operation)
            return ProviderResponse.passOn(answer.response)
          })
        )
      )
    }
  })
)
