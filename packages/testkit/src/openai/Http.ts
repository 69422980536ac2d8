/**
 * One request and its answer over `node:http`, with the faults that shape how bytes move.
 */
import { once } from "node:events"
import type { IncomingMessage, ServerResponse } from "node:http"
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises"
import type { Account } from "./Account.ts"
import type { Answer, EventsAnswer, NamedEvent, WholeAnswer } from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import type { FaultPlan } from "./Faults.ts"
import type { Journal, JournalEntry } from "./Journal.ts"

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  readonly params: Readonly<Record<string, string>>
  readonly account: Account
  /** The headers of every answer. */
  readonly answerHeaders: () => Readonly<Record<string, string>>
  readonly plan: FaultPlan
  readonly journal: Journal
  readonly entry: JournalEntry
  /** Ends everything that is done for this request. */
  readonly connection: AbortController
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Files up to this size keep their bytes. */
  readonly keepBytes: number
}

/** Whether nobody can be answered any more. */
export const isGone = ({ connection, request }: Pick<Exchange, "connection" | "request">): boolean =>
  connection.signal.aborted || request.socket.destroyed

/** Breaks the connection on purpose. Bytes that were already written still reach the client. */
const cut = (exchange: Exchange): never => {
  exchange.journal.update(exchange.entry, { cut: true })
  exchange.connection.abort(new Error("the emulator broke the connection"))
  if (exchange.response.headersSent) exchange.request.socket.destroySoon()
  else exchange.request.socket.destroy()
  throw exchange.connection.signal.reason
}

/** Waits in real time; the client's hanging up ends the wait with a rejection. */
export const pause = async (milliseconds: number, signal: AbortSignal): Promise<void> => {
  if (milliseconds > 0) await sleep(milliseconds, undefined, { signal })
  // Even without a pause the event loop gets its turn, or a client's hanging up would go unnoticed.
  else await nextTurn(undefined, { signal })
}

/** Never resolves: rejects when the client hangs up. */
export const hang = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  })

/** The request's body; every byte is counted in the journal. */
export async function* readBody(exchange: Exchange): AsyncGenerator<Buffer> {
  const { cutRequestAfterBytes, requestBytesPerSecond } = exchange.plan
  const chunks: AsyncIterable<Buffer> = exchange.request.iterator({ destroyOnReturn: false })
  for await (const chunk of chunks) {
    const received = exchange.entry.bytes + chunk.byteLength
    exchange.journal.update(exchange.entry, { bytes: received })
    if (received > cutRequestAfterBytes) cut(exchange)
    if (requestBytesPerSecond < Infinity) {
      await pause((chunk.byteLength / requestBytesPerSecond) * 1000, exchange.connection.signal)
    }
    yield chunk
  }
}

/** Reads the body and drops it. */
export const drain = async (exchange: Exchange): Promise<void> => {
  for await (const chunk of readBody(exchange)) void chunk
}

const maxJsonBytes = 256 * 1024 * 1024

/** Reads a JSON body, journals its text, and returns what parses it: a parse failure belongs to the operation. */
export const readJson = async (exchange: Exchange): Promise<() => unknown> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of readBody(exchange)) {
    if (exchange.entry.bytes <= maxJsonBytes) chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString("utf8")
  exchange.journal.update(exchange.entry, { body: text.slice(0, exchange.journal.bodyLimit) })
  return () => {
    if (exchange.entry.bytes > maxJsonBytes) throw new ApiError(413, `The request body is over ${maxJsonBytes} bytes.`)
    try {
      return JSON.parse(text)
    } catch {
      const message =
        "We could not parse the JSON body of your request. " +
        "The OpenAI API expects a JSON payload, but what was sent was not valid JSON."
      throw new ApiError(400, message)
    }
  }
}

/** Writes the answer as the request's fault plan wants it. */
export const send = async (exchange: Exchange, answer: Answer): Promise<void> => {
  if (exchange.plan.swallowAnswer) cut(exchange)
  exchange.connection.signal.throwIfAborted()
  return answer._tag === "Whole" ? sendWhole(exchange, answer) : sendEvents(exchange, answer)
}

const writeHead = (exchange: Exchange, status: number, headers: Readonly<Record<string, string>>): void => {
  exchange.journal.update(exchange.entry, { status })
  exchange.response.writeHead(status, { ...headers, ...exchange.answerHeaders() })
}

const sendWhole = async (exchange: Exchange, answer: WholeAnswer): Promise<void> => {
  const { cutResponseAfterBytes, responseBytesPerSecond } = exchange.plan
  const { body } = answer
  writeHead(exchange, answer.status, { ...answer.headers, "content-length": String(body.byteLength) })
  if (cutResponseAfterBytes === Infinity && responseBytesPerSecond === Infinity) {
    exchange.response.end(body)
    return
  }
  exchange.response.flushHeaders()
  const write = makeWrite(exchange)
  // A slow body moves in twenty steps a second.
  const step = Math.max(1, Math.min(body.byteLength, Math.ceil(responseBytesPerSecond / 20)))
  for (let offset = 0; offset < body.byteLength; offset += step) {
    await write(body.subarray(offset, offset + step))
  }
  exchange.response.end()
}

const sendEvents = async (exchange: Exchange, answer: EventsAnswer): Promise<void> => {
  writeHead(exchange, 200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" })
  exchange.response.flushHeaders()
  const write = makeWrite(exchange)
  for await (const event of answer.data(exchange.connection.signal)) {
    if (exchange.entry.events >= exchange.plan.cutAfterEvents) cut(exchange)
    await write(Buffer.from(typeof event === "string" ? `data: ${event}\n\n` : named(event)))
    exchange.journal.update(exchange.entry, { events: exchange.entry.events + 1 })
  }
  exchange.response.end()
}

const named = ({ data, event }: NamedEvent): string => `event: ${event}\ndata: ${data}\n\n`

/** Writes one piece of a response body after another, in the client's pace and the plan's. */
const makeWrite = (exchange: Exchange): ((piece: Uint8Array) => Promise<void>) => {
  const { plan, response } = exchange
  const { signal } = exchange.connection
  let written = 0
  return async (piece) => {
    if (plan.responseBytesPerSecond < Infinity) {
      await pause((piece.byteLength / plan.responseBytesPerSecond) * 1000, signal)
    }
    signal.throwIfAborted()
    const left = plan.cutResponseAfterBytes - written
    if (piece.byteLength > left) {
      if (left > 0) response.write(piece.subarray(0, left))
      cut(exchange)
    }
    written += piece.byteLength
    if (!response.write(piece)) await once(response, "drain", { signal })
  }
}
