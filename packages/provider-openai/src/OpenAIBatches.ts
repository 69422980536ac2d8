/** OpenAI's Batch API: https://platform.openai.com/docs/api-reference/batch */
import { isObject, type JsonObject } from "@omnifile/core/Json"
import type { BatchProtocol, RemoteJob } from "@omnifile/core/Provider"
import { bodiless, withJson } from "@omnifile/core/ProviderCalls"
import type { Tokens } from "@omnifile/core/Usage"
import * as Result from "effect/Result"
import { metadataOf, millis, numberOf } from "./internal/wire.ts"

/** In these states nothing changes any more. */
const over: ReadonlySet<unknown> = new Set(["completed", "failed", "expired", "cancelled"])

const outputFields = ["output_file_id", "error_file_id"] as const

/** Newer answers say what the whole batch has used. */
const tokensOf = ({ usage }: JsonObject): Tokens | null => {
  if (!isObject(usage)) return null
  const input = numberOf(usage["input_tokens"])
  const output = numberOf(usage["output_tokens"])
  const details = usage["input_tokens_details"]
  const cachedInput = isObject(details) ? (numberOf(details["cached_tokens"]) ?? 0) : 0
  // Some say zero until all is over, and some for ever.
  return input === null || output === null || input + output === 0 ? null : { input, cachedInput, output }
}

const remoteJob = (body: unknown): RemoteJob | null => {
  if (!isObject(body) || typeof body["id"] !== "string" || typeof body["status"] !== "string") return null
  const input = body["input_file_id"]
  return {
    id: body["id"],
    object: body,
    ended: over.has(body["status"]),
    createdAt: millis(numberOf(body["created_at"])),
    inputs: typeof input === "string" ? [{ field: "input_file_id", remoteId: input }] : [],
    outputs: outputFields.flatMap((role) => {
      const remoteId = body[role]
      return typeof remoteId === "string" && remoteId !== "" ? [{ role, remoteId, purpose: "batch_output" }] : []
    }),
    metadata: metadataOf(body["metadata"]),
    tokens: tokensOf(body)
  }
}

const encoder = new TextEncoder()

const path = (id: string): string => `/batches/${encodeURIComponent(id)}`

export const batches: BatchProtocol = {
  create: (body) => withJson("batches.create", "/batches", encoder.encode(JSON.stringify(body))),
  retrieve: (id) => bodiless("batches.retrieve", "GET", path(id)),
  // Twice is as once: the second finds it cancelling.
  cancel: (id) => ({ ...bodiless("batches.cancel", "GET", `${path(id)}/cancel`), method: "POST" }),
  list: (cursor) =>
    bodiless(
      "batches.list",
      "GET",
      `/batches?limit=100${cursor === null ? "" : `&after=${encodeURIComponent(cursor)}`}`
    ),
  decode: (body) => {
    const job = remoteJob(body)
    return job === null ? Result.fail("no batch object") : Result.succeed(job)
  },
  decodePage: (body) => {
    if (!isObject(body) || !Array.isArray(body["data"])) return Result.fail("no list of batch objects")
    const jobs = body["data"].flatMap((entry) => remoteJob(entry) ?? [])
    return Result.succeed({ jobs, next: body["has_more"] === true ? (jobs.at(-1)?.id ?? null) : null })
  }
}
