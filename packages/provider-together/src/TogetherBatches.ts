/**
 * Together's Batch API: https://docs.together.ai/reference/create-batch. It reads OpenAI's lines and writes OpenAI's
 * results; the job has other words, keeps no metadata, and lists are all there is.
 */
import { isObject, type Json, type JsonObject } from "@omnifile/core/Json"
import type { BatchProtocol, RemoteJob } from "@omnifile/core/Provider"
import { bodiless, withJson } from "@omnifile/core/ProviderCalls"
import { seconds } from "@omnifile/core/Rfc3339"
import * as Result from "effect/Result"

const statuses: Readonly<Record<string, string>> = {
  VALIDATING: "validating",
  IN_PROGRESS: "in_progress",
  COMPLETED: "completed",
  FAILED: "failed",
  EXPIRED: "expired",
  CANCELLING: "cancelling",
  CANCELLED: "cancelled"
}

/** In these states nothing changes any more. */
const over: ReadonlySet<string> = new Set(["completed", "failed", "expired", "cancelled"])

const textOf = (value: Json | undefined): string | null => (typeof value === "string" && value !== "" ? value : null)

const errorsOf = (message: string | null): Json =>
  message === null ? null : { object: "list", data: [{ code: "batch_failed", message, line: null, param: null }] }

/** OpenAI's object of a job, and what of it names files. */
const remoteJob = (job: unknown): RemoteJob | null => {
  if (!isObject(job)) return null
  const { completed_at, created_at, endpoint, error, job_deadline, model_id } = job
  const id = textOf(job["id"])
  const status = statuses[String(job["status"]).toUpperCase()]
  if (id === null || status === undefined) return null
  const input = textOf(job["input_file_id"])
  const made = (["output_file_id", "error_file_id"] as const).flatMap((role) => {
    const remoteId = textOf(job[role])
    return remoteId === null ? [] : [{ role, remoteId, purpose: "batch_output" as const }]
  })
  const created = seconds(created_at)
  const at = (name: string): number | null => (status === name ? (seconds(completed_at) ?? created) : null)
  return {
    id,
    object: {
      id,
      object: "batch",
      endpoint: endpoint ?? null,
      ...(typeof model_id === "string" ? { model: model_id } : {}),
      errors: errorsOf(textOf(error)),
      input_file_id: input,
      completion_window: "24h",
      status,
      output_file_id: textOf(job["output_file_id"]),
      error_file_id: textOf(job["error_file_id"]),
      created_at: created,
      in_progress_at: status === "validating" ? null : created,
      expires_at: seconds(job_deadline),
      completed_at: at("completed"),
      failed_at: at("failed"),
      expired_at: at("expired"),
      cancelled_at: at("cancelled")
    },
    ended: over.has(status),
    createdAt: created === null ? null : created * 1000,
    inputs: input === null ? [] : [{ field: "input_file_id", remoteId: input }],
    outputs: made,
    metadata: {},
    tokens: null
  }
}

const encoder = new TextEncoder()

const path = (id: string): string => `/batches/${encodeURIComponent(id)}`

/** What the API takes of a request; the rest is kept here. */
const accepted = ({ completion_window, endpoint, input_file_id }: JsonObject): JsonObject => ({
  input_file_id: input_file_id ?? null,
  endpoint: endpoint ?? null,
  completion_window: completion_window ?? "24h"
})

export const batches: BatchProtocol = {
  create: (body) => withJson("batches.create", "/batches", encoder.encode(JSON.stringify(accepted(body)))),
  retrieve: (id) => bodiless("batches.retrieve", "GET", path(id)),
  cancel: (id) => bodiless("batches.cancel", "POST", `${path(id)}/cancel`),
  list: () => bodiless("batches.list", "GET", "/batches"),
  decode: (body) => {
    // The answer to a creation has a warning beside the job.
    const job = remoteJob(isObject(body) && isObject(body["job"]) ? body["job"] : body)
    return job === null ? Result.fail("no batch object") : Result.succeed(job)
  },
  decodePage: (body) => {
    // A bare array; elsewhere lists are objects.
    const jobs = isObject(body) ? body["data"] : body
    return Array.isArray(jobs)
      ? Result.succeed({ jobs: jobs.flatMap((job: unknown) => remoteJob(job) ?? []), next: null })
      : Result.fail("no list of batch objects")
  }
}
