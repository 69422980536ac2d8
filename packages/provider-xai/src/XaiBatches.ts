/**
 * xAI's batches as OpenAI's. There is no status: a batch is over when nothing of it is pending any more. Servers that speak
 * this wire may have one nevertheless, as a word beside counts of other names: where xAI's own are missing, the word is believed.
 */
import { type ForeignBatches, type ForeignJob, type ForeignResult, markKey } from "@omnifile/core/ForeignBatches"
import { isObject, type JsonObject } from "@omnifile/core/Json"
import type { ProviderCall } from "@omnifile/core/Provider"
import { bodiless } from "@omnifile/core/ProviderCalls"
import { millis, seconds } from "@omnifile/core/Rfc3339"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const Text = Schema.optionalKey(Schema.NullOr(Schema.String))
const Count = Schema.optionalKey(Schema.NullOr(Schema.Finite))

const Batch = Schema.Struct({
  batch_id: Schema.NonEmptyString,
  name: Text,
  create_time: Text,
  expire_time: Text,
  cancel_time: Text,
  state: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        num_requests: Count,
        num_pending: Count,
        num_success: Count,
        num_error: Count,
        num_cancelled: Count,
        status: Text,
        total_requests: Count,
        completed_requests: Count,
        failed_requests: Count
      })
    )
  )
})

const Page = Schema.Union([
  Schema.Struct({ batches: Schema.Array(Batch), pagination_token: Text }),
  Schema.Struct({ data: Schema.Array(Batch), pagination_token: Text })
])

const Results = Schema.Struct({
  results: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)),
  pagination_token: Text
})

const decodeBatch = Schema.decodeUnknownResult(Batch)
const decodeBatches = Schema.decodeUnknownResult(Page)
const decodeResults = Schema.decodeUnknownResult(Results)

/** How far a batch is, in the words of servers that have some. A batch whose requests all failed is over like others. */
const ends: Readonly<Record<string, "completed" | "cancelled">> = {
  COMPLETED: "completed",
  FAILED: "completed",
  CANCELLED: "cancelled"
}

const jobOf = ({ batch_id, cancel_time, create_time, expire_time, name, state }: typeof Batch.Type): ForeignJob => {
  const completed = state?.num_success ?? state?.completed_requests ?? 0
  const failed = (state?.num_error ?? state?.failed_requests ?? 0) + (state?.num_cancelled ?? 0)
  const pending = state?.num_pending ?? 0
  const requests = state?.num_requests ?? state?.total_requests ?? pending + completed + failed
  const isCancelled = cancel_time !== null && cancel_time !== undefined
  // Until the input has been read there are no requests, and nothing that could be pending.
  const counted = requests > 0 && pending === 0 ? (isCancelled ? "cancelled" : "completed") : undefined
  const told = typeof state?.num_requests === "number" ? null : state?.status
  const end = typeof told === "string" ? ends[told.toUpperCase()] : counted
  const open = isCancelled ? "cancelling" : requests === 0 ? "validating" : "in_progress"
  return {
    id: batch_id,
    ended: end !== undefined,
    createdAt: millis(create_time),
    inputs: [],
    outputs: [],
    metadata: typeof name === "string" ? { [markKey]: name } : {},
    tokens: null,
    requests: requests === 0 ? null : requests,
    results: [],
    object: {
      status: end ?? open,
      ...(requests > 0 ? { in_progress_at: seconds(create_time) } : {}),
      ...(isCancelled ? { cancelling_at: seconds(cancel_time) } : {}),
      expires_at: seconds(expire_time),
      request_counts: { completed, failed }
    }
  }
}

const encoder = new TextEncoder()

const withJson = (name: string, path: string, body: JsonObject, idempotent: boolean): ProviderCall => ({
  name,
  method: "POST",
  path,
  headers: { "content-type": "application/json" },
  body: encoder.encode(JSON.stringify(body)),
  idempotent
})

const read = (name: string, path: string): ProviderCall => bodiless(name, "GET", path)

const pathOf = (id: string): string => `/batches/${encodeURIComponent(id)}`

/** As many as every example of the vendor asks for: the most that it gives is not written down. */
const paged = (path: string, cursor: string | null): string =>
  `${path}?limit=100${cursor === null ? "" : `&pagination_token=${encodeURIComponent(cursor)}`}`

/** An empty token is none. */
const tokenOf = (token: string | null | undefined): string | null => (token === "" ? null : (token ?? null))

const failure = (key: string, error: unknown, message: unknown): ForeignResult => {
  const { code, message: words } = isObject(error) ? error : {}
  const told = typeof words === "string" ? words : message
  return {
    key,
    status: 400,
    answer: null,
    error: {
      code: typeof code === "string" || typeof code === "number" ? String(code) : "provider_error",
      message: typeof told === "string" && told !== "" ? told : "The provider gave no answer to this request."
    }
  }
}

export const batches: ForeignBatches = {
  // Answers have the form of chat completions, whatever was called.
  endpoints: ["/v1/chat/completions"],
  maxRequests: 50_000,
  maxBytes: 200 * 1024 * 1024,
  inputFile: { filename: "batch.jsonl", contentType: "application/jsonl", purpose: "batch" },
  marked: true,
  frame: {
    open: "",
    adapt: null,
    line: (key, body, endpoint) =>
      `{"custom_id":${JSON.stringify(key)},"method":"POST","url":${JSON.stringify(endpoint)},"body":${body}}`,
    separator: "\n",
    close: "\n"
  },
  create: (input, { key }) =>
    withJson("batches.create", "/batches", { name: key, input_file_id: input._tag === "File" ? input.id : "" }, false),
  retrieve: (id) => read("batches.retrieve", pathOf(id)),
  cancel: (id) => withJson("batches.cancel", `${pathOf(id)}:cancel`, {}, true),
  list: (cursor) => read("batches.list", paged("/batches", cursor)),
  decode: (body) =>
    decodeBatch(body).pipe(
      Result.map(jobOf),
      Result.mapError(() => "no batch")
    ),
  decodePage: (body) =>
    decodeBatches(body).pipe(
      Result.map((page) => ({
        jobs: ("batches" in page ? page.batches : page.data).map(jobOf),
        next: tokenOf(page.pagination_token)
      })),
      Result.mapError(() => "no page of batches")
    ),
  results: {
    _tag: "Pages",
    page: (id, cursor) => read("batches.results", paged(`${pathOf(id)}/results`, cursor)),
    decode: (body) =>
      decodeResults(body).pipe(
        Result.map(({ pagination_token, results }) => ({
          results: results as ReadonlyArray<JsonObject>,
          next: tokenOf(pagination_token)
        })),
        Result.mapError(() => "no page of results")
      )
  },
  result: ({ batch_request_id, batch_result, custom_id, error: failed, error_message: message, response: bare }) => {
    const key = batch_request_id ?? custom_id
    if (typeof key !== "string") return Result.fail("no result of a batch")
    const { error, response } = isObject(batch_result) ? batch_result : { error: failed, response: undefined }
    // Servers that have no envelope for answers of several kinds give the answer itself.
    const answer = isObject(response) ? response["chat_get_completion"] : bare
    return Result.succeed(isObject(answer) ? { key, status: 200, answer, error: null } : failure(key, error, message))
  }
}
