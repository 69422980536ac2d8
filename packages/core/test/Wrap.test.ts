import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { Account, defaultPolicy, Deployment } from "../src/Account.ts"
import * as Bytes from "../src/Bytes.ts"
import type { CredentialSource } from "../src/Credentials.ts"
import type { ProviderCall } from "../src/Provider.ts"
import type { ProviderError } from "../src/ProviderError.ts"
import type { ProviderAccount } from "../src/Upstream.ts"
import * as Wrap from "../src/Wrap.ts"
import { wire } from "./support/wire.ts"

const target: ProviderAccount = {
  provider: wire,
  account: new Account({
    id: "east",
    provider: "wire",
    baseUrl: "https://east.provider.test/v1",
    apiKey: Redacted.make("sk-very-secret"),
    headers: { "x-project": "project-secret" },
    exclusive: true,
    policy: defaultPolicy
  })
}

/** What a token source hands out in the place of the account's key. */
const credentials: CredentialSource = { secretOf: () => Effect.succeed(Redacted.make("token-1")) }

const deployment = new Deployment({ id: "d", account: "east", modelName: "m", model: "east-model", weight: 1 })

const chunks = Bytes.fromArray(new TextEncoder().encode('{"model":'), new TextEncoder().encode('"east-model"}'))

const call: ProviderCall = {
  name: "chat.completions",
  method: "POST",
  path: "/chat/completions",
  headers: {},
  body: { bytes: chunks, length: chunks.length },
  idempotent: false
}

const attempt = (handler: Wrap.Handler<Readonly<Record<string, unknown>>>) =>
  Wrap.send(handler, false, "chat", credentials)(target, call, deployment)

/** How an error with these fields is understood. */
const failureOf = (thrown: unknown) =>
  Effect.flip(
    Effect.scoped(
      attempt(() => {
        throw thrown
      })
    )
  )

/** The message of an error is not enumerable. */
const fieldsOf = ({ reason }: ProviderError): object => ({ ...reason, message: reason.message })

class APIConnectionError extends Error {}
class APIConnectionTimeoutError extends APIConnectionError {}

describe("a wrapped handler", () => {
  it.effect("is given the deployment, its account and the body that was made for it", () =>
    Effect.gen(function* () {
      let seen: unknown
      const response = yield* attempt(({ account, body, bytes, deployment: chosen, signal }) => {
        seen = { account, body, text: new TextDecoder().decode(bytes), model: chosen.model, aborted: signal.aborted }
        return { answered: true }
      })
      assert.deepStrictEqual(seen, {
        account: {
          id: "east",
          provider: "wire",
          baseUrl: "https://east.provider.test/v1",
          apiKey: "token-1",
          authorization: { authorization: "Bearer token-1" },
          headers: { "x-project": "project-secret" }
        },
        body: { model: "east-model" },
        text: '{"model":"east-model"}',
        model: "east-model",
        aborted: false
      })
      assert.strictEqual(
        new TextDecoder().decode(yield* Effect.promise(() => Bytes.collect(response.body))),
        '{"answered":true}'
      )
    })
  )

  it.effect("hears of the end of the call, and its stream is given up with it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      let signal: AbortSignal | undefined
      const ended = Promise.withResolvers<void>()
      yield* Scope.provide(
        attempt((given) => {
          signal = given.signal
          return (async function* () {
            try {
              yield { n: 1 }
              yield { n: 2 }
            } finally {
              ended.resolve()
            }
          })()
        }),
        scope
      )
      assert.isFalse(signal?.aborted)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(signal?.aborted)
      yield* Effect.promise(() => ended.promise)
    })
  )

  it.effect("hears of an interruption while it waits, and an answer that comes too late is given up", () =>
    Effect.gen(function* () {
      let signal: AbortSignal | undefined
      const late = Promise.withResolvers<object>()
      const cancelled = Promise.withResolvers<void>()
      const fiber = yield* attempt((given) => {
        signal = given.signal
        return late.promise
      }).pipe(Effect.scoped, Effect.forkChild({ startImmediately: true }))
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* Fiber.interrupt(fiber)
      assert.isTrue(signal?.aborted)
      late.resolve(new ReadableStream({ start: (c) => c.enqueue("x"), cancel: () => cancelled.resolve() }))
      yield* Effect.promise(() => cancelled.promise)
    })
  )

  it.effect("makes way for the next deployment by what it throws of the provider", () =>
    Effect.gen(function* () {
      const throttled = yield* failureOf({ status: 429, headers: new Headers({ "retry-after": "7" }) })
      assert.deepInclude(fieldsOf(throttled), { _tag: "Throttled", retryAfter: 7000 })
      const faulty = yield* failureOf({
        statusCode: 503,
        responseBody: "sk-very-secret, token-1: down",
        responseHeaders: {}
      })
      assert.deepInclude(fieldsOf(faulty), { _tag: "Faulty", status: 503, message: "[redacted], [redacted]: down" })
      assert.strictEqual((yield* failureOf({ status: 401 })).reason._tag, "Unauthorized")
      for (const thrown of [
        new APIConnectionTimeoutError(),
        Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error(), { code: "ETIMEDOUT" }) }),
        new DOMException("too late", "TimeoutError")
      ]) {
        const error = yield* failureOf(thrown)
        assert.deepInclude(fieldsOf(error), { _tag: "Unreachable", timedOut: true })
        assert.isTrue(error.retryable && error.maybeAccepted)
      }
      const refused = Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNREFUSED" } })
      assert.deepInclude({ ...(yield* failureOf(refused)) }, { maybeAccepted: false })
      assert.strictEqual((yield* failureOf(new APIConnectionError())).reason._tag, "Unreachable")
    })
  )

  it.effect("passes a refusal on, thrown by either official client or answered", () =>
    Effect.gen(function* () {
      const error = { message: "no such thing", type: "invalid_request_error", param: "messages", code: "c" }
      const answered = yield* Effect.flip(Effect.scoped(attempt(() => ({ status: 400, body: { error } }))))
      const thrown = yield* failureOf(Object.assign(new Error("400 no such thing"), { status: 400, error }))
      const whole = yield* failureOf({ status: 400, error: { error, type: "error" } })
      for (const refusal of [answered, thrown, whole]) {
        assert.deepInclude(fieldsOf(refusal), { _tag: "Rejected", status: 400, ...error })
      }
      const bare = yield* failureOf(Object.assign(new Error("teapot"), { status: 418 }))
      assert.deepInclude(fieldsOf(bare), { _tag: "Rejected", status: 418, message: "teapot" })
    })
  )

  it.effect("fails as the host's own when it is mistaken, or refuses its client itself", () =>
    Effect.gen(function* () {
      for (const thrown of [
        new TypeError("x is undefined"),
        "a string",
        undefined,
        { status: 403, expose: true },
        { status: 200 },
        Object.assign(new Error(), { code: "ENOENT" })
      ]) {
        const exit = yield* Effect.exit(
          Effect.scoped(
            attempt(() => {
              throw thrown
            })
          )
        )
        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.instanceOf(defect, Wrap.HandlerDefect)
        assert.strictEqual(defect.cause, thrown)
      }
      const nothing = yield* Effect.exit(Effect.scoped(attempt(() => undefined as unknown as object)))
      assert.isTrue(Exit.isFailure(nothing) && Cause.hasDies(nothing.cause))
    })
  )
})
