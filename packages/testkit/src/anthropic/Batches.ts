/**
 * `/v1/messages/batches`: create, list, retrieve, cancel, delete, results. Requests come in the call itself. Counts stay
 * zero, but for those that are being processed, until all is over, and results come in another order than requests.
 */
import type { Account, StateKey } from "../openai/Account.ts"
import { of } from "../openai/Account.ts"
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import type { BatchControl } from "../openai/BatchControl.ts"
import { isRecord } from "../openai/Chat.ts"
import type { JsonRecord } from "../openai/Directions.ts"
import { bodiless } from "../openai/Files.ts"
import { readJson } from "../openai/Http.ts"
import type { Exchange } from "../openai/Http.ts"
import { newId } from "../openai/Ids.ts"
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
  polls: number
}

interface State {
  /** Oldest first. */
  readonly batches: Array<Batch>
  pollsPerStep: number
}

const key: StateKey<State> = {
  symbol: Symbol("message batches"),
  make: () => ({ batches: [], pollsPerStep: Infinity })
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

export const control: BatchControl = {
  advance: (account) => {
    for (const batch of of(account, key).batches) advanceOne(account, batch)
  },
  all: (account) =>
    of(account, key).batches.map(({ id, status }) => ({
      id,
      status,
      inputFileId: null,
      outputFileId: null,
      errorFileId: null,
      metadata: null
    })),
  behave: (account, { pollsPerStep }) => {
    if (pollsPerStep !== undefined) of(account, key).pollsPerStep = pollsPerStep
  }
}

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

const requested = ({ account, params }: Exchange): Batch => {
  const id = params["id"] ?? ""
  const batch = of(account, key).batches.find((candidate) => candidate.id === id)
  if (batch === undefined) throw new ApiError(404, `Message batch not found: ${id}`)
  return batch
}

const create: Route = {
  name: "batches.create",
  method: "POST",
  path: "/v1/messages/batches",
  receive: async (exchange) => {
    const parse = await readJson(exchange)
    return () => {
      Messages.requireVersion(exchange.request.headers)
      const batch: Batch = {
        id: newId("msgbatch_"),
        requests: validate(parse()),
        createdAt: exchange.now(),
        status: "in_progress",
        endedAt: null,
        cancelledAt: null,
        results: [],
        polls: 0
      }
      of(exchange.account, key).batches.push(batch)
      return Answer.json(200, toObject(batch, exchange))
    }
  }
}

const list: Route = {
  name: "batches.list",
  method: "GET",
  path: "/v1/messages/batches",
  receive: bodiless((exchange) => {
    const { account, query } = exchange
    const newest = of(account, key).batches.toReversed()
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
  receive: bodiless((exchange) => {
    const { account } = exchange
    const batch = requested(exchange)
    batch.polls++
    if (batch.polls % of(account, key).pollsPerStep === 0) advanceOne(account, batch)
    return Answer.json(200, toObject(batch, exchange))
  })
}

const cancel: Route = {
  name: "batches.cancel",
  method: "POST",
  path: "/v1/messages/batches/:id/cancel",
  receive: bodiless((exchange) => {
    const batch = requested(exchange)
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
    const batch = requested(exchange)
    if (batch.status !== "ended") throw new ApiError(400, `Batch ${batch.id} cannot be deleted: it has not ended.`)
    const { batches } = of(exchange.account, key)
    batches.splice(batches.indexOf(batch), 1)
    return Answer.json(200, { id: batch.id, type: "message_batch_deleted" })
  })
}

const results: Route = {
  name: "batches.results",
  method: "GET",
  path: "/v1/messages/batches/:id/results",
  receive: bodiless((exchange) => {
    const batch = requested(exchange)
    if (batch.status !== "ended") throw new ApiError(404, `Batch ${batch.id} has no results yet.`)
    const lines = batch.results.map(({ customId, result }) => `${JSON.stringify({ custom_id: customId, result })}\n`)
    return Answer.bytes(200, { "content-type": "application/x-jsonl" }, Buffer.from(lines.join("")))
  })
}

export const routes: ReadonlyArray<Route> = [create, list, retrieve, cancel, remove, results]
