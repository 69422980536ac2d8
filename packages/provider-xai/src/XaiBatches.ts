/** xAI's batches as OpenAI's. There is no status: a batch is over when nothing of it is pending any more. */
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
        num_cancelled: Count
      })
    )
  )
})

const Page = Schema.Struct({ batches: Schema.Array(Batch), pagination_token: Text })

const Results = Schema.Struct({
  results: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)),
  pagination_token: Text
})

const decodeBatch = Schema.decodeUnknownResult(Batch)
const decodeBatches = Schema.decodeUnknownResult(Page)
const decodeResults = Schema.decodeUnknownResult(Results)

const jobOf = ({ batch_id, cancel_time, create_time, expire_time, name, state }: typeof Batch.Type): ForeignJob => {
  const requests = state?.num_requests ?? 0
  // Until the input has been read there are no requests, and nothing that could be pending.
  const ended = requests > 0 && (state?.num_pending ?? 0) === 0
  const isCancelled = cancel_time !== null && cancel_time !== undefined
  const open = isCancelled ? "cancelling" : requests === 0 ? "validating" : "in_progress"
  const status = ended ? (isCancelled ? "cancelled" : "completed") : open
  return {
    id: batch_id,
    ended,
    createdAt: millis(create_time),
    inputs: [],
    outputs: [],
    metadata: typeof name === "string" ? { [markKey]: name } : {},
    tokens: null,
    requests: requests === 0 ? null : requests,
    results: [],
    object: {
      status,
      ...(requests > 0 ? { in_progress_at: seconds(create_time) } : {}),
      ...(isCancelled ? { cancelling_at: seconds(cancel_time) } : {}),
      expires_at: seconds(expire_time),
      request_counts: {
        completed: state?.num_success ?? 0,
        failed: (state?.num_error ?? 0) + (state?.num_cancelled ?? 0)
      }
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
      Result.map((page) => ({ jobs: page.batches.map(jobOf), next: tokenOf(page.pagination_token) })),
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
  result: ({ batch_request_id: key, batch_result: result, error_message: message }) => {
    if (typeof key !== "string") return Result.fail("no result of a batch")
    const { error, response } = isObject(result) ? result : {}
    const answer = isObject(response) ? response["chat_get_completion"] : undefined
    return Result.succeed(isObject(answer) ? { key, status: 200, answer, error: null } : failure(key, error, message))
  }
}
