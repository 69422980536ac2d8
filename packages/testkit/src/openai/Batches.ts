/**
 * `/v1/batches`: create, list, retrieve, cancel. A batch goes one step on (validating, in progress, completed) when the
 * test says so or when it has been asked about often enough; its lines are answered as chat calls are, from the
 * account's own files.
 */
import type { Account, StateKey } from "./Account.ts"
import { of } from "./Account.ts"
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import type { BatchControl } from "./BatchControl.ts"
import * as Chat from "./Chat.ts"
import type { StoredFile } from "./FileStore.ts"
import { newId } from "./Ids.ts"
import * as KeptBatches from "./KeptBatches.ts"
import * as MadeContent from "./MadeContent.ts"
import { bodiless, withJson } from "./Receiving.ts"
import type { Route } from "./Route.ts"

export type Status = "validating" | "in_progress" | "completed" | "failed" | "cancelling" | "cancelled" | "expired"

export interface Batch {
  id: string
  status: Status
  endpoint: string
  inputFileId: string
  outputFileId: string | null
  errorFileId: string | null
  metadata: Record<string, string> | null
  createdAt: number
  endedAt: number | null
  outputLife: number | undefined
  counts: { total: number; completed: number; failed: number }
  usage: { input: number; output: number }
  errors: ReadonlyArray<{ readonly code: string; readonly message: string; readonly line: number }>
  readonly chat: Chat.ChatApi
}

/** What else a test says of an account's batches. */
export interface Reporting {
  /** Whether answers say what the batch has used. */
  reportsUsage: boolean
}

const reporting: StateKey<Reporting> = { symbol: Symbol("batches"), make: () => ({ reportsUsage: true }) }

const endpoints = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions", "/v1/moderations"]

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const seconds = (account: Account): number => Math.floor(account.now() / 1000)

const missing = (param: string): ApiError =>
  new ApiError(400, `Missing required parameter: '${param}'.`, { param, code: "missing_required_parameter" })

const ended: ReadonlySet<Status> = new Set(["completed", "failed", "cancelled", "expired"])

const toObject = (batch: Batch, { reportsUsage }: Reporting): Record<string, unknown> => {
  const at = (...statuses: ReadonlyArray<Status>) => (statuses.includes(batch.status) ? batch.endedAt : null)
  return {
    id: batch.id,
    object: "batch",
    endpoint: batch.endpoint,
    errors:
      batch.errors.length === 0
        ? null
        : { object: "list", data: batch.errors.map((error) => ({ ...error, param: null })) },
    input_file_id: batch.inputFileId,
    completion_window: "24h",
    status: batch.status,
    output_file_id: batch.outputFileId,
    error_file_id: batch.errorFileId,
    created_at: batch.createdAt,
    in_progress_at: batch.status === "validating" ? null : batch.createdAt,
    expires_at: batch.createdAt + 86_400,
    finalizing_at: null,
    completed_at: at("completed"),
    failed_at: at("failed"),
    expired_at: at("expired"),
    cancelling_at: at("cancelling"),
    cancelled_at: at("cancelled"),
    request_counts: batch.counts,
    metadata: batch.metadata,
    ...(reportsUsage && batch.status === "completed"
      ? {
          usage: {
            input_tokens: batch.usage.input,
            input_tokens_details: { cached_tokens: 0 },
            output_tokens: batch.usage.output,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: batch.usage.input + batch.usage.output
          }
        }
      : {})
  }
}

const addOutput = (account: Account, batch: Batch, filename: string, lines: ReadonlyArray<unknown>): StoredFile => {
  const content = MadeContent.jsonLines(lines)
  return account.files.add({
    filename: `${batch.id}_${filename}.jsonl`,
    contentType: "application/jsonl",
    purpose: "batch_output",
    ...MadeContent.fieldsOf(content),
    livesSeconds: batch.outputLife,
    made: true
  })
}

/** The lines of the input that are not blank, with their numbers. */
export const linesOf = (file: StoredFile): ReadonlyArray<{ readonly number: number; readonly value: unknown }> =>
  Buffer.from(file.content ?? new Uint8Array())
    .toString("utf8")
    .split("\n")
    .flatMap((line, index) => {
      if (line.trim() === "") return []
      try {
        return [{ number: index + 1, value: JSON.parse(line) as unknown }]
      } catch {
        return [{ number: index + 1, value: undefined }]
      }
    })

