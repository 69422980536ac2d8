/**
 * Vertex AI's batch predictions as OpenAI's batches:
 * https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini. A file of requests and a file of
 * responses, both in the account's bucket. A response tells by a label of its request which line it is of.
 */
import type { Bucket } from "@omnifile/core/Account"
import { type ForeignBatches, type ForeignJob, type ForeignResult, markKey } from "@omnifile/core/ForeignBatches"
import { isObject } from "@omnifile/core/Json"
import * as ObjectName from "@omnifile/core/ObjectName"
import { bodiless, withJson } from "@omnifile/core/ProviderCalls"
import { millis, seconds } from "@omnifile/core/Rfc3339"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const Text = Schema.optionalKey(Schema.String)
// 64-bit numbers are strings in this API, and what is zero is left out.
const Count = Schema.optionalKey(Schema.Union([Schema.String, Schema.Finite]))

const Job = Schema.Struct({
  name: Schema.String.check(Schema.isPattern(/\/batchPredictionJobs\/[A-Za-z0-9_-]+$/)),
  displayName: Text,
  state: Text,
  createTime: Text,
  startTime: Text,
  endTime: Text,
  updateTime: Text,
  inputConfig: Schema.optionalKey(
    Schema.Struct({ gcsSource: Schema.optionalKey(Schema.Struct({ uris: Schema.Array(Schema.String) })) })
  ),
  outputInfo: Schema.optionalKey(Schema.Struct({ gcsOutputDirectory: Text })),
  completionStats: Schema.optionalKey(
    Schema.Struct({ successfulCount: Count, failedCount: Count, incompleteCount: Count })
  ),
  error: Schema.optionalKey(Schema.Struct({ message: Text }))
})

// What is empty is left out.
const Page = Schema.Struct({ batchPredictionJobs: Schema.optionalKey(Schema.Array(Job)), nextPageToken: Text })

const decodeJob = Schema.decodeUnknownResult(Job)
const decodeJobs = Schema.decodeUnknownResult(Page)

const statuses: Readonly<Record<string, string>> = {
  JOB_STATE_QUEUED: "validating",
  JOB_STATE_PENDING: "validating",
  JOB_STATE_SUCCEEDED: "completed",
  JOB_STATE_PARTIALLY_SUCCEEDED: "completed",
  JOB_STATE_FAILED: "failed",
  JOB_STATE_CANCELLING: "cancelling",
  JOB_STATE_CANCELLED: "cancelled",
  JOB_STATE_EXPIRED: "expired"
}

const over = new Set(["completed", "failed", "cancelled", "expired"])

const jobs = "/batchPredictionJobs"

const pathOf = (id: string): string => `${jobs}/${encodeURIComponent(id)}`

const encoder = new TextEncoder()

/** Labels have lower-case letters, digits, underscores and hyphens, as the keys of lines do. */
const label = "omnifile_line"

/** The JSON of a request with the label of its line. */
const labelled = (key: string, request: string): string => {
  const fields = request.slice(1)
  return `{"labels":${JSON.stringify({ [label]: key })}${fields === "}" ? "" : ","}${fields}`
}

/** What was not answered has words in the place of the usual empty status, such as `Bad Request: {...}`. */
const resultOf = (key: string, status: unknown, response: unknown): ForeignResult => {
  if ((status === undefined || status === "") && isObject(response)) {
    return { key, status: 200, answer: response, error: null }
  }
  const message = typeof status === "string" && status !== "" ? status : "Vertex AI gave no answer to this request."
  return { key, status: 400, answer: null, error: { code: "provider_error", message } }
}

