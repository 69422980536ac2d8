/** `/v1/usage`: what the caller's calls and jobs have used, summed. Ours; OpenAI has none for ordinary keys. */
import { invalid, type InvalidRequest } from "@omnifile/core/CallError"
import { type UsageGroup, usageGroups } from "@omnifile/core/UsageOperation"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Endpoint from "../Endpoint.ts"
import * as QueryParams from "../QueryParams.ts"

const day = 24 * 60 * 60

/** The longest span that is summed in one call, and the one without a start; in seconds. */
const longestSpan = 366 * day
const defaultSpan = 30 * day

const groupField = /^group_by(?:\[\d*\])?$/

const isGroup = (name: string): name is UsageGroup => (usageGroups as ReadonlyArray<string>).includes(name)

/** A comma list, a repeated field, or both. */
const parseGroups = (params: URLSearchParams): Effect.Effect<ReadonlyArray<UsageGroup>, InvalidRequest> => {
  const names = [...params].flatMap(([name, value]) => (groupField.test(name) ? value.split(",") : []))
  const wrong = names.find((name) => !isGroup(name))
  return wrong === undefined
    ? Effect.succeed([...new Set(names.filter(isGroup))])
    : Effect.fail(invalid(`\`group_by\` must be one or more of ${usageGroups.join(", ")}.`, "group_by"))
}

/** Seconds, as in OpenAI's own usage API. */
const parseSpan = Effect.fnUntraced(function* (params: URLSearchParams) {
  const now = Math.ceil((yield* Clock.currentTimeMillis) / 1000)
  const bounds = { min: 0, max: 100_000_000_000 }
  const end = yield* QueryParams.integer(params, "end_time", { ...bounds, default: now + 1 })
  const start = yield* QueryParams.integer(params, "start_time", { ...bounds, default: end - defaultSpan })
  if (start >= end) return yield* invalid("`start_time` must be before `end_time`.", "start_time")
  if (end - start > longestSpan) return yield* invalid("The span must not be longer than 366 days.", "start_time")
  return { from: start * 1000, to: end * 1000 }
})

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { authenticated } = yield* Endpoint.make

    yield* router.add(
      "GET",
      "/v1/usage",
      authenticated(
        Effect.fnUntraced(function* ({ request, run }) {
          const params = QueryParams.parse(request.url)
          const { hasMore, objects } = yield* run({
            _tag: "ReadUsage",
            ...(yield* parseSpan(params)),
            groupBy: yield* parseGroups(params),
            limit: yield* QueryParams.integer(params, "limit", { min: 1, max: 1_000, default: 100 }),
            after: yield* QueryParams.text(params, "after")
          })
          return HttpServerResponse.jsonUnsafe({
            object: "list",
            data: objects,
            first_id: objects[0]?.["id"] ?? null,
            last_id: objects.at(-1)?.["id"] ?? null,
            has_more: hasMore
          })
        })
      )
    )
  })
)
