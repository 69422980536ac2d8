/** `/v1/batch/jobs`: a job of files or of requests in the call, whose lines have neither a method nor a model. */
import { randomUUID } from "node:crypto"
import type { Account } from "../openai/Account.ts"
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import { linesOf } from "../openai/Batches.ts"
import * as Chat from "../openai/Chat.ts"
import type { ChatApi } from "../openai/Chat.ts"
import { newId } from "../openai/Ids.ts"
import * as KeptBatches from "../openai/KeptBatches.ts"
import * as MadeContent from "../openai/MadeContent.ts"
import { bodiless, withJson } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"

type Status = "QUEUED" | "RUNNING" | "SUCCESS" | "FAILED" | "TIMEOUT_EXCEEDED" | "CANCELLATION_REQUESTED" | "CANCELLED"

interface Line {
  readonly customId: unknown
  readonly body: Readonly<Record<string, unknown>>
}

interface Job {
  readonly id: string
  readonly inputFiles: ReadonlyArray<string>
  /** The requests that came in the call. */
  readonly requests: ReadonlyArray<Line> | undefined
  readonly endpoint: string
  readonly model: string
  readonly metadata: Readonly<Record<string, unknown>> | null
  readonly createdAt: number
  readonly deadline: number
  readonly chat: ChatApi
  status: Status
  lines: ReadonlyArray<Line>
  succeeded: number
  failed: number
  outputFile: string | null
  errorFile: string | null
  outputs: ReadonlyArray<unknown> | null
  errors: ReadonlyArray<{ readonly message: string; readonly count: number }>
  startedAt: number | null
  endedAt: number | null
}

const endpoints = ["/v1/chat/completions", "/v1/embeddings", "/v1/fim/completions", "/v1/moderations", "/v1/ocr"]

const toObject = (job: Job): Readonly<Record<string, unknown>> => ({
  id: job.id,
  object: "batch",
  input_files: job.inputFiles,
  metadata: job.metadata,
  endpoint: job.endpoint,
  model: job.model,
  agent_id: null,
  output_file: job.outputFile,
  error_file: job.errorFile,
  errors: job.errors,
  outputs: job.outputs,
  status: job.status,
  created_at: job.createdAt,
  total_requests: job.lines.length,
  completed_requests: job.succeeded + job.failed,
  succeeded_requests: job.succeeded,
  failed_requests: job.failed,
  started_at: job.startedAt,
  completed_at: job.endedAt
})

const seconds = (account: Account): number => Math.floor(account.now() / 1000)

const end = (account: Account, job: Job, status: Status): void => {
  job.status = status
  job.endedAt = seconds(account)
}

const read = (account: Account, job: Job): ReadonlyArray<Line> =>
  job.requests ??
  job.inputFiles.flatMap((id) => {
    const file = account.files.get(id)
    return file === undefined
      ? []
      : linesOf(file).map(({ number, value }) => {
          const body = Chat.isRecord(value) ? value["body"] : undefined
          if (!Chat.isRecord(value) || !Chat.isRecord(body)) throw new SyntaxError(`line ${number} is no request`)
          return { customId: value["custom_id"], body }
        })
  })

const store = (account: Account, job: Job, purpose: string, lines: ReadonlyArray<unknown>): string => {
  const content = MadeContent.jsonLines(lines)
  return account.files.add({
    filename: `${job.id}_${purpose}.jsonl`,
    contentType: "application/jsonl",
    purpose,
    ...MadeContent.fieldsOf(content),
    livesSeconds: undefined,
    made: true
  }).id
}

const runLine = (account: Account, job: Job, body: Line["body"]) => {
  try {
    const answer = Chat.answerOf(account, { ...body, model: job.model }, seconds(account), job.chat)
    return { status_code: 200, body: answer }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const { code, message, param, status, type } = error
    return { status_code: status, body: { object: "error", message, type, param, code } }
  }
}

const run = (account: Account, job: Job): void => {
  const results = job.lines.map(({ body, customId }) => ({
    id: newId("batch-"),
    custom_id: customId,
    response: runLine(account, job, body),
    error: null
  }))
  const succeeded = results.filter(({ response }) => response.status_code === 200)
  const failed = results.filter(({ response }) => response.status_code !== 200)
  job.succeeded = succeeded.length
  job.failed = failed.length
  if (job.requests !== undefined) {
    job.outputs = results
    return
  }
  if (succeeded.length > 0) job.outputFile = store(account, job, "batch_result", succeeded.toReversed())
  if (failed.length > 0) job.errorFile = store(account, job, "batch_error", failed)
}

const ended: ReadonlySet<Status> = new Set(["SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED"])

