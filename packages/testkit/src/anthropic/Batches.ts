/**
 * `/v1/messages/batches`: create, list, retrieve, cancel, delete, results. Requests come in the call itself. Counts stay
 * zero, but for those that are being processed, until all is over, and results come in another order than requests.
 */
import type { Account } from "../openai/Account.ts"
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import { isRecord } from "../openai/Chat.ts"
import type { JsonRecord } from "../openai/Directions.ts"
import type { Exchange } from "../openai/Http.ts"
import { newId } from "../openai/Ids.ts"
import * as KeptBatches from "../openai/KeptBatches.ts"
import * as MadeContent from "../openai/MadeContent.ts"
import { bodiless, withJson } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"
import { errorBody } from "./Error.ts"
import * as Messages from "./Messages.ts"

type Outcome = "succeeded" | "errored" | "canceled" | "expired"

interface Request {
  readonly customId: string
  readonly params: unknown
}

interface Batch {
  readonly id: string
  readonly requests: ReadonlyArray<Request>
  readonly createdAt: number
  status: "in_progress" | "canceling" | "ended"
  endedAt: number | null
  cancelledAt: number | null
  results: ReadonlyArray<{ readonly customId: string; readonly result: JsonRecord & { readonly type: Outcome } }>
}

const mostRequests = 100_000
const lifeMs = 86_400_000

const time = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString())

const toObject = (batch: Batch, { request }: Exchange): JsonRecord => {
  const count = (outcome: Outcome): number => batch.results.filter(({ result }) => result.type === outcome).length
  const isOver = batch.status === "ended"
  const origin = `http://${request.headers.host ?? "127.0.0.1"}`
  return {
    id: batch.id,
    type: "message_batch",
    processing_status: batch.status,
    request_counts: {
      processing: isOver ? 0 : batch.requests.length,
      succeeded: count("succeeded"),
      errored: count("errored"),
      canceled: count("canceled"),
      expired: count("expired")
    },
    created_at: time(batch.createdAt),
    expires_at: time(batch.createdAt + lifeMs),
    ended_at: time(batch.endedAt),
    cancel_initiated_at: time(batch.cancelledAt),
    archived_at: null,
    results_url: isOver ? `${origin}/v1/messages/batches/${batch.id}/results` : null
  }
}

const run = (account: Account, { params }: Request): JsonRecord & { readonly type: Outcome } => {
  try {
    return { type: "succeeded", message: Messages.answerOf(account, params, account.now()) }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return { type: "errored", error: errorBody(error) }
  }
}

/** One step is all that there is: from the start, or from the wish to cancel, to the end. */
const advanceOne = (account: Account, batch: Batch): void => {
  if (batch.status === "ended") return
  const isLate = account.now() >= batch.createdAt + lifeMs
  batch.results = batch.requests
    .map((request, index) => {
      // Of a batch that is cancelled, the first request was already under way.
      const isLeft = batch.status === "canceling" && index > 0
      const result = isLate
        ? { type: "expired" as const }
        : isLeft
          ? { type: "canceled" as const }
          : run(account, request)
      return { customId: request.customId, result }
    })
    .toReversed()
  batch.status = "ended"
  batch.endedAt = account.now()
}

const kept = KeptBatches.make<Batch>({
  idOf: ({ id }) => id,
  unknown: (id) => new ApiError(404, `Message batch not found: ${id}`),
  advance: advanceOne,
  describe: ({ id, status }) => ({
    id,
    status,
    inputFileId: null,
    outputFileId: null,
    errorFileId: null,
    metadata: null
  })
})

export const { control } = kept