/** Of Google's models, whose requests and responses lie in the bucket. */
export const make = ({ name: bucket, prefix }: Bucket): ForeignBatches => {
  const root = `gs://${bucket}/`
  const nameIn = (uri: string | undefined): string | undefined =>
    uri?.startsWith(root) === true ? uri.slice(root.length) : undefined

  const jobOf = (job: typeof Job.Type): ForeignJob => {
    const { completionStats: stats, createTime, displayName, endTime, error, inputConfig, outputInfo } = job
    const status = statuses[job.state ?? ""] ?? "in_progress"
    const ended = over.has(status)
    const input = nameIn(inputConfig?.gcsSource?.uris[0])
    const output = nameIn(outputInfo?.gcsOutputDirectory)
    const done = Number(stats?.successfulCount ?? 0)
    const failed = Number(stats?.failedCount ?? 0)
    const problem = { code: "provider_error", message: error?.message ?? "Vertex AI could not run the batch." }
    return {
      id: job.name.slice(job.name.lastIndexOf("/") + 1),
      ended,
      createdAt: millis(createTime),
      inputs: input === undefined ? [] : [{ field: "input_file_id", remoteId: input }],
      outputs: [],
      metadata: displayName === undefined ? {} : { [markKey]: displayName },
      tokens: null,
      requests: null,
      results: output === undefined ? [] : [`${output.replace(/\/$/, "")}/predictions.jsonl`],
      object: {
        status,
        ...(status === "in_progress" ? { in_progress_at: seconds(job.startTime ?? createTime) } : {}),
        ...(ended ? { [`${status}_at`]: seconds(endTime ?? job.updateTime) } : {}),
        ...(status === "failed" ? { errors: { object: "list", data: [{ ...problem, line: null, param: null }] } } : {}),
        request_counts: { completed: done, failed }
      }
    }
  }

  return {
    endpoints: ["/v1/chat/completions", "/v1/responses"],
    maxRequests: 200_000,
    maxBytes: 1_000_000_000,
    inputFile: { filename: "batch.jsonl", contentType: "application/jsonl", purpose: "batch" },
    marked: true,
    frame: {
      open: "",
      adapt: null,
      line: (key, request) => `{"request":${labelled(key, request)}}`,
      separator: "\n",
      close: "\n"
    },
    create: (input, { key, model }) => {
      const job = {
        displayName: key,
        model: `publishers/google/models/${model}`,
        inputConfig: {
          instancesFormat: "jsonl",
          gcsSource: { uris: [input._tag === "File" ? root + input.id : root] }
        },
        outputConfig: {
          predictionsFormat: "jsonl",
          gcsDestination: { outputUriPrefix: `${root}${prefix}batches/${key}` }
        }
      }
      return withJson("batches.create", jobs, encoder.encode(JSON.stringify(job)))
    },
    retrieve: (id) => bodiless("batches.retrieve", "GET", pathOf(id)),
    cancel: (id) => bodiless("batches.cancel", "POST", `${pathOf(id)}:cancel`),
    list: (cursor) => {
      const after = cursor === null ? "" : `&pageToken=${encodeURIComponent(cursor)}`
      return bodiless("batches.list", "GET", `${jobs}?pageSize=100${after}`)
    },
    decode: (body) =>
      decodeJob(body).pipe(
        Result.map(jobOf),
        Result.mapError(() => "no batch")
      ),
    decodePage: (body) =>
      decodeJobs(body).pipe(
        Result.map(({ batchPredictionJobs = [], nextPageToken }) => ({
          jobs: batchPredictionJobs.map(jobOf),
          next: nextPageToken ?? null
        })),
        Result.mapError(() => "no page of batches")
      ),
    results: {
      _tag: "Lines",
      areFiles: true,
      calls: ({ results }) =>
        results.map((file) => ({
          ...bodiless("batches.results", "GET", `/storage/v1/b/${bucket}/o/${ObjectName.inQuery(file)}?alt=media`),
          place: "bucket" as const
        }))
    },
    result: ({ request, response, status }) => {
      const labels = isObject(request) ? request["labels"] : undefined
      const key = isObject(labels) ? labels[label] : undefined
      return typeof key === "string"
        ? Result.succeed(resultOf(key, status, response))
        : Result.fail("no result of a batch")
    }
  }
}
