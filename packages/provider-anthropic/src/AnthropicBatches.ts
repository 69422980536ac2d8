/** Message Batches as OpenAI's batches. Requests come in the call itself, and counts stay zero until all is over. */
import type { ForeignBatches, ForeignJob, ForeignResult } from "@omnifile/core/ForeignBatches"
import { isObject, type JsonObject } from "@omnifile/core/Json"
import type { ProviderCall } from "@omnifile/core/Provider"
import { bodiless, withJson } from "@omnifile/core/ProviderCalls"
import { millis, seconds } from "@omnifile/core/Rfc3339"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ownVersion } from "./AnthropicFiles.ts"

/** What the requests of a batch may need. */
const headers = {
  "anthropic-version": ownVersion,
  "anthropic-beta": "files-api-2025-04-14,structured-outputs-2025-11-13"
} as const

const Time = Schema.optionalKey(Schema.NullOr(Schema.String))

const Batch = Schema.Struct({
  id: Schema.NonEmptyString,
  processing_status: Schema.String,
  request_counts: Schema.Struct({
    processing: Schema.Int,
    succeeded: Schema.Int,
    errored: Schema.Int,
    canceled: Schema.Int,
    expired: Schema.Int
  }),
  created_at: Time,
  expires_at: Time,
  ended_at: Time,
  cancel_initiated_at: Time
})

const Page = Schema.Struct({
  data: Schema.Array(Batch),
  has_more: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  last_id: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const decodeBatch = Schema.decodeUnknownResult(Batch)
const decodeBatches = Schema.decodeUnknownResult(Page)

/** How a batch is, or how it ended, in OpenAI's words. */
const statusOf = (batch: typeof Batch.Type): string => {
  const { canceled, expired } = batch.request_counts
  if (batch.processing_status === "canceling") return "cancelling"
  if (batch.processing_status !== "ended") return "in_progress"
  if (canceled > 0) return "cancelled"
  return expired > 0 ? "expired" : "completed"
}

const jobOf = (batch: typeof Batch.Type): ForeignJob => {
  const { canceled, errored, expired, processing, succeeded } = batch.request_counts
  const status = statusOf(batch)
  const ended = batch.processing_status === "ended"
  const requests = processing + succeeded + errored + canceled + expired
  return {
    id: batch.id,
    ended,
    createdAt: millis(batch.created_at),
    inputs: [],
    outputs: [],
    metadata: {},
    tokens: null,
    requests,
    results: ended ? [`/v1/messages/batches/${encodeURIComponent(batch.id)}/results`] : [],
    object: {
      status,
      in_progress_at: seconds(batch.created_at),
      expires_at: seconds(batch.expires_at),
      ...(ended ? { finalizing_at: seconds(batch.ended_at), [`${status}_at`]: seconds(batch.ended_at) } : {}),
      ...(batch.cancel_initiated_at === null || batch.cancel_initiated_at === undefined
        ? {}
        : { cancelling_at: seconds(batch.cancel_initiated_at) }),
      request_counts: { total: requests, completed: succeeded, failed: errored + canceled + expired }
    }
  }
}

const call = (name: string, method: "GET" | "POST", path: string): ProviderCall => bodiless(name, method, path, headers)

const pathOf = (id: string): string => `/v1/messages/batches/${encodeURIComponent(id)}`

/** Statuses by the kind of an error. */
const errorStatuses: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  overloaded_error: 529
}

const failure = (key: string, status: number, code: string, message: string): ForeignResult => ({
  key,
  status,
  answer: null,
  error: { code, message }
})

const resultOf = (key: string, result: JsonObject): ForeignResult => {
  switch (result["type"]) {
    case "succeeded":
      return isObject(result["message"])
        ? { key, status: 200, answer: result["message"], error: null }
        : failure(key, 0, "no_result", "The provider gave no result for this request.")
    case "expired":
      return failure(key, 0, "batch_expired", "This request could not be executed before the batch expired.")
    case "canceled":
      return failure(key, 0, "batch_cancelled", "This request was not executed: the batch was cancelled.")
    default: {
      const outer = isObject(result["error"]) ? result["error"] : {}
      const error = isObject(outer["error"]) ? outer["error"] : outer
      const type = typeof error["type"] === "string" ? error["type"] : "api_error"
      const message = typeof error["message"] === "string" ? error["message"] : "The provider refused this request."
      return failure(key, errorStatuses[type] ?? 500, type, message)
    }
  }
}

export const batches: ForeignBatches = {
  endpoints: ["/v1/chat/completions", "/v1/responses"],
  maxRequests: 100_000,
  maxBytes: 256 * 1024 * 1024,
  inputFile: null,
  marked: false,
  frame: {
    open: '{"requests":[',
    adapt: null,
    line: (key, body) => `{"custom_id":${JSON.stringify(key)},"params":${body}}`,
    separator: ",",
    close: "]}"
  },
  create: (input) =>
    withJson("batches.create", "/v1/messages/batches", input._tag === "Inline" ? input.body : null, headers),
  retrieve: (id) => call("batches.retrieve", "GET", pathOf(id)),
  cancel: (id) => call("batches.cancel", "POST", `${pathOf(id)}/cancel`),
  list: (cursor) =>
    call(
      "batches.list",
      "GET",
      `/v1/messages/batches?limit=100${cursor === null ? "" : `&after_id=${encodeURIComponent(cursor)}`}`
    ),
  decode: (body) =>
    decodeBatch(body).pipe(
      Result.map(jobOf),
      Result.mapError(() => "no message batch")
    ),
  decodePage: (body) =>
    decodeBatches(body).pipe(
      Result.map(({ data, has_more, last_id }) => ({
        jobs: data.map(jobOf),
        next: has_more === true ? (last_id ?? data.at(-1)?.id ?? null) : null
      })),
      Result.mapError(() => "no page of message batches")
    ),
  results: {
    _tag: "Lines",
    calls: ({ results }) => results.map((path) => call("batches.results", "GET", path))
  },
  result: ({ custom_id: key, result }) =>
    typeof key === "string" && isObject(result)
      ? Result.succeed(resultOf(key, result))
      : Result.fail("no result of a message batch")
}
