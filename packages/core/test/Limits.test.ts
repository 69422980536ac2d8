import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import * as Authenticator from "../src/Authenticator.ts"
import type { RateLimited } from "../src/CallError.ts"
import * as Limits from "../src/Limits.ts"
import { Principal } from "../src/Principal.ts"
import * as Sha256 from "../src/Sha256.ts"
import type { StorageError } from "../src/StorageError.ts"

const keyOf = (key: string, team: string | null): Authenticator.ApiKey => ({
  key: Redacted.make(key),
  role: "user",
  user: null,
  team,
  models: ["*"]
})

const keys = [keyOf("one", "red"), keyOf("two", "red"), keyOf("three", null)]

/** Limits over a store, and the principals of the keys by name. */
const world = Effect.fnUntraced(function* (
  configuration: Partial<Limits.Configuration>,
  store: Layer.Layer<RateLimiter.RateLimiterStore> = RateLimiter.layerStoreMemory
) {
  const configured = Layer.succeed(Limits.Configured, { ...Limits.unlimited, keys, store, ...configuration })
  const layer = Layer.mergeAll(Layer.provide(Limits.layer, configured), Authenticator.layer(keys)).pipe(
    Layer.provide(Sha256.layerPortable)
  )
  const context = yield* Layer.build(layer)
  const { authenticate } = Context.get(context, Authenticator.Authenticator)
  const { apply, take } = Context.get(context, Limits.Limits)
  return {
    one: yield* authenticate("one"),
    two: yield* authenticate("two"),
    three: yield* authenticate("three"),
    apply,
    take
  }
})

const refusal = Effect.fnUntraced(function* (run: Effect.Effect<void, RateLimited | StorageError>) {
  const error = yield* Effect.flip(run)
  return error._tag === "RateLimited" ? error : assert.fail(error.message)
})

const amounts = fc.record({
  who: fc.constantFrom("one", "two", "three"),
  requests: fc.integer({ min: 0, max: 3 }),
  files: fc.integer({ min: 0, max: 6 }),
  batchLines: fc.integer({ min: 0, max: 6 })
})

type Calls = ReadonlyArray<typeof amounts extends fc.Arbitrary<infer A> ? A : never>

/** Every call is let through exactly if all of its amounts are left in a plain count of them. */
const play = Effect.fnUntraced(function* (calls: Calls) {
  const everyKey = { requests: 5, files: 9 }
  const red = { files: 7, batchLines: 11 }
  const { one, take, three, two } = yield* world({ everyKey, teams: new Map([["red", red]]) })
  const principals = { one, two, three }
  const used = new Map<string, number>()
  for (const { batchLines, files, requests, who } of calls) {
    const wanted: ReadonlyArray<readonly [name: string, limit: number, amount: number]> = [
      [`${who} requests`, everyKey.requests, requests],
      [`${who} files`, everyKey.files, files],
      ...(who === "three"
        ? []
        : [["red files", red.files, files] as const, ["red lines", red.batchLines, batchLines] as const])
    ]
    const fits = wanted.every(([name, limit, amount]) => (used.get(name) ?? 0) + amount <= limit)
    const outcome = yield* Effect.exit(take(principals[who], { requests, files, batchLines }))
    assert.strictEqual(Exit.isSuccess(outcome), fits)
    if (fits) for (const [name, , amount] of wanted) used.set(name, (used.get(name) ?? 0) + amount)
  }
})

