/** OpenAI's Fine-tuning API: https://platform.openai.com/docs/api-reference/fine-tuning */
import { isObject } from "@omnifile/core/Json"
import type { FineTuningProtocol, ProviderCall, RemoteJob } from "@omnifile/core/Provider"
import { bodiless, withJson } from "@omnifile/core/ProviderCalls"
import * as Result from "effect/Result"
import { metadataOf, millis, numberOf } from "./internal/wire.ts"

/** In these states nothing changes any more. A job in any other, or in none, goes on. */
const over: ReadonlySet<unknown> = new Set(["succeeded", "failed", "cancelled"])

const inputFields = ["training_file", "validation_file"] as const

const isId = (value: unknown): value is string => typeof value === "string" && value !== ""

const remoteJob = (body: unknown): RemoteJob | null => {
  if (!isObject(body) || !isId(body["id"])) return null
  const results = body["result_files"]
  const trained = numberOf(body["trained_tokens"])
  return {
    id: body["id"],
    object: body,
    ended: over.has(body["status"]),
    createdAt: millis(numberOf(body["created_at"])),
    inputs: inputFields.flatMap((field) => {
      const remoteId = body[field]
      return isId(remoteId) ? [{ field, remoteId }] : []
    }),
    outputs: (Array.isArray(results) ? results : []).flatMap((remoteId: unknown, index) =>
      isId(remoteId) ? [{ role: `result_files[${index}]`, remoteId, purpose: "fine-tune-results" as const }] : []
    ),
    metadata: metadataOf(body["metadata"]),
    tokens: trained === null ? null : { input: Math.trunc(trained), cachedInput: 0, output: 0 }
  }
}

const jobs = "/fine_tuning/jobs"

const pathOf = (id: string, tail = ""): string => `${jobs}/${encodeURIComponent(id)}${tail}`

const withQuery = (path: string, query: string): string => (query === "" ? path : `${path}?${query}`)

const get = (name: string, path: string): ProviderCall => bodiless(`fine_tuning.jobs.${name}`, "GET", path)

/** What changes a job is refused the second time, so it is not repeated blindly. */
const act = (action: "cancel" | "pause" | "resume", id: string): ProviderCall => ({
  ...get(action, pathOf(id, `/${action}`)),
  method: "POST",
  idempotent: false
})

const encoder = new TextEncoder()

export const fineTuning: FineTuningProtocol = {
  create: (body) => withJson("fine_tuning.jobs.create", jobs, encoder.encode(JSON.stringify(body))),
  retrieve: (id) => get("retrieve", pathOf(id)),
  cancel: (id) => act("cancel", id),
  pause: (id) => act("pause", id),
  resume: (id) => act("resume", id),
  events: (id, query) => get("events", withQuery(pathOf(id, "/events"), query)),
  checkpoints: (id, query) => get("checkpoints", withQuery(pathOf(id, "/checkpoints"), query)),
  list: (cursor) =>
    get("list", withQuery(jobs, `limit=100${cursor === null ? "" : `&after=${encodeURIComponent(cursor)}`}`)),
  decode: (body) => {
    const job = remoteJob(body)
    return job === null ? Result.fail("no fine-tuning job") : Result.succeed(job)
  },
  decodePage: (body) => {
    if (!isObject(body) || !Array.isArray(body["data"])) return Result.fail("no list of fine-tuning jobs")
    const found = body["data"].flatMap((entry) => remoteJob(entry) ?? [])
    return Result.succeed({ jobs: found, next: body["has_more"] === true ? (found.at(-1)?.id ?? null) : null })
  }
}