/** Validation fails the batch at the first look, as OpenAI's does. */
const problemsOf = (account: Account, batch: Batch, file: StoredFile): Batch["errors"] =>
  linesOf(file).flatMap(({ number, value }) => {
    if (!isRecord(value)) return [{ code: "invalid_json_line", message: "This line is not parseable.", line: number }]
    const { body, url } = value
    if (url !== batch.endpoint) {
      return [{ code: "mismatched_endpoint", message: "The URL is not the batch's endpoint.", line: number }]
    }
    const model = isRecord(body) ? body["model"] : undefined
    const isServed = typeof model === "string" && (account.models === undefined || account.models.includes(model))
    return isServed
      ? []
      : [{ code: "model_not_found", message: `The model ${String(model)} is not there.`, line: number }]
  })

const runLine = (
  account: Account,
  batch: Batch,
  body: unknown
): { readonly status: number; readonly body: unknown } => {
  try {
    if (batch.endpoint === "/v1/chat/completions") {
      return { status: 200, body: Chat.answerOf(account, body, seconds(account), batch.chat) }
    }
    return { status: 200, body: { object: "answer", model: isRecord(body) ? body["model"] : null } }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const { code, message, param, status, type } = error
    return { status, body: { error: { message, type, param, code } } }
  }
}

const tokens = (body: unknown, name: string): number => {
  const usage = isRecord(body) ? body["usage"] : undefined
  const value = isRecord(usage) ? usage[name] : undefined
  return typeof value === "number" ? value : 0
}

/** Runs the lines from the start, all of them or so many, and leaves what they make. */
const run = (account: Account, batch: Batch, file: StoredFile, most = Infinity): void => {
  const outputs: Array<unknown> = []
  const errors: Array<unknown> = []
  for (const { value } of linesOf(file).slice(0, most)) {
    if (!isRecord(value)) continue
    const { body, status } = runLine(account, batch, value["body"])
    const response = { status_code: status, request_id: newId("req_"), body }
    const line = { id: newId("batch_req_"), custom_id: value["custom_id"], response, error: null }
    ;(status === 200 ? outputs : errors).push(line)
    batch.usage.input += tokens(body, "prompt_tokens")
    batch.usage.output += tokens(body, "completion_tokens")
  }
  batch.counts = { ...batch.counts, completed: outputs.length, failed: errors.length }
  if (outputs.length > 0) batch.outputFileId = addOutput(account, batch, "output", outputs).id
  if (errors.length > 0) batch.errorFileId = addOutput(account, batch, "error", errors).id
}

const end = (account: Account, batch: Batch, status: Status): void => {
  batch.status = status
  batch.endedAt = seconds(account)
}

const advanceOne = (account: Account, batch: Batch): void => {
  const file = account.files.get(batch.inputFileId)
  if (batch.status === "validating") {
    const problems = file === undefined ? [] : problemsOf(account, batch, file)
    if (file === undefined || problems.length > 0) {
      batch.errors = problems
      return end(account, batch, "failed")
    }
    batch.counts.total = linesOf(file).length
    batch.status = "in_progress"
  } else if (batch.status === "in_progress") {
    if (file !== undefined) run(account, batch, file)
    end(account, batch, "completed")
  } else if (batch.status === "cancelling") {
    end(account, batch, "cancelled")
  }
}

const kept = KeptBatches.make<Batch>({
  idOf: ({ id }) => id,
  unknown: (id) => new ApiError(404, `No batch found with id '${id}'.`, { param: "id" }),
  advance: advanceOne,
  describe: ({ errorFileId, id, inputFileId, metadata, outputFileId, status }) => ({
    id,
    status,
    inputFileId,
    outputFileId,
    errorFileId,
    metadata
  })
})

export const control: BatchControl = {
  ...kept.control,
  behave: (account, behaviour) => {
    kept.control.behave(account, behaviour)
    if (behaviour.reportsUsage !== undefined) of(account, reporting).reportsUsage = behaviour.reportsUsage
  }
}

const metadataOf = (value: unknown): Record<string, string> | null => {
  if (value === undefined || value === null) return null
  if (!isRecord(value))
    throw new ApiError(400, "Invalid type for 'metadata': expected an object.", { param: "metadata" })
  const pairs = Object.entries(value)
  if (pairs.length > 16) {
    const message = "Invalid 'metadata': too many properties. Expected an object with at most 16 properties."
    throw new ApiError(400, message, { param: "metadata", code: "object_above_max_properties" })
  }
  return Object.fromEntries(pairs.map(([name, text]) => [name, String(text)]))
}

/** What APIs of this shape do each in their own way. */
export interface BatchApi {
  readonly fields: ReadonlyArray<string>
  readonly required: ReadonlyArray<string>
  /** The purpose that an input has. */
  readonly purpose: string
  readonly chat: Chat.ChatApi
  readonly toObject: (batch: Batch, reporting: Reporting) => Readonly<Record<string, unknown>>
  /** The answer to a creation, of the object. */
  readonly created: (object: Readonly<Record<string, unknown>>) => unknown
  /** The answer to a list, if it is not in pages. */
  readonly listed: ((objects: ReadonlyArray<Readonly<Record<string, unknown>>>) => unknown) | undefined
}

