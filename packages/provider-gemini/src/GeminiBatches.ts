/** Gemini's batches as OpenAI's: a file of requests, one model a batch, and a file of responses at its end. */
import { type ForeignBatches, type ForeignJob, type ForeignResult, markKey } from "@omnifile/core/ForeignBatches"
import { isObject } from "@omnifile/core/Json"
import { bodiless, withJson } from "@omnifile/core/ProviderCalls"
import { millis, seconds } from "@omnifile/core/Rfc3339"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

// 64-bit numbers are strings in this API, and what is zero is left out.
const Count = Schema.optionalKey(Schema.Union([Schema.String, Schema.Finite]))
const Text = Schema.optionalKey(Schema.String)

const Operation = Schema.Struct({
  name: Schema.String.check(Schema.isPattern(/^batches\/[^./][^/]*$/)),
  metadata: Schema.Struct({
    state: Text,
    displayName: Text,
    createTime: Text,
    endTime: Text,
    updateTime: Text,
    inputConfig: Schema.optionalKey(Schema.Struct({ fileName: Text })),
    output: Schema.optionalKey(Schema.Struct({ responsesFile: Text })),
    batchStats: Schema.optionalKey(
      Schema.Struct({
        requestCount: Count,
        successfulRequestCount: Count,
        failedRequestCount: Count
      })
    )
  }),
  error: Schema.optionalKey(Schema.Struct({ message: Text })),
  response: Schema.optionalKey(Schema.Struct({ responsesFile: Text }))
})

const Page = Schema.Struct({
  operations: Schema.optionalKey(Schema.Array(Operation)),
  nextPageToken: Text
})

const decodeOperation = Schema.decodeUnknownResult(Operation)
const decodeOperations = Schema.decodeUnknownResult(Page)

/** The states under either of their names, in OpenAI's words. */
const statuses: Readonly<Record<string, string>> = {
  PENDING: "validating",
  QUEUED: "validating",
  RUNNING: "in_progress",
  SUCCEEDED: "completed",
  PARTIALLY_SUCCEEDED: "completed",
  FAILED: "failed",
  CANCELLING: "cancelling",
  CANCELLED: "cancelled",
  EXPIRED: "expired"
}

const over = new Set(["completed", "failed", "cancelled", "expired"])

const jobOf = ({ error, metadata, name, response }: typeof Operation.Type): ForeignJob => {
  const { batchStats, createTime, displayName, endTime, inputConfig, output, updateTime } = metadata
  const status = statuses[(metadata.state ?? "").replace(/^(?:BATCH|JOB)_STATE_/, "")] ?? "in_progress"
  const ended = over.has(status)
  const requests = batchStats?.requestCount === undefined ? null : Number(batchStats.requestCount)
  const file = output?.responsesFile ?? response?.responsesFile
  const at = seconds(endTime ?? updateTime)
  const problem = { code: "provider_error", message: error?.message ?? "The provider could not run the batch." }
  return {
    id: name,
    ended,
    createdAt: millis(createTime),
    inputs: inputConfig?.fileName === undefined ? [] : [{ field: "input_file_id", remoteId: inputConfig.fileName }],
    outputs: [],
    metadata: displayName === undefined ? {} : { [markKey]: displayName },
    tokens: null,
    // As long as it has not read its input, it knows of none.
    requests: requests === 0 ? null : requests,
    results: file === undefined ? [] : [file],
    object: {
      status,
      ...(status === "in_progress" ? { in_progress_at: seconds(createTime) } : {}),
      ...(ended ? { [`${status}_at`]: at } : {}),
      ...(status === "failed" ? { errors: { object: "list", data: [{ ...problem, line: null, param: null }] } } : {}),
      request_counts: {
        completed: Number(batchStats?.successfulRequestCount ?? 0),
        failed: Number(batchStats?.failedRequestCount ?? 0)
      }
    }
  }
}

/** `batches/abc`, of which only what comes after the slash can lead elsewhere. */
const pathOf = (id: string): string => `/v1beta/batches/${encodeURIComponent(id.replace(/^batches\//, ""))}`

const encoder = new TextEncoder()

const resultOf = (key: string, response: unknown, error: unknown): ForeignResult => {
  if (isObject(response)) return { key, status: 200, answer: response, error: null }
  const { code, message, status } = isObject(error) ? error : {}
  return {
    key,
    status: typeof code === "number" && code >= 400 ? code : 500,
    answer: null,
    error: {
      code: typeof status === "string" ? status : "provider_error",
      message: typeof message === "string" ? message : "The provider gave no answer to this request."
    }
  }
}

export const batches: ForeignBatches = {
  endpoints: ["/v1/chat/completions", "/v1/responses"],
  maxRequests: 200_000,
  maxBytes: 2_000_000_000,
  inputFile: { filename: "batch.jsonl", contentType: "application/jsonl", purpose: "batch" },
  marked: true,
  frame: {
    open: "",
    adapt: null,
    line: (key, request) => `{"key":${JSON.stringify(key)},"request":${request}}`,
    separator: "\n",
    close: "\n"
  },
  create: (input, { key, model }) => {
    const batch = { displayName: key, inputConfig: { fileName: input._tag === "File" ? input.id : "" } }
    const path = `/v1beta/models/${encodeURIComponent(model.replace(/^models\//, ""))}:batchGenerateContent`
    return withJson("batches.create", path, encoder.encode(JSON.stringify({ batch })))
  },
  retrieve: (id) => bodiless("batches.retrieve", "GET", pathOf(id)),
  cancel: (id) => bodiless("batches.cancel", "POST", `${pathOf(id)}:cancel`),
  list: (cursor) =>
    bodiless(
      "batches.list",
      "GET",
      `/v1beta/batches?pageSize=100${cursor === null ? "" : `&pageToken=${encodeURIComponent(cursor)}`}`
    ),
  decode: (body) =>
    decodeOperation(body).pipe(
      Result.map(jobOf),
      Result.mapError(() => "no batch")
    ),
  decodePage: (body) =>
    decodeOperations(body).pipe(
      Result.map(({ nextPageToken, operations = [] }) => ({
        jobs: operations.map(jobOf),
        next: nextPageToken ?? null
      })),
      Result.mapError(() => "no page of batches")
    ),
  results: {
    _tag: "Lines",
    calls: ({ results }) =>
      results.map((file) =>
        bodiless(
          "batches.results",
          "GET",
          `/download/v1beta/files/${encodeURIComponent(file.replace(/^files\//, ""))}:download?alt=media`
        )
      )
  },
  result: ({ error, key, response }) =>
    typeof key === "string" ? Result.succeed(resultOf(key, response, error)) : Result.fail("no result of a batch")
}