const advanceOne = (account: Account, job: Job): void => {
  if (ended.has(job.status)) return
  if (job.status === "CANCELLATION_REQUESTED") return end(account, job, "CANCELLED")
  if (seconds(account) >= job.deadline) return end(account, job, "TIMEOUT_EXCEEDED")
  if (job.status === "RUNNING") {
    run(account, job)
    return end(account, job, "SUCCESS")
  }
  try {
    job.lines = read(account, job)
    job.status = "RUNNING"
    job.startedAt = seconds(account)
  } catch (error) {
    job.errors = [{ message: error instanceof Error ? error.message : String(error), count: 1 }]
    end(account, job, "FAILED")
  }
}

const kept = KeptBatches.make<Job>({
  idOf: ({ id }) => id,
  unknown: (id) => new ApiError(404, `No such batch job: ${id}`),
  advance: advanceOne,
  describe: (job) => ({
    id: job.id,
    status: job.status,
    inputFileId: job.inputFiles[0] ?? null,
    outputFileId: job.outputFile,
    errorFileId: job.errorFile,
    metadata: job.metadata as Readonly<Record<string, string>> | null
  })
})

export const { control } = kept

const invalid = (param: string, message: string): ApiError => new ApiError(422, message, { param })

const validate = (account: Account, body: unknown, chat: ChatApi): Job => {
  if (!Chat.isRecord(body)) throw new ApiError(422, "The request body must be a JSON object.")
  const { endpoint, input_files: files, metadata, model, requests, timeout_hours: hours = 24 } = body
  if (typeof endpoint !== "string" || !endpoints.includes(endpoint)) throw invalid("endpoint", "endpoint: wrong value")
  if (typeof model !== "string") throw invalid("model", "model: Field required")
  const inputFiles = Array.isArray(files) ? files.map(String) : []
  for (const id of inputFiles) {
    const file = account.files.get(id)
    if (file === undefined) throw new ApiError(404, `No such file: ${id}`, { param: "input_files" })
    if (file.purpose !== "batch") throw invalid("input_files", `The file ${id} is not for batches.`)
  }
  const lines = Array.isArray(requests)
    ? requests.filter(Chat.isRecord).map((request) => ({
        customId: request["custom_id"],
        body: Chat.isRecord(request["body"]) ? request["body"] : {}
      }))
    : undefined
  if (inputFiles.length === 0 && lines === undefined) throw invalid("input_files", "There is no input.")
  const createdAt = seconds(account)
  return {
    id: randomUUID(),
    inputFiles,
    requests: lines,
    endpoint,
    model,
    metadata: Chat.isRecord(metadata) ? metadata : null,
    createdAt,
    deadline: createdAt + Number(hours) * 3600,
    chat,
    status: "QUEUED",
    lines: lines ?? [],
    succeeded: 0,
    failed: 0,
    outputFile: null,
    errorFile: null,
    outputs: null,
    errors: [],
    startedAt: null,
    endedAt: null
  }
}

const create = (chat: ChatApi): Route => ({
  name: "batches.create",
  method: "POST",
  path: "/v1/batch/jobs",
  receive: withJson((exchange, parse) => {
    const job = validate(exchange.account, parse(), chat)
    kept.add(exchange.account, job)
    return Answer.json(200, toObject(job))
  })
})

const list: Route = {
  name: "batches.list",
  method: "GET",
  path: "/v1/batch/jobs",
  receive: bodiless(({ account, query }) => {
    const size = Number(query.get("page_size") ?? "100")
    const page = Number(query.get("page") ?? "0")
    const jobs = kept.all(account)
    const ordered = query.get("order_by") === "created" ? jobs : jobs.toReversed()
    const data = ordered.slice(page * size, (page + 1) * size).map(toObject)
    return Answer.json(200, { data, object: "list", total: jobs.length })
  })
}

const retrieve: Route = {
  name: "batches.retrieve",
  method: "GET",
  path: "/v1/batch/jobs/:id",
  receive: bodiless((exchange) => Answer.json(200, toObject(kept.polled(exchange))))
}

const cancel: Route = {
  name: "batches.cancel",
  method: "POST",
  path: "/v1/batch/jobs/:id/cancel",
  receive: bodiless((exchange) => {
    const job = kept.requested(exchange)
    if (ended.has(job.status)) throw new ApiError(409, `The job has the status ${job.status}.`)
    job.status = "CANCELLATION_REQUESTED"
    return Answer.json(200, toObject(job))
  })
}

const remove: Route = {
  name: "batches.delete",
  method: "DELETE",
  path: "/v1/batch/jobs/:id",
  receive: bodiless((exchange) => {
    const job = kept.requested(exchange)
    kept.remove(exchange.account, job)
    return Answer.json(200, { id: job.id, object: "batch", deleted: true })
  })
}

export const routes = (chat: ChatApi): ReadonlyArray<Route> => [create(chat), list, retrieve, cancel, remove]