const required = ["input_file_id", "endpoint", "completion_window"]

/** OpenAI's own. */
export const openai: BatchApi = {
  fields: [...required, "metadata", "output_expires_after"],
  required,
  purpose: "batch",
  chat: Chat.openai,
  toObject,
  created: (object) => object,
  listed: undefined
}

const validate = (api: BatchApi, account: Account, body: unknown): Batch => {
  if (!isRecord(body)) throw new ApiError(400, "The request body must be a JSON object.")
  const unknown = Object.keys(body).find((name) => !api.fields.includes(name))
  if (unknown !== undefined) {
    throw new ApiError(400, `Unknown parameter: '${unknown}'.`, { param: unknown, code: "unknown_parameter" })
  }
  for (const name of api.required) {
    if (typeof body[name] !== "string") throw missing(name)
  }
  const endpoint = String(body["endpoint"])
  const inputFileId = String(body["input_file_id"])
  if (!endpoints.includes(endpoint)) {
    throw new ApiError(400, `Invalid value: '${endpoint}'.`, { param: "endpoint", code: "invalid_value" })
  }
  const file = account.files.get(inputFileId)
  if (file === undefined) {
    throw new ApiError(400, `Invalid file ID: ${inputFileId}`, { param: "input_file_id", code: "invalid_file_id" })
  }
  if (file.purpose !== api.purpose) {
    const message = `The file ${inputFileId} has the purpose ${file.purpose}, not ${api.purpose}.`
    throw new ApiError(400, message, { param: "input_file_id" })
  }
  const expiry = body["output_expires_after"]
  const life = isRecord(expiry) ? expiry["seconds"] : undefined
  return {
    id: newId("batch_"),
    status: "validating",
    endpoint,
    inputFileId,
    outputFileId: null,
    errorFileId: null,
    metadata: metadataOf(body["metadata"]),
    createdAt: seconds(account),
    endedAt: null,
    outputLife: typeof life === "number" ? life : undefined,
    counts: { total: 0, completed: 0, failed: 0 },
    usage: { input: 0, output: 0 },
    errors: [],
    chat: api.chat
  }
}

/** The routes of an API of this shape. */
export const make = (api: BatchApi): ReadonlyArray<Route> => {
  const shown = (account: Account, batch: Batch) => api.toObject(batch, of(account, reporting))

  const create: Route = {
    name: "batches.create",
    method: "POST",
    path: "/v1/batches",
    receive: withJson(({ account }, parse) => {
      const batch = validate(api, account, parse())
      kept.add(account, batch)
      return Answer.json(200, api.created(shown(account, batch)))
    })
  }

  const list: Route = {
    name: "batches.list",
    method: "GET",
    path: "/v1/batches",
    receive: bodiless(({ account, query }) => {
      const newest = kept.all(account).toReversed()
      const objects = (batches: ReadonlyArray<Batch>) => batches.map((batch) => shown(account, batch))
      if (api.listed !== undefined) return Answer.json(200, api.listed(objects(newest)))
      const after = query.get("after")
      const start = after === null ? 0 : newest.findIndex(({ id }) => id === after) + 1
      const limit = Number(query.get("limit") ?? "20")
      const data = newest.slice(start, start + limit)
      return Answer.json(200, {
        object: "list",
        data: objects(data),
        first_id: data.at(0)?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: newest.length > start + limit
      })
    })
  }

  const retrieve: Route = {
    name: "batches.retrieve",
    method: "GET",
    path: "/v1/batches/:id",
    receive: bodiless((exchange) => Answer.json(200, shown(exchange.account, kept.polled(exchange))))
  }

  const cancel: Route = {
    name: "batches.cancel",
    method: "POST",
    path: "/v1/batches/:id/cancel",
    receive: bodiless((exchange) => {
      const { account } = exchange
      const batch = kept.requested(exchange)
      if (ended.has(batch.status)) {
        throw new ApiError(409, `Cannot cancel a batch with status '${batch.status}'.`)
      }
      const file = account.files.get(batch.inputFileId)
      // What was done until then is kept.
      if (batch.status === "in_progress" && file !== undefined) run(account, batch, file, 1)
      batch.status = "cancelling"
      batch.endedAt = seconds(account)
      return Answer.json(200, shown(account, batch))
    })
  }

  return [create, list, retrieve, cancel]
}

export const routes: ReadonlyArray<Route> = make(openai)
