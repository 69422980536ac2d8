/**
 * `/v1/batches`: a batch of a file, without a word for how far it is: when nothing is pending, it is over. Results come in
 * pages, and those of lines for responses in the shape of chat completions too.
 */
import type { Account } from "../openai/Account.ts"
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import { linesOf } from "../openai/Batches.ts"
import * as Chat from "../openai/Chat.ts"
import { newId } from "../openai/Ids.ts"
import * as KeptBatches from "../openai/KeptBatches.ts"
import { bodiless, withJson } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"

interface Line {
  readonly customId: unknown
  readonly url: string
  readonly body: unknown
}

interface Result {
  readonly batch_request_id: unknown
  readonly batch_result: Readonly<Record<string, unknown>>
}

interface Batch {
  readonly id: string
  readonly name: string
  readonly inputFile: string
  readonly lines: ReadonlyArray<Line>
  readonly createdAt: number
  results: ReadonlyArray<Result>
  cancelledAt: number | null
  cancelled: number
}

const lifeMs = 86_400_000

const time = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString())

const isSuccess = ({ batch_result: result }: Result): boolean => "response" in result

const toObject = (batch: Batch): Readonly<Record<string, unknown>> => {
  const success = batch.results.filter(isSuccess).length
  return {
    batch_id: batch.id,
    name: batch.name,
    create_time: time(batch.createdAt),
    expire_time: time(batch.createdAt + lifeMs),
    cancel_time: time(batch.cancelledAt),
    cancel_by_xai_message: null,
    state: {
      num_requests: batch.lines.length,
      num_pending: batch.lines.length - batch.results.length - batch.cancelled,
      num_success: success,
      num_error: batch.results.length - success,
      num_cancelled: batch.cancelled
    }
  }
}

/** A line for responses is answered as one for chat completions would be. */
const chatBody = ({ body, url }: Line): unknown => {
  if (url !== "/v1/responses" || !Chat.isRecord(body)) return body
  const { input } = body
  return { ...body, messages: Array.isArray(input) ? input : [{ role: "user", content: input }] }
}

const run = (account: Account, line: Line): Result => {
  try {
    const answer = Chat.answerOf(account, chatBody(line), Math.floor(account.now() / 1000), Chat.withoutFiles)
    return { batch_request_id: line.customId, batch_result: { response: { chat_get_completion: answer } } }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return { batch_request_id: line.customId, batch_result: { error: { code: error.status, message: error.message } } }
  }
}

const kept = KeptBatches.make<Batch>({
  idOf: ({ id }) => id,
  unknown: (id) => new ApiError(404, `Batch ${id} not found.`),
  advance: (account, batch) => {
    if (batch.cancelledAt === null && batch.results.length === 0) {
      batch.results = batch.lines.map((line) => run(account, line)).toReversed()
    }
  },
  describe: ({ cancelledAt, id, inputFile, name, results }) => ({
    id,
    status: cancelledAt !== null ? "cancelled" : results.length > 0 ? "done" : "pending",
    inputFileId: inputFile,
    outputFileId: null,
    errorFileId: null,
    metadata: { name }
  })
})

export const { control } = kept

const create: Route = {
  name: "batches.create",
  method: "POST",
  path: "/v1/batches",
  receive: withJson((exchange, parse) => {
    const { account } = exchange
    const body = parse()
    const { input_file_id: inputFile, name } = Chat.isRecord(body) ? body : {}
    if (typeof name !== "string") throw new ApiError(400, "name is required.")
    const file = account.files.get(String(inputFile))
    if (file === undefined) throw new ApiError(404, `File ${String(inputFile)} not found.`)
    const lines = linesOf(file).map(({ number, value }) => {
      if (!Chat.isRecord(value)) throw new ApiError(400, `Line ${number} of the file is no request.`)
      return { customId: value["custom_id"], url: String(value["url"]), body: value["body"] }
    })
    const batch: Batch = {
      id: newId("batch_"),
      name,
      inputFile: file.id,
      lines,
      createdAt: account.now(),
      results: [],
      cancelledAt: null,
      cancelled: 0
    }
    kept.add(account, batch)
    return Answer.json(200, toObject(batch))
  })
}

const place = (query: URLSearchParams): { readonly start: number; readonly limit: number } => ({
  start: Number(query.get("pagination_token") ?? "0"),
  limit: Math.min(Number(query.get("limit") ?? "100"), 100)
})

const list: Route = {
  name: "batches.list",
  method: "GET",
  path: "/v1/batches",
  receive: bodiless(({ account, query }) => {
    const newest = kept.all(account).toReversed()
    const { limit, start } = place(query)
    const more = newest.length > start + limit
    return Answer.json(200, {
      batches: newest.slice(start, start + limit).map(toObject),
      pagination_token: more ? String(start + limit) : null
    })
  })
}

const retrieve: Route = {
  name: "batches.retrieve",
  method: "GET",
  path: "/v1/batches/:id",
  receive: bodiless((exchange) => Answer.json(200, toObject(kept.polled(exchange))))
}

const results: Route = {
  name: "batches.results",
  method: "GET",
  path: "/v1/batches/:id/results",
  receive: bodiless((exchange) => {
    const { results: all } = kept.requested(exchange)
    const { limit, start } = place(exchange.query)
    const more = all.length > start + limit
    return Answer.json(200, {
      results: all.slice(start, start + limit),
      pagination_token: more ? String(start + limit) : null
    })
  })
}

const cancel: Route = {
  name: "batches.cancel",
  method: "POST",
  path: "/v1/batches/:id:cancel",
  receive: bodiless((exchange) => {
    const batch = kept.requested(exchange)
    if (batch.results.length > 0) throw new ApiError(400, "The batch is over.")
    batch.cancelledAt ??= exchange.now()
    batch.cancelled = batch.lines.length
    return Answer.json(200, toObject(batch))
  })
}

export const routes: ReadonlyArray<Route> = [create, list, cancel, retrieve, results]
