import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as fc from "fast-check"
import { Account, CallPolicy, defaultPolicy } from "../src/Account.ts"
import * as Bytes from "../src/Bytes.ts"
import * as FailedAnswer from "../src/FailedAnswer.ts"
import { HttpTransport, type TransportResponse } from "../src/HttpTransport.ts"
import type { ProviderCall } from "../src/Provider.ts"
import type { ProviderError } from "../src/ProviderError.ts"
import * as Upstream from "../src/Upstream.ts"
import * as FakeProvider from "./support/FakeProvider.ts"
import { answer, encode, type Fault } from "./support/FakeProvider.ts"
import { advance, settle } from "./support/time.ts"
import { wire } from "./support/wire.ts"

const target = (policy: Partial<typeof CallPolicy.Type> = {}): Upstream.ProviderAccount => ({
  provider: wire,
  account: new Account({
    id: "east",
    provider: "wire",
    baseUrl: "https://east.provider.test/v1",
    apiKey: Redacted.make("sk-very-secret"),
    headers: { "x-project": "project-secret" },
    exclusive: true,
    policy: new CallPolicy({ ...defaultPolicy, attempts: 3, ...policy })
  })
})

interface Fixture {
  readonly upstream: Upstream.Upstream["Service"]
  readonly account: FakeProvider.FakeAccount
}

const over = (transport: HttpTransport["Service"]) =>
  Upstream.layer.pipe(Layer.provide(Layer.succeed(HttpTransport, transport)))

const test = <E>(name: string, run: (fixture: Fixture) => Effect.Effect<void, E, Scope.Scope>) =>
  it.effect(name, () => {
    const provider = FakeProvider.make("east")
    return Effect.flatMap(Upstream.Upstream, (upstream) => run({ upstream, account: provider.account("east") })).pipe(
      Effect.provide(over(provider.transport)),
      Random.withSeed("upstream")
    )
  })

const retrieve = wire.files.retrieve("file-x")
const remove = wire.files.remove("file-x")

const create = (content = "content"): ProviderCall => {
  const step = wire.files.create({
    filename: "a.txt",
    contentType: "text/plain",
    mediaType: "text/plain",
    purpose: "user_data",
    bytes: Bytes.fromArray(encode(content)),
    length: content.length,
    expiresAfter: null,
    nonce: "nonce"
  })
  assert(step._tag === "Call")
  return step.call
}

/** A whole request, run until it ends however long it waits. */
const complete = Effect.fnUntraced(function* <A>(
  upstream: Upstream.Upstream["Service"],
  call: ProviderCall | Effect.Effect<ProviderCall>,
  decode: (body: unknown) => Result.Result<A, string>,
  policy?: Partial<typeof CallPolicy.Type>
) {
  const started = yield* Clock.currentTimeMillis
  const fiber = yield* upstream
    .request(target(policy), Effect.isEffect(call) ? call : Effect.succeed(call), decode)
    .pipe(
      Effect.result,
      Effect.flatMap((result) => Effect.map(Clock.currentTimeMillis, (now) => ({ result, took: now - started }))),
      Effect.forkChild({ startImmediately: true })
    )
  while (fiber.pollUnsafe() === undefined) yield* advance(1_000, 50)
  return yield* Fiber.join(fiber)
})

const failureOf = (result: Result.Result<unknown, ProviderError>): ProviderError => {
  if (Result.isSuccess(result)) return assert.fail("it succeeded")
  return result.failure
}

const accept = Result.succeed

