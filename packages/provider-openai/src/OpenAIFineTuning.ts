/** Fine-tuning jobs on OpenAI's wire: https://platform.openai.com/docs/api-reference/fine-tuning */
import { isObject, type Json, type JsonObject } from "@omnifile/core/Json"
import type { Decoded, FineTuningProtocol, ProviderCall, RemoteJob } from "@omnifile/core/Provider"
import { Tokens } from "@omnifile/core/Usage"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const Job = Schema.Struct({
  id: Schema.NonEmptyString,
  status: Schema.optionalKey(Schema.NullOr(Schema.String)),
  created_at: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  training_file: Schema.optionalKey(Schema.NullOr(Schema.String)),
  validation_file: Schema.optionalKey(Schema.NullOr(Schema.String)),
  // Left out by some vendors until there are any.
  result_files: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
  trained_tokens: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  metadata: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)))
})

const Page = Schema.Struct({
  data: Schema.Array(Schema.Unknown),
  has_more: Schema.optionalKey(Schema.NullOr(Schema.Boolean))
})

const decodeJob = Schema.decodeUnknownResult(Job)
const decodePage = Schema.decodeUnknownResult(Page)

const statusesThatEnd: ReadonlySet<string> = new Set(["succeeded", "failed", "cancelled"])

const inputFields = ["training_file", "validation_file"] as const

const remoteJob = (object: JsonObject, job: typeof Job.Type): RemoteJob => ({
  id: job.id,
  object,
  ended: statusesThatEnd.has(job.status ?? ""),
  createdAt: typeof job.created_at === "number" ? job.created_at * 1000 : null,
  inputs: inputFields.flatMap((field) => {
    const remoteId = job[field]
    return typeof remoteId === "string" && remoteId !== "" ? [{ field, remoteId }] : []
  }),
  outputs: (job.result_files ?? []).map((remoteId, index) => ({
    role: `result_files[${index}]`,
    remoteId,
    purpose: "fine-tune-results"
  })),
  metadata: Object.fromEntries(
    Object.entries(job.metadata ?? {}).filter((pair): pair is [string, string] => typeof pair[1] === "string")
  ),
  tokens:
    typeof job.trained_tokens === "number"
      ? new Tokens({ input: Math.trunc(job.trained_tokens), cachedInput: 0, output: 0 })
      : null
})

const decode = (body: unknown): Decoded<RemoteJob> =>
  decodeJob(body).pipe(
    Result.flatMap((job) => (isObject(body) ? Result.succeed(remoteJob(body, job)) : Result.fail("no object"))),
    Result.mapError(() => "no fine-tuning job")
  )

const jobs = "/fine_tuning/jobs"

const pathOf = (id: string): string => `${jobs}/${encodeURIComponent(id)}`

const get = (operation: string, path: string, query = ""): ProviderCall => ({
  name: `fine_tuning.jobs.${operation}`,
  method: "GET",
  path: query === "" ? path : `${path}?${query}`,
  headers: {},
  body: null,
  idempotent: true
})

/** What changes a job is refused the second time, so it is not repeated blindly. */
const act = (action: "cancel" | "pause" | "resume", id: string): ProviderCall => ({
  name: `fine_tuning.jobs.${action}`,
  method: "POST",
  path: `${pathOf(id)}/${action}`,
  headers: {},
  body: null,
  idempotent: false
})

const encoder = new TextEncoder()
const encode = (body: Json): Uint8Array => encoder.encode(JSON.stringify(body))

export const fineTuning: FineTuningProtocol = {
  create: (body) => ({
    name: "fine_tuning.jobs.create",
    method: "POST",
    path: jobs,
    headers: { "content-type": "application/json" },
    body: encode(body),
    idempotent: false
  }),
  retrieve: (id) => get("retrieve", pathOf(id)),
  cancel: (id) => act("cancel", id),
  pause: (id) => act("pause", id),
  resume: (id) => act("resume", id),
  events: (id, query) => get("events", `${pathOf(id)}/events`, query),
  checkpoints: (id, query) => get("checkpoints", `${pathOf(id)}/checkpoints`, query),
  list: (cursor) => get("list", jobs, `limit=100${cursor === null ? "" : `&after=${encodeURIComponent(cursor)}`}`),
  decode,
  decodePage: (body) =>
    Result.gen(function* () {
      const page = yield* decodePage(body)
      const found: Array<RemoteJob> = []
      for (const item of page.data) found.push(yield* decode(item))
      return { jobs: found, next: page.has_more === true ? (found.at(-1)?.id ?? null) : null }
    }).pipe(Result.mapError(() => "no list of fine-tuning jobs"))
}
