/** Mistral's batch jobs as OpenAI's batches: lines without a URL or a model, which the job says once for all. */
import type { ForeignBatches, ForeignJob, ForeignResult } from "@omnifile/core/ForeignBatches"
import { isObject } from "@omnifile/core/Json"
import { bodiless, withJson } from "@omnifile/core/ProviderCalls"
import { millis, seconds } from "@omnifile/core/Rfc3339"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as MistralChat from "./MistralChat.ts"

// Numbers, says the vendor; servers that speak its wire may write texts, and files as objects.
const OptionalTime = Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.Finite, Schema.String])))
const OptionalFile = Schema.optionalKey(
  Schema.NullOr(Schema.Union([Schema.String, Schema.Struct({ id: Schema.NonEmptyString })]))
)
const OptionalNumber = Schema.optionalKey(Schema.NullOr(Schema.Finite))

const Job = Schema.Struct({
  id: Schema.NonEmptyString,
  input_files: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
  metadata: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))),
  output_file: OptionalFile,
  error_file: OptionalFile,
  errors: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Struct({ message: Schema.String })))),
  status: Schema.String,
  created_at: OptionalTime,
  started_at: OptionalTime,
  completed_at: OptionalTime,
  total_requests: OptionalNumber,
  succeeded_requests: OptionalNumber,
  failed_requests: OptionalNumber
})

const Page = Schema.Struct({ data: Schema.optionalKey(Schema.Array(Job)) })

const decodeJob = Schema.decodeUnknownResult(Job)
const decodeJobs = Schema.decodeUnknownResult(Page)

const statuses: Readonly<Record<string, string>> = {
  QUEUED: "validating",
  RUNNING: "in_progress",
  SUCCESS: "completed",
  FAILED: "failed",
  TIMEOUT_EXCEEDED: "expired",
  CANCELLATION_REQUESTED: "cancelling",
  CANCELLED: "cancelled"
}

const over = new Set(["completed", "failed", "cancelled", "expired"])

const textsOf = (metadata: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(metadata).flatMap(([name, text]) => (typeof text === "string" ? [[name, text]] : []))
  )

const jobOf = (job: typeof Job.Type): ForeignJob => {
  const { completed_at, created_at, errors, failed_requests, input_files, started_at, total_requests } = job
  const status = statuses[job.status.toUpperCase()] ?? "in_progress"
  const ended = over.has(status)
  const started = seconds(started_at)
  const problems = (errors ?? []).map(({ message }) => ({ code: "provider_error", message, line: null, param: null }))
  return {
    id: job.id,
    ended,
    createdAt: millis(created_at),
    inputs: (input_files ?? []).map((remoteId) => ({ field: "input_file_id", remoteId })),
    outputs: [],
    metadata: textsOf(job.metadata ?? {}),
    tokens: null,
    requests: total_requests === 0 ? null : (total_requests ?? null),
    results: [job.output_file, job.error_file].flatMap((file) => (typeof file === "object" ? file?.id : file) ?? []),
    object: {
      status,
      ...(started === null ? {} : { in_progress_at: started }),
      ...(ended ? { [`${status}_at`]: seconds(completed_at) } : {}),
      ...(status === "failed" && problems.length > 0 ? { errors: { object: "list", data: problems } } : {}),
      request_counts: { completed: job.succeeded_requests ?? 0, failed: failed_requests ?? 0 }
    }
  }
}

const pathOf = (id: string): string => `/batch/jobs/${encodeURIComponent(id)}`

/** Jobs of a page. Pages are numbered, and there is no other way to the next one. */
const pageSize = 100

const encoder = new TextEncoder()

const failure = (key: string, status: number, error: unknown): ForeignResult => {
  const { code, message: said } = isObject(error) ? error : { code: null, message: error }
  // What a validator says is an object.
  const message = isObject(said) ? JSON.stringify(said) : said
  return {
    key,
    status: status >= 400 ? status : 500,
    answer: null,
    error: {
      code: typeof code === "string" ? code : "provider_error",
      message: typeof message === "string" ? message : "The provider gave no answer to this request."
    }
  }
}

export const batches: ForeignBatches = {
  endpoints: ["/v1/chat/completions", "/v1/embeddings", "/v1/moderations"],
  maxRequests: 1_000_000,
  maxBytes: 512 * 1024 * 1024,
  inputFile: { filename: "batch.jsonl", contentType: "application/jsonl", purpose: "batch" },
  marked: true,
  frame: {
    open: "",
    adapt: ({ model: _, ...body }, endpoint) =>
      endpoint === "/v1/chat/completions" ? MistralChat.translate(body) : body,
    line: (key, body) => `{"custom_id":${JSON.stringify(key)},"body":${body}}`,
    separator: "\n",
    close: "\n"
  },
  create: (input, { endpoint, metadata, model }) => {
    const body = { input_files: input._tag === "File" ? [input.id] : [], endpoint, model, metadata, timeout_hours: 24 }
    return withJson("batches.create", "/batch/jobs", encoder.encode(JSON.stringify(body)))
  },
  retrieve: (id) => bodiless("batches.retrieve", "GET", pathOf(id)),
  cancel: (id) => bodiless("batches.cancel", "POST", `${pathOf(id)}/cancel`),
  list: (cursor) =>
    bodiless("batches.list", "GET", `/batch/jobs?page=${cursor ?? "0"}&page_size=${pageSize}&order_by=-created`),
  decode: (body) =>
    decodeJob(body).pipe(
      Result.map(jobOf),
      Result.mapError(() => "no batch job")
    ),
  decodePage: (body, cursor = null) =>
    decodeJobs(body).pipe(
      // Pages are numbered from 0, and the last is one that is not full.
      Result.map(({ data = [] }) => ({
        jobs: data.map(jobOf),
        next: data.length < pageSize ? null : String(Number(cursor ?? "0") + 1)
      })),
      Result.mapError(() => "no page of batch jobs")
    ),
  results: {
    _tag: "Lines",
    areFiles: true,
    calls: ({ results }) =>
      results.map((file) => bodiless("batches.results", "GET", `/files/${encodeURIComponent(file)}/content`))
  },
  result: ({ custom_id: key, error, response }) => {
    if (typeof key !== "string") return Result.fail("no result of a batch job")
    const { body, status_code: status } = isObject(response) ? response : {}
    const code = typeof status === "number" ? status : 200
    return Result.succeed(
      isObject(body) && code < 400 && (error === null || error === undefined)
        ? { key, status: code, answer: body, error: null }
        : failure(key, code, error ?? body)
    )
  }
}
