/**
 * The HTTP server of an emulator: finds account and route, lets the fault plan have its say, answers, journals.
 */
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Account } from "./Account.ts"
import * as Accounts from "./Account.ts"
import type { Answer } from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import type { Dialect } from "./Dialect.ts"
import type { Faults } from "./Faults.ts"
import { noFault } from "./Faults.ts"
import type { Exchange } from "./Http.ts"
import { drain, hang, isGone, pause, send } from "./Http.ts"
import type { Journal, JournalEntry } from "./Journal.ts"
import { redactHeaders } from "./Journal.ts"
import { match } from "./Route.ts"
import type { Match, Route } from "./Route.ts"

export interface Settings {
  readonly dialect: Dialect
  readonly accounts: ReadonlyArray<Account>
  readonly journal: Journal
  readonly faults: Faults
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly keepBytes: number
}

export interface RunningServer {
  readonly port: number
  /** Breaks every connection and frees the port. */
  readonly close: () => Promise<void>
}

/** Listens on 127.0.0.1; port 0 asks for a free one. Rejects when the port is taken. */
export const listen = async (settings: Settings, port: number): Promise<RunningServer> => {
  const server = createServer((request, response) => void handle(settings, request, response))
  // A slow upload may take its time; the emulator has no operator to protect.
  server.requestTimeout = 0
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", () => {
      server.removeListener("error", reject)
      resolve()
    })
  })
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the server listens on no TCP port")
  let closed: Promise<void> | undefined
  return {
    port: address.port,
    close: () =>
      (closed ??= new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }))
  }
}

/** Never rejects. */
const handle = async (settings: Settings, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const url = URL.parse(request.url ?? "/", "http://127.0.0.1") ?? new URL("http://127.0.0.1")
  const method = request.method ?? "GET"
  const { dialect } = settings
  const account = dialect.accountOf({ headers: request.headers, url }, settings.accounts)
  const matched = match(dialect.routes, method, url)
  const route = matched._tag === "Found" ? matched.route : undefined
  const plan = account === undefined || route === undefined ? noFault : settings.faults.take(account.name, route.name)
  const entry = newEntry(request, { at: settings.now(), account, route, fault: plan.name })
  const connection = new AbortController()
  settings.journal.add(entry)
  response.once("close", () => {
    const aborted = !response.writableFinished && !entry.cut
    connection.abort(new Error("the connection is closed"))
    settings.journal.update(entry, { aborted, done: true })
  })

  const exchange: Exchange = {
    request,
    response,
    query: url.searchParams,
    params: matched._tag === "Found" ? matched.params : {},
    account: account ?? nobody,
    answerHeaders: dialect.answerHeaders,
    plan,
    journal: settings.journal,
    entry,
    connection,
    now: settings.now,
    keepBytes: settings.keepBytes
  }
  try {
    await send(exchange, await answer(exchange, matched, dialect))
  } catch (error) {
    if (isGone(exchange)) return
    // Only a defect of the emulator fails after the head was written: the client must not take the rest for an answer.
    if (response.headersSent) request.socket.destroy()
    else await send(exchange, refusal(error, dialect)).catch(() => request.socket.destroy())
  }
}

/** Stands in where no account is known; no route ever sees it. */
const nobody = Accounts.make({ key: "", name: "" }, { now: () => 0, stream: undefined, newFileId: () => "" })

const answer = async (exchange: Exchange, matched: Match, dialect: Dialect): Promise<Answer> => {
  const { account, connection, plan, request } = exchange
  if (matched._tag !== "Found" || account === nobody) {
    await drain(exchange)
    throw matched._tag === "Found" ? dialect.unauthorized(request.headers) : noRoute(request, matched._tag)
  }
  if (plan.early && plan.answer !== undefined) return plan.answer
  const operation = await matched.route.receive(exchange)
  const delayMs = account.latencyMs + plan.delayMs
  if (delayMs > 0) await pause(delayMs, connection.signal)
  if (plan.hang) return hang(connection.signal)
  if (plan.answer === undefined) return operation()
  if (plan.performed) await operation()
  return plan.answer
}

const noRoute = (request: IncomingMessage, tag: "WrongMethod" | "Unknown"): ApiError => {
  const path = request.url ?? "/"
  if (tag === "Unknown") return new ApiError(404, `Invalid URL (${request.method} ${path})`)
  const message = `Not allowed to ${request.method} on ${path}. (HINT: Perhaps you meant to use a different HTTP method?)`
  return new ApiError(405, message, { code: "method_not_supported" })
}

const refusal = (error: unknown, dialect: Dialect): Answer => {
  if (error instanceof ApiError) return dialect.error(error)
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return dialect.error(new ApiError(500, `The emulator failed: ${message}`, { type: "emulator_error" }))
}

const newEntry = (
  request: IncomingMessage,
  known: {
    readonly at: number
    readonly account: Account | undefined
    readonly route: Route | undefined
    readonly fault: string | undefined
  }
): JournalEntry => {
  const contentLength = request.headers["content-length"]
  return {
    at: known.at,
    account: known.account?.name,
    route: known.route?.name,
    method: request.method ?? "GET",
    path: request.url ?? "/",
    headers: redactHeaders(request.headers),
    contentLength: contentLength === undefined ? undefined : Number(contentLength),
    chunked: /chunked/i.test(request.headers["transfer-encoding"] ?? ""),
    bytes: 0,
    upload: undefined,
    body: undefined,
    fault: known.fault,
    status: undefined,
    events: 0,
    cut: false,
    aborted: false,
    done: false
  }
}
