/** `/v1/fine_tuning/jobs`: https://platform.openai.com/docs/api-reference/fine-tuning */
import * as FineTuningBody from "@omnifile/core/FineTuningBody"
import type { JsonObject } from "@omnifile/core/Json"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Endpoint from "../Endpoint.ts"
import * as IdempotencyKey from "../IdempotencyKey.ts"
import * as JsonBody from "../JsonBody.ts"
import { pathId } from "../PathId.ts"
import * as QueryParams from "../QueryParams.ts"

const jobs = "/v1/fine_tuning/jobs"

const limits = { min: 1, max: 100, default: 20 }

/** The pairs of `metadata[key]=value`, or null if there are none. */
const metadataOf = (params: URLSearchParams): ReadonlyArray<readonly [string, string]> | null => {
  const pairs = [...params].flatMap(([name, value]) => {
    const key = /^metadata\[(.+)\]$/s.exec(name)?.[1]
    return key === undefined ? [] : [[key, value] as const]
  })
  return pairs.length === 0 ? null : pairs
}

const page = ({ hasMore, objects }: { readonly hasMore: boolean; readonly objects: ReadonlyArray<JsonObject> }) =>
  HttpServerResponse.jsonUnsafe({ object: "list", data: objects, has_more: hasMore })

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { authenticated } = yield* Endpoint.make
    const json = yield* JsonBody.make()

    yield* router.add(
      "POST",
      jobs,
      authenticated(
        Effect.fnUntraced(function* ({ headers, request, run }) {
          const key = yield* IdempotencyKey.of(headers)
          const body = yield* json.object({ headers, request })
          const operation = yield* Effect.fromResult(FineTuningBody.parse(body, key))
          const answer = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(answer.object)
        })
      )
    )

    yield* router.add(
      "GET",
      jobs,
      authenticated(
        Effect.fnUntraced(function* ({ request, run }) {
          const params = QueryParams.parse(request.url)
          const operation = {
            _tag: "ListFineTuningJobs",
            limit: yield* QueryParams.integer(params, "limit", limits),
            after: yield* QueryParams.text(params, "after"),
            metadata: metadataOf(params)
          } as const
          return page(yield* run(operation))
        })
      )
    )

    yield* router.add(
      "GET",
      `${jobs}/:id`,
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const operation = { _tag: "RetrieveFineTuningJob", id: yield* pathId } as const
          const answer = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(answer.object)
        })
      )
    )

    const actions = [
      ["cancel", "CancelFineTuningJob"],
      ["pause", "PauseFineTuningJob"],
      ["resume", "ResumeFineTuningJob"]
    ] as const
    for (const [name, _tag] of actions) {
      yield* router.add(
        "POST",
        `${jobs}/:id/${name}`,
        authenticated(
          Effect.fnUntraced(function* ({ run }) {
            const answer = yield* run({ _tag, id: yield* pathId })
            return HttpServerResponse.jsonUnsafe(answer.object)
          })
        )
      )
    }

    const lists = [
      ["events", "ListFineTuningEvents"],
      ["checkpoints", "ListFineTuningCheckpoints"]
    ] as const
    for (const [name, _tag] of lists) {
      yield* router.add(
        "GET",
        `${jobs}/:id/${name}`,
        authenticated(
          Effect.fnUntraced(function* ({ request, run }) {
            const params = QueryParams.parse(request.url)
            yield* QueryParams.integer(params, "limit", limits)
            const query = params.toString()
            return page(yield* run({ _tag, id: yield* pathId, query }))
          })
        )
      )
    }
  })
)