const validate = (body: unknown): ReadonlyArray<Request> => {
  const requests = isRecord(body) ? body["requests"] : undefined
  if (!Array.isArray(requests)) throw new ApiError(400, "requests: Field required")
  if (requests.length === 0) throw new ApiError(400, "requests: List should have at least 1 item after validation")
  if (requests.length > mostRequests) throw new ApiError(400, `requests: more than ${mostRequests} requests`)
  const seen = new Set<string>()
  return requests.map((request: unknown, at) => {
    const customId = isRecord(request) ? request["custom_id"] : undefined
    if (typeof customId !== "string" || !/^[a-zA-Z0-9_-]{1,64}$/.test(customId)) {
      throw new ApiError(400, `requests.${at}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'`)
    }
    if (seen.has(customId)) throw new ApiError(400, `requests.${at}.custom_id: duplicate custom_id: ${customId}`)
    seen.add(customId)
    const params = isRecord(request) ? request["params"] : undefined
    if (!isRecord(params)) throw new ApiError(400, `requests.${at}.params: Field required`)
    return { customId, params }
  })
}

const create: Route = {
  name: "batches.create",
  method: "POST",
  path: "/v1/messages/batches",
  receive: withJson((exchange, parse) => {
    Messages.requireVersion(exchange.request.headers)
    const batch: Batch = {
      id: newId("msgbatch_"),
      requests: validate(parse()),
      createdAt: exchange.now(),
      status: "in_progress",
      endedAt: null,
      cancelledAt: null,
      results: []
    }
    kept.add(exchange.account, batch)
    return Answer.json(200, toObject(batch, exchange))
  })
}

const list: Route = {
  name: "batches.list",
  method: "GET",
  path: "/v1/messages/batches",
  receive: bodiless((exchange) => {
    const { account, query } = exchange
    const newest = kept.all(account).toReversed()
    const limit = Number(query.get("limit") ?? "20")
    const place = (name: string): number => newest.findIndex(({ id }) => id === query.get(name))
    const before = query.has("before_id") ? place("before_id") : undefined
    const start = before === undefined ? place("after_id") + 1 : Math.max(0, before - limit)
    const data = newest.slice(start, before === undefined ? start + limit : before)
    return Answer.json(200, {
      data: data.map((batch) => toObject(batch, exchange)),
      has_more: before === undefined ? newest.length > start + limit : start > 0,
      first_id: data.at(0)?.id ?? null,
      last_id: data.at(-1)?.id ?? null
    })
  })
}

const retrieve: Route = {
  name: "batches.retrieve",
  method: "GET",
  path: "/v1/messages/batches/:id",
  receive: bodiless((exchange) => Answer.json(200, toObject(kept.polled(exchange), exchange)))
}

const cancel: Route = {
  name: "batches.cancel",
  method: "POST",
  path: "/v1/messages/batches/:id/cancel",
  receive: bodiless((exchange) => {
    const batch = kept.requested(exchange)
    if (batch.status === "ended") throw new ApiError(400, `Batch ${batch.id} cannot be canceled: it has ended.`)
    batch.status = "canceling"
    batch.cancelledAt ??= exchange.now()
    return Answer.json(200, toObject(batch, exchange))
  })
}

const remove: Route = {
  name: "batches.delete",
  method: "DELETE",
  path: "/v1/messages/batches/:id",
  receive: bodiless((exchange) => {
    const batch = kept.requested(exchange)
    if (batch.status !== "ended") throw new ApiError(400, `Batch ${batch.id} cannot be deleted: it has not ended.`)
    kept.remove(exchange.account, batch)
    return Answer.json(200, { id: batch.id, type: "message_batch_deleted" })
  })
}

const results: Route = {
  name: "batches.results",
  method: "GET",
  path: "/v1/messages/batches/:id/results",
  receive: bodiless((exchange) => {
    const batch = kept.requested(exchange)
    if (batch.status !== "ended") throw new ApiError(404, `Batch ${batch.id} has no results yet.`)
    const lines = batch.results.map(({ customId, result }) => ({ custom_id: customId, result }))
    return Answer.bytes(200, { "content-type": "application/x-jsonl" }, MadeContent.jsonLines(lines))
  })
}

export const routes: ReadonlyArray<Route> = [create, list, retrieve, cancel, remove, results]