describe("Limits", () => {
  it.effect("lets so many requests through, says when there will be another, and keeps its word", () =>
    Effect.gen(function* () {
      const { one, take, two } = yield* world({ everyKey: { requests: 3 } })
      for (let request = 0; request < 3; request++) yield* take(one, { requests: 1 })
      yield* TestClock.adjust(5_000)
      const error = yield* refusal(take(one, { requests: 1 }))
      assert.strictEqual(error.message, "The limit of this key is reached: 3 requests a minute.")
      assert.strictEqual(error.retryAfter, 15_000)
      // Another key of the same team has an allowance of its own.
      yield* take(two, { requests: 1 })
      yield* TestClock.adjust(14_999)
      yield* refusal(take(one, { requests: 1 }))
      yield* TestClock.adjust(1)
      yield* take(one, { requests: 1 })
      yield* refusal(take(one, { requests: 1 }))
    })
  )

  it.effect("a key's own allowance stands in the place of everyone's", () =>
    Effect.gen(function* () {
      const configured = keys.map((key, index) => ({ ...key, limits: index === 0 ? { files: 1 } : undefined }))
      const { one, take, three } = yield* world({ everyKey: { requests: 1, files: 5 }, keys: configured })
      yield* take(one, { requests: 1 })
      yield* take(one, { requests: 1, files: 1 })
      yield* refusal(take(one, { files: 1 }))
      yield* take(three, { requests: 1, files: 5 })
      yield* refusal(take(three, { requests: 1 }))
    })
  )

  it.effect("the keys of a team share what the team has", () =>
    Effect.gen(function* () {
      const { one, take, three, two } = yield* world({ teams: new Map([["red", { uploadBytes: 10_000_000_000 }]]) })
      yield* take(one, { uploadBytes: 6_000_000_000 })
      const error = yield* refusal(take(two, { uploadBytes: 6_000_000_000 }))
      assert.include(error.message, "this team")
      // Two of ten parts of a day.
      assert.closeTo(error.retryAfter ?? 0, 0.2 * 86_400_000, 1_000)
      yield* take(two, { uploadBytes: 4_000_000_000 })
      yield* take(three, { uploadBytes: 4_000_000_000 })
    })
  )

  it.effect("more than the whole limit is refused at any time", () =>
    Effect.gen(function* () {
      const { one, take } = yield* world({ everyKey: { batchLines: 10 } })
      yield* refusal(take(one, { batchLines: 11 }))
      yield* take(one, { batchLines: 10 })
    })
  )

  it.effect("who is limited by nothing is not counted", () =>
    Effect.gen(function* () {
      const broken = Layer.succeed(
        RateLimiter.RateLimiterStore,
        RateLimiter.RateLimiterStore.of({
          fixedWindow: () => Effect.die("asked"),
          tokenBucket: () => Effect.die("asked"),
          adaptiveConsume: () => Effect.die("asked"),
          adaptiveFeedback: () => Effect.die("asked")
        })
      )
      const { apply, one, take } = yield* world({ everyKey: { batchLines: 10 } }, broken)
      yield* take(one, { requests: 1, batchLines: 0 })
      const nobody = new Principal({ role: "user", user: "in-process", team: null, keyHash: null, models: ["*"] })
      yield* take(nobody, { batchLines: 1_000 })
      assert.deepStrictEqual([apply(one), apply(nobody)], [true, false])
    })
  )

  it.effect("a store that does not answer refuses", () =>
    Effect.gen(function* () {
      const reason = new RateLimiter.RateLimitStoreError({ message: "gone" })
      const failing = Effect.fail(new RateLimiter.RateLimiterError({ reason }))
      const broken = Layer.succeed(
        RateLimiter.RateLimiterStore,
        RateLimiter.RateLimiterStore.of({
          fixedWindow: () => failing,
          tokenBucket: () => failing,
          adaptiveConsume: () => failing,
          adaptiveFeedback: () => failing
        })
      )
      const { one, take } = yield* world({ everyKey: { requests: 10 } }, broken)
      assert.strictEqual((yield* Effect.flip(take(one, { requests: 1 })))._tag, "StorageError")
    })
  )

  it.effect("two instances over one store share the limits", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(RateLimiter.layerStoreMemory)
      const store = Layer.succeed(RateLimiter.RateLimiterStore, Context.get(context, RateLimiter.RateLimiterStore))
      const first = yield* world({ everyKey: { requests: 2 } }, store)
      const second = yield* world({ everyKey: { requests: 2 } }, store)
      yield* first.take(first.one, { requests: 1 })
      yield* second.take(second.one, { requests: 1 })
      yield* refusal(first.take(first.one, { requests: 1 }))
      yield* refusal(second.take(second.one, { requests: 1 }))
    })
  )

  it("takes from every bucket or from none, and never more than there is", () =>
    fc.assert(
      fc.asyncProperty(fc.array(amounts, { maxLength: 30 }), (calls) =>
        Effect.runPromise(Effect.scoped(play(calls)).pipe(Effect.provide(TestClock.layer())))
      )
    ))
})
