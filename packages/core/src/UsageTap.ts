/**
 * Usage as a hook: what a provider says that a call has used is counted. Of an answer that comes in parts only the
 * beginning and the end are kept, which is where providers say it.
 */
import * as Effect from "effect/Effect"
import { ownerOf } from "./Access.ts"
import * as Bytes from "./Bytes.ts"
import { type Answer, type Call, type Hook, isModelCall } from "./Hooks.ts"
import { header, type Observer, type TransportResponse } from "./HttpTransport.ts"
import type { Served } from "./ServedAnswer.ts"
import { Settings } from "./Settings.ts"
import * as Usage from "./Usage.ts"
import { UsageLedger } from "./UsageLedger.ts"

/** Bytes of an answer that are kept from its beginning and from its end. */
const headLength = 8 * 1024
const tailLength = 64 * 1024

const decoder = new TextDecoder()

/** Keeps what is needed of a body that passes, and says at its end what it has reported. */
class Meter implements Observer {
  readonly #report: (tokens: Usage.Tokens | null) => void
  readonly #head: Array<Uint8Array> = []
  readonly #tail: Array<Uint8Array> = []
  #headBytes = 0
  #tailBytes = 0
  #ended = false

  constructor(report: (tokens: Usage.Tokens | null) => void) {
    this.#report = report
  }

  chunk(bytes: Uint8Array): void {
    if (this.#headBytes < headLength) {
      this.#head.push(bytes)
      this.#headBytes += bytes.length
      return
    }
    this.#tail.push(bytes)
    this.#tailBytes += bytes.length
    for (let first = this.#tail[0]; first !== undefined && this.#tailBytes - first.length >= tailLength;) {
      this.#tail.shift()
      this.#tailBytes -= first.length
      first = this.#tail[0]
    }
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    const kept = [...this.#head, ...this.#tail]
    // Where nothing was left out, no line is cut in two.
    this.#report(Usage.ofParts(decoder.decode(Bytes.concat(kept))))
  }
}

/** The same answer, whose body an observer sees. */
const watched = (response: TransportResponse, observer: Observer): TransportResponse => {
  const { body, cancel, complete, headers, status } = response
  if (response.observe !== undefined) {
    response.observe(observer)
    return response
  }
  const source: Bytes.Bytes = {
    async *[Symbol.asyncIterator]() {
      try {
        for await (const chunk of body) {
          observer.chunk(chunk)
          yield chunk
        }
      } finally {
        observer.end()
      }
    }
  }
  return {
    status,
    headers,
    complete,
    body: source,
    cancel: () => {
      cancel()
      observer.end()
    }
  }
}

const isEncoded = (response: TransportResponse): boolean =>
  (header(response, "content-encoding") ?? "identity") !== "identity"

const isEvents = (response: TransportResponse): boolean =>
  header(response, "content-type")?.startsWith("text/event-stream") === true

type ServedAnswer = Extract<Answer, Served>

/** The answer of a call that a deployment has served now. Counting tokens uses none. */
const servedBy = (call: Call, answer: Answer): ServedAnswer | null =>
  isModelCall(call) &&
  answer._tag !== "CountTokens" &&
  "response" in answer &&
  "deployment" in answer &&
  answer.replayed !== true
    ? answer
    : null

export const make: Effect.Effect<Hook, never, UsageLedger> = Effect.gen(function* () {
  const ledger = yield* UsageLedger
  const { usage } = yield* Settings
  if (!usage) return { name: "usage" }

  const tap = (call: Call, answer: ServedAnswer): Answer => {
    const { deployment, response } = answer
    const { account, modelName } = deployment
    const owner = ownerOf(call.principal)
    const report = (tokens: Usage.Tokens | null): void =>
      ledger.count({ owner, model: modelName, account, tokens: tokens ?? Usage.none })
    const { complete } = response
    if (complete === null) {
      const meter = new Meter((tokens) => report(tokens ?? response.used?.() ?? null))
      if (!isEncoded(response)) return { ...answer, response: watched(response, meter) }
      report(null)
      return answer
    }
    // Nothing was asked: see `Facade.resolve`.
    if (complete.length === 0) return answer
    if (isEncoded(response)) report(null)
    else if (isEvents(response)) report(Usage.ofParts(decoder.decode(complete)))
    else report(answer._tag === "ChatCompletion" ? Usage.ofChat(complete) : Usage.ofJson(complete))
    return answer
  }

  return {
    name: "usage",
    postCall: (call, answer) => {
      const served = servedBy(call, answer)
      return served === null || served.replayed === true ? Effect.succeed(answer) : Effect.sync(() => tap(call, served))
    }
  }
})
