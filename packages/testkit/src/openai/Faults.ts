/**
 * Scripted misbehaviour. A test says which account, which route and how often; the first fault in the order of
 * scripting that still applies is taken, at most one for each request.
 */
import type { WholeAnswer } from "./Answer.ts"
import { ApiError, bytes, json } from "./Answer.ts"
import type { RouteName } from "./Route.ts"

/** One way to misbehave. `delayMs` can be added to any of them, or stand alone. */
export type FaultKind = { readonly delayMs?: number | undefined } & (
  | {
      /** Answers this status once the whole request was read, in the place of performing the operation. */
      readonly status: number
      /** Seconds, for the `retry-after` header. */
      readonly retryAfter?: number | undefined
      /** A string is sent as it is; anything else as JSON. Default: OpenAI's error for the status. */
      readonly body?: unknown
      /** Answers from the request's headers alone, while the client may still be sending. */
      readonly early?: boolean | undefined
      /** Performs the operation all the same, as a proxy in between that gives up too soon. */
      readonly performed?: boolean | undefined
    }
  | {
      /**
       * Breaks the connection once more than this many bytes of a body have passed. A shorter body passes unharmed.
       * Of a request body no more than one read is taken beyond the limit.
       */
      readonly cutAfterBytes: number
      /** Which body. Default: the request's for uploads of files, the response's otherwise. */
      readonly of?: "request" | "response" | undefined
    }
  | {
      /** Reads the request, then says nothing until the client hangs up. */
      readonly hang: true
    }
  | {
      /** Waits so many milliseconds of real time between the end of the request and the answer. */
      readonly delayMs: number
    }
  | {
      /** Performs the operation, then breaks the connection without a single byte of an answer. */
      readonly acceptThenCut: true
    }
  | {
      /** Moves a body at this rate. */
      readonly slowBytesPerSecond: number
      /** Which body. Default: the request's for uploads of files, the response's otherwise. */
      readonly of?: "request" | "response" | undefined
    }
  | {
      /** Breaks the connection after so many server-sent events, the closing `[DONE]` being one of them. */
      readonly cutStreamAfterEvents: number
    }
)

export interface Fault {
  /** Name of the account. Default: every account. */
  readonly account?: string | undefined
  readonly route: RouteName
  /** How many requests meet the fault. Default: all, until it is cleared. */
  readonly times?: number | undefined
  readonly kind: FaultKind
}

/** A fault that was scripted. */
export interface ScriptedFault {
  /** How many requests have met it. */
  readonly hits: () => number
  /** Ends it. */
  readonly clear: () => void
}

/** What a fault means for one request, spelled out for the code that reads and writes. */
export interface FaultPlan {
  /** For the journal. */
  readonly name: string | undefined
  readonly delayMs: number
  /** Answered instead of the operation. */
  readonly answer: WholeAnswer | undefined
  readonly early: boolean
  /** Whether the operation is performed although its answer is another one. */
  readonly performed: boolean
  readonly hang: boolean
  readonly swallowAnswer: boolean
  readonly cutRequestAfterBytes: number
  readonly cutResponseAfterBytes: number
  readonly cutAfterEvents: number
  readonly requestBytesPerSecond: number
  readonly responseBytesPerSecond: number
}

/** The plan of a request that meets no fault. */
export const noFault: FaultPlan = {
  name: undefined,
  delayMs: 0,
  answer: undefined,
  early: false,
  performed: false,
  hang: false,
  swallowAnswer: false,
  cutRequestAfterBytes: Infinity,
  cutResponseAfterBytes: Infinity,
  cutAfterEvents: Infinity,
  requestBytesPerSecond: Infinity,
  responseBytesPerSecond: Infinity
}

export type Refuse = (cause: ApiError, headers?: Readonly<Record<string, string>>) => WholeAnswer

export interface Faults {
  readonly script: (fault: Fault) => ScriptedFault
  readonly clear: () => void
  /** The plan for the next request of this account on this route; uses up one of the fault's times. */
  readonly take: (account: string, route: RouteName) => FaultPlan
}

/** Makes an empty plan. `refuse` writes a refusal in the words of the API. */
export const make = (refuse: Refuse): Faults => {
  const scripted: Array<{ readonly fault: Fault; left: number; hits: number }> = []
  return {
    script: (fault) => {
      const state = { fault, left: fault.times ?? Infinity, hits: 0 }
      scripted.push(state)
      return {
        hits: () => state.hits,
        clear: () => {
          state.left = 0
        }
      }
    },
    clear: () => {
      scripted.length = 0
    },
    take: (account, route) => {
      const next = scripted.find(
        ({ fault, left }) =>
          left > 0 && fault.route === route && (fault.account === undefined || fault.account === account)
      )
      if (next === undefined) return noFault
      next.left -= 1
      next.hits += 1
      return plan(next.fault.kind, route, refuse)
    }
  }
}

/** Where the request's body is what matters. */
const uploads: ReadonlySet<RouteName> = new Set(["files.create", "files.upload"])

const plan = (kind: FaultKind, route: RouteName, refuse: Refuse): FaultPlan => {
  const base = { ...noFault, name: "delayMs", delayMs: kind.delayMs ?? 0 }
  const ofRequest = (of: "request" | "response" | undefined): boolean =>
    (of ?? (uploads.has(route) ? "request" : "response")) === "request"

  if ("status" in kind) {
    const { early = false, performed = false } = kind
    return { ...base, name: "status", answer: refusal(kind, refuse), early, performed }
  }
  if ("hang" in kind) return { ...base, name: "hang", hang: true }
  if ("acceptThenCut" in kind) return { ...base, name: "acceptThenCut", swallowAnswer: true }
  if ("cutAfterBytes" in kind) {
    return ofRequest(kind.of)
      ? { ...base, name: "cutAfterBytes", cutRequestAfterBytes: kind.cutAfterBytes }
      : { ...base, name: "cutAfterBytes", cutResponseAfterBytes: kind.cutAfterBytes }
  }
  if ("slowBytesPerSecond" in kind) {
    return ofRequest(kind.of)
      ? { ...base, name: "slowBytesPerSecond", requestBytesPerSecond: kind.slowBytesPerSecond }
      : { ...base, name: "slowBytesPerSecond", responseBytesPerSecond: kind.slowBytesPerSecond }
  }
  if ("cutStreamAfterEvents" in kind) {
    return { ...base, name: "cutStreamAfterEvents", cutAfterEvents: kind.cutStreamAfterEvents }
  }
  return base
}

const refusal = (
  kind: {
    readonly status: number
    readonly retryAfter?: number | undefined
    readonly body?: unknown
  },
  refuse: Refuse
): WholeAnswer => {
  const headers = kind.retryAfter === undefined ? {} : { "retry-after": String(kind.retryAfter) }
  if (kind.body === undefined) return refuse(standardError(kind.status), headers)
  if (typeof kind.body === "string") {
    return bytes(kind.status, { "content-type": "text/plain; charset=utf-8", ...headers }, Buffer.from(kind.body))
  }
  return json(kind.status, kind.body, headers)
}

const standardError = (status: number): ApiError => {
  if (status === 429) {
    return new ApiError(status, "Rate limit reached for requests", { type: "requests", code: "rate_limit_exceeded" })
  }
  if (status >= 500) {
    const message = "The server had an error while processing your request. Sorry about that!"
    return new ApiError(status, message, { type: "server_error" })
  }
  return new ApiError(status, `The request was refused with status ${status}.`)
}