describe("Upstream", () => {
  const classified: ReadonlyArray<
    readonly [name: string, fault: Fault, tag: ProviderError["reason"]["_tag"], retryable: boolean]
  > = [
    ["400", answer(400), "Rejected", false],
    ["404", answer(404), "Rejected", false],
    ["409", answer(409), "Rejected", false],
    ["413", answer(413), "Rejected", false],
    ["422", answer(422), "Rejected", false],
    ["401", answer(401), "Unauthorized", false],
    ["403", answer(403), "Unauthorized", false],
    ["408", answer(408), "Faulty", true],
    ["429", answer(429), "Throttled", true],
    ["500", answer(500), "Faulty", true],
    ["502", answer(502), "Faulty", true],
    ["503", answer(503), "Faulty", true],
    ["529", answer(529), "Faulty", true],
    ["302", answer(302), "Faulty", true],
    ["no connection", { _tag: "Refuse" }, "Unreachable", true],
    ["a connection that breaks while the body goes out", { _tag: "Cut", after: "part" }, "Unreachable", true],
    ["a connection that breaks after the body", { _tag: "Cut", after: "all" }, "Unreachable", true],
    ["an answer that breaks off", { _tag: "CutAnswer", at: "body" }, "Unreachable", true],
    ["an answer that is no JSON", { _tag: "Answer", status: 200, body: "<html>" }, "Unintelligible", false],
    ["an answer of another shape", { _tag: "Answer", status: 200, body: { ok: true } }, "Unintelligible", false]
  ]
  for (const [name, fault, tag, retryable] of classified) {
    test(`takes ${name} for ${tag}, ${retryable ? "which" : "which nobody"} may try again`, ({ account, upstream }) =>
      Effect.gen(function* () {
        account.script("create", fault)
        const { result } = yield* complete(upstream, create(), wire.files.decodeFile, { attempts: 1 })
        const error = failureOf(result)
        assert.strictEqual(error.reason._tag, tag)
        assert.strictEqual(error.retryable, retryable)
        assert.strictEqual(error.account, "east")
        assert.strictEqual(error.call, "files.create")
        assert.include(error.message, "account east")
        assert.strictEqual(error.absent, name === "404")
      }))
  }

  test("passes on what the provider says is wrong", ({ account, upstream }) =>
    Effect.gen(function* () {
      const error = { message: "Bad purpose", type: "invalid_request_error", param: "purpose", code: "bad_purpose" }
      account.script("create", { _tag: "Answer", status: 400, body: { error } })
      const { result } = yield* complete(upstream, create(), accept)
      const { reason } = failureOf(result)
      if (reason._tag !== "Rejected") return assert.fail(reason._tag)
      const { code, message, param, status, type } = reason
      assert.deepStrictEqual({ code, message, param, status, type }, { ...error, status: 400 })
      assert.include(failureOf(result).summary, "Bad purpose")
    }))

  test("says that a call may have been accepted only if it may have been, and matters", ({ account, upstream }) =>
    Effect.gen(function* () {
      const faults: ReadonlyArray<readonly [Fault, boolean]> = [
        [{ _tag: "Refuse" }, false],
        [{ _tag: "Cut", after: "part" }, false],
        [{ _tag: "Cut", after: "all" }, true],
        [{ _tag: "CutAnswer", at: "head" }, true],
        [{ _tag: "CutAnswer", at: "body" }, true],
        [{ _tag: "Answer", status: 200, body: "garbage" }, true],
        [answer(500), true],
        [answer(502), true],
        [answer(504), true],
        [answer(503), false],
        [answer(429), false],
        [answer(400), false]
      ]
      for (const [fault, maybe] of faults) {
        account.script("create", fault)
        const { result } = yield* complete(upstream, create(), wire.files.decodeFile, { attempts: 1 })
        assert.strictEqual(failureOf(result).maybeAccepted, maybe, JSON.stringify(fault))
        account.script("retrieve", fault)
        const again = yield* complete(upstream, retrieve, wire.files.decodeFile, { attempts: 1 })
        assert.isFalse(failureOf(again.result).maybeAccepted, JSON.stringify(fault))
      }
    }))

  describe("tries again", () => {
    const repeated: ReadonlyArray<readonly [name: string, fault: Fault]> = [
      ["429", answer(429)],
      ["503", answer(503)],
      ["no connection", { _tag: "Refuse" }],
      ["a connection that broke before all was sent", { _tag: "Cut", after: "part" }]
    ]
    for (const [name, fault] of repeated) {
      test(`after ${name}, with the whole body`, ({ account, upstream }) =>
        Effect.gen(function* () {
          account.script("create", fault, fault)
          const { result, took } = yield* complete(
            upstream,
            Effect.sync(() => create("the whole content")),
            wire.files.decodeFile
          )
          assert.isTrue(Result.isSuccess(result))
          assert.deepStrictEqual(
            [...account.files.values()].map(({ content }) => FakeProvider.decode(content)),
            ["the whole content"]
          )
          // Two pauses with full jitter, below 500 ms and 1 s.
          assert.isAbove(took, 0)
          assert.isAtMost(took, 1_500 + 100)
        }))

      test(`after ${name} as often as the policy says and no more`, ({ account, upstream }) =>
        Effect.gen(function* () {
          let made = 0
          account.always("create", fault)
          const counted = Effect.sync(() => {
            made++
            return create()
          })
          const { result } = yield* complete(upstream, counted, wire.files.decodeFile, { attempts: 4 })
          failureOf(result)
          assert.strictEqual(made, 4)
        }))
    }

    const once: ReadonlyArray<readonly [name: string, fault: Fault]> = [
      ["400", answer(400)],
      ["401", answer(401)],
      ["403", answer(403)],
      ["404", answer(404)],
      ["500, which may come after the deed", answer(500)],
      ["a connection that broke after all was sent", { _tag: "Cut", after: "all" }],
      ["an answer that got lost", { _tag: "CutAnswer", at: "head" }],
      ["an answer that broke off", { _tag: "CutAnswer", at: "body" }],
      ["an answer that cannot be understood", { _tag: "Answer", status: 200, body: "?" }]
    ]
    for (const [name, fault] of once) {
      test(`never an upload after ${name}`, ({ account, upstream }) =>
        Effect.gen(function* () {
          account.script("create", fault)
          const { result } = yield* complete(
            upstream,
            Effect.sync(() => create()),
            wire.files.decodeFile
          )
          failureOf(result)
          assert.strictEqual(account.calls("create").length, 1)
        }))
    }

    test("a deletion although the first may have been done: twice is the same as once", ({ account, upstream }) =>
      Effect.gen(function* () {
        yield* complete(upstream, create(), wire.files.decodeFile)
        const [file] = account.files.values()
        account.script("delete", { _tag: "CutAnswer", at: "head" })
        const { result } = yield* complete(upstream, wire.files.remove(file?.id ?? ""), accept)
        assert.isTrue(failureOf(result).absent)
        assert.strictEqual(account.calls("delete").length, 2)
        assert.strictEqual(account.files.size, 0)
      }))

    test("a look-up whose answer broke off", ({ account, upstream }) =>
      Effect.gen(function* () {
        account.script("list", { _tag: "CutAnswer", at: "body" }, { _tag: "Cut", after: "all" })
        const { result } = yield* complete(upstream, wire.files.list(null), wire.files.decodePage)
        assert.isTrue(Result.isSuccess(result))
        assert.strictEqual(account.calls("list").length, 3)
      }))

    test("not before the time that a 429 asks for", ({ account, upstream }) =>
      Effect.gen(function* () {
        account.script("retrieve", answer(429, "slow down", { "retry-after": "7" }), answer(404))
        const { took } = yield* complete(upstream, retrieve, accept)
        assert.isAtLeast(took, 7_000)
        assert.isAtMost(took, 7_100)
      }))

    test("not at all where a 429 asks for more patience than a caller has", ({ account, upstream }) =>
      Effect.gen(function* () {
        account.script("retrieve", answer(429, "slow down", { "retry-after": "31" }))
        const { result, took } = yield* complete(upstream, retrieve, accept)
        assert.deepInclude({ ...failureOf(result).reason }, { _tag: "Throttled", retryAfter: 31_000 })
        assert.strictEqual(account.calls("retrieve").length, 1)
        assert.isBelow(took, 100)
      }))

    test("after pauses that differ from call to call", ({ account, upstream }) =>
      Effect.gen(function* () {
        const pauses = new Set<number>()
        for (let call = 0; call < 12; call++) {
          account.script("retrieve", answer(503), answer(404))
          pauses.add((yield* complete(upstream, retrieve, accept)).took)
        }
        assert.isAbove(pauses.size, 3)
        assert.isAtMost(Math.max(...pauses), 500 + 50)
      }))
  })

  it("reads retry-after in seconds and as a date", () => {
    const now = Date.UTC(2030, 0, 1)
    const cases: ReadonlyArray<readonly [value: string | undefined, millis: number | null]> = [
      [undefined, null],
      ["", null],
      ["soon", null],
      ["0", 0],
      ["3", 3_000],
      ["0.25", 250],
      ["-5", 0],
      ["Tue, 01 Jan 2030 00:00:09 GMT", 9_000],
      ["Mon, 31 Dec 2029 00:00:00 GMT", 0]
    ]
    for (const [value, millis] of cases) assert.strictEqual(FailedAnswer.parseRetryAfter(value, now), millis, value)
  })

  describe("of an answer", () => {
    const sent = Effect.fnUntraced(function* (account: FakeProvider.FakeAccount, upstream: Fixture["upstream"]) {
      yield* complete(upstream, create(), wire.files.decodeFile)
      const [file] = account.files.values()
      return yield* upstream.send(target(), wire.files.content(file?.id ?? ""))
    })

    test("gives up the body that nobody has read when the scope closes", ({ account, upstream }) =>
      Effect.gen(function* () {
        yield* Effect.scoped(sent(account, upstream))
        assert.strictEqual(account.cancelled, 1)
      }))

    test("gives up nothing that has been read to its end", ({ account, upstream }) =>
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const response: TransportResponse = yield* sent(account, upstream)
            const bytes = yield* Effect.promise(() => Bytes.collect(response.body))
            assert.strictEqual(FakeProvider.decode(bytes), "content")
          })
        )
        assert.strictEqual(account.cancelled, 0)
      }))

    test("gives up the body of a refusal at once, not with the scope", ({ account, upstream }) =>
      Effect.gen(function* () {
        account.script("chat", answer(429), answer(401))
        const at = { account: target().account, model: "gpt", headers: {} }
        const call = wire.chatCompletion?.(encode("{}"), at)
        assert(call !== undefined)
        yield* Effect.flip(upstream.send(target(), call))
        yield* Effect.flip(upstream.send(target(), call))
        assert.strictEqual(account.cancelled, 2)
      }))

    it.effect("does not wait for the words of a refusal for longer than a few seconds", () =>
      Effect.gen(function* () {
        let cancelled = 0
        const silent: TransportResponse = {
          status: 500,
          headers: {},
          complete: null,
          body: { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) },
          cancel: () => void cancelled++
        }
        const fiber = yield* Effect.flatMap(Upstream.Upstream, (upstream) => upstream.send(target(), retrieve)).pipe(
          Effect.provide(over(HttpTransport.of({ send: () => Effect.succeed(silent) }))),
          Effect.scoped,
          Effect.flip,
          Effect.forkChild({ startImmediately: true })
        )
        yield* advance(5_000)
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.reason._tag, "Faulty")
        assert.isAtLeast(cancelled, 1)
      })
    )
  })

  test("an interruption reaches the provider at once", ({ account, upstream }) =>
    Effect.gen(function* () {
      account.script("create", { _tag: "Hang", done: false })
      const fiber = yield* Effect.forkChild(upstream.request(target(), Effect.succeed(create()), accept), {
        startImmediately: true
      })
      yield* settle
      assert.strictEqual(account.active.get("create"), 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(account.active.get("create"), 0)
      assert.strictEqual(account.calls("create")[0]?.outcome, "interrupted")
    }))

  test("an interruption ends a pause", ({ account, upstream }) =>
    Effect.gen(function* () {
      account.always("retrieve", answer(429, "", { "retry-after": "20" }))
      const fiber = yield* Effect.forkChild(upstream.request(target(), Effect.succeed(retrieve), accept), {
        startImmediately: true
      })
      yield* advance(1_000)
      yield* Fiber.interrupt(fiber)
      yield* advance(60_000, 10_000)
      assert.strictEqual(account.calls("retrieve").length, 1)
    }))

  test("sends credentials and the account's own headers", ({ account, upstream }) =>
    Effect.gen(function* () {
      yield* complete(upstream, remove, accept)
      const headers = account.calls("delete")[0]?.request.headers
      assert.strictEqual(headers?.["authorization"], "Bearer sk-very-secret")
      assert.strictEqual(headers?.["x-project"], "project-secret")
    }))

  describe("redaction", () => {
    const token = fc.stringMatching(/^[A-Za-z0-9+/=._$^*()[\]{}|\\?-]{8,40}$/)
    const refusals = fc.record({
      key: token,
      header: token,
      host: fc.stringMatching(/^[a-z]{6,12}\.[a-z]{3,8}$/),
      port: fc.option(fc.integer({ min: 1024, max: 65_535 })),
      status: fc.constantFrom(400, 404, 408, 422, 500, 503),
      shape: fc.constantFrom("error", "text", "field", "garbage" as const),
      filler: fc.string({ maxLength: 600 }),
      glue: fc.constantFrom("", " ", "x")
    })
    type Case = typeof refusals extends fc.Arbitrary<infer A> ? A : never

    const bodyOf = ({ shape }: Case, text: string): unknown => {
      switch (shape) {
        case "error":
          return { error: { message: text, type: null, param: null, code: null } }
        case "field":
          return { error: { message: "m", type: text, param: text, code: text } }
        default:
          return text
      }
    }

    /** All that anybody gets to read of an error. */
    const textOf = (error: ProviderError): string => {
      const { reason } = error
      return [error.message, error.summary, reason.message, JSON.stringify({ ...reason })].join("\n")
    }

    it.effect("neither the key nor headers nor the host are in any text of an error", () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(refusals, async (example) => {
            const { filler, glue, header, host, key, port, shape, status } = example
            const origin = port === null ? host : `${host}:${port}`
            const secrets = [key, header, host, origin, `https://${origin}/v1`]
            const text = filler + secrets.join(glue) + glue + filler + secrets.toReversed().join(glue)
            const account = new Account({
              ...target().account,
              baseUrl: `https://${origin}/v1`,
              apiKey: Redacted.make(key),
              headers: { "x-secret": header },
              policy: new CallPolicy({ ...defaultPolicy, attempts: 1 })
            })
            const body = bodyOf(example, text)
            const bytes = encode(typeof body === "string" ? body : JSON.stringify(body))
            const response = (code: number): TransportResponse => ({
              status: code,
              headers: {},
              complete: null,
              body: Bytes.fromArray(bytes),
              cancel: () => {}
            })
            const send = HttpTransport.of({
              send: () => Effect.succeed(response(shape === "garbage" ? 200 : status))
            })
            const decode = () => Result.fail(text)
            const error = await Effect.runPromise(
              Effect.flatMap(Upstream.Upstream, (upstream) =>
                Effect.flip(upstream.request({ account, provider: wire }, Effect.succeed(retrieve), decode))
              ).pipe(Effect.provide(over(send)))
            )
            const seen = textOf(error)
            for (const secret of [key, header, host]) {
              // The filler may happen to contain a secret's text in another case; it is hidden all the same.
              assert.notInclude(seen, JSON.stringify(secret).slice(1, -1))
              assert.notInclude(seen, secret)
            }
          }),
          { numRuns: 300, seed: 3 }
        )
      )
    )
  })
})
