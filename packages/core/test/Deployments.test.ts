import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import { Deployment } from "../src/Account.ts"
import * as Deployments from "../src/Deployments.ts"
import type { Candidate } from "../src/Hooks.ts"
import * as ProviderError from "../src/ProviderError.ts"

const deployment = (id: string, weight = 1): Deployment =>
  new Deployment({ id, account: `account-of-${id}`, modelName: "m", model: "m", weight })

const a = deployment("a")
const b = deployment("b")
const c = deployment("c")

const ranked = (rank: number, ...deployments: ReadonlyArray<Deployment>): ReadonlyArray<Candidate> =>
  deployments.map((one) => ({ deployment: one, rank }))

const error = (reason: ProviderError.ProviderError["reason"]) =>
  new ProviderError.ProviderError({ account: "x", call: "chat", reason, maybeAccepted: false })

const faulty = error(new ProviderError.Faulty({ status: 503, message: "" }))
const throttled = (retryAfter: number | null) => error(new ProviderError.Throttled({ retryAfter }))
const unreachable = error(new ProviderError.Unreachable({ timedOut: false, cause: "x" }))
const unauthorized = error(new ProviderError.Unauthorized({ status: 401 }))
const rejected = error(new ProviderError.Rejected({ status: 400, message: "", type: null, param: null, code: null }))

const ids = (deployments: ReadonlyArray<Deployment>): string => deployments.map(({ id }) => id).join("")

/** Each test has deployments that nothing has happened to. */
const test = (name: string, run: (deployments: Deployments.Deployments["Service"]) => Effect.Effect<void>) =>
  it.effect(name, () =>
    Effect.flatMap(Deployments.Deployments, run).pipe(Effect.provide(Deployments.layer), Random.withSeed("deployments"))
  )

/** How often each deployment comes first in many draws. */
const shares = Effect.fnUntraced(function* (
  deployments: Deployments.Deployments["Service"],
  candidates: ReadonlyArray<Candidate>
) {
  const draws = 4_000
  const first = new Map<string, number>()
  for (let draw = 0; draw < draws; draw++) {
    const [chosen] = yield* deployments.order(candidates)
    first.set(chosen?.id ?? "", (first.get(chosen?.id ?? "") ?? 0) + 1)
  }
  return (id: string) => (first.get(id) ?? 0) / draws
})

/** Whether `b` comes after `a` although it is drawn for the first place half of the time when both are well. */
const isLast = Effect.fnUntraced(function* (deployments: Deployments.Deployments["Service"], last: Deployment) {
  for (let draw = 0; draw < 20; draw++) {
    const order = yield* deployments.order(ranked(0, a, b))
    if (order.at(-1) !== last) return false
  }
  return true
})

/** The length of the cool-down that a deployment is in, to 250 ms. */
const coolDown = Effect.fnUntraced(function* (deployments: Deployments.Deployments["Service"], cooling: Deployment) {
  let millis = 0
  while (yield* isLast(deployments, cooling)) {
    yield* TestClock.adjust(250)
    millis += 250
    if (millis > 200_000) return Number.POSITIVE_INFINITY
  }
  return millis
})

describe("Deployments", () => {
  test("are drawn in proportion to their weights", (deployments) =>
    Effect.gen(function* () {
      const share = yield* shares(deployments, ranked(0, deployment("a", 1), deployment("b", 3), deployment("c", 6)))
      assert.approximately(share("a"), 0.1, 0.02)
      assert.approximately(share("b"), 0.3, 0.03)
      assert.approximately(share("c"), 0.6, 0.03)
    }))

  test("of weight 0 come after all others", (deployments) =>
    Effect.gen(function* () {
      const share = yield* shares(deployments, ranked(0, deployment("zero", 0), a, b))
      assert.strictEqual(share("zero"), 0)
      const order = yield* deployments.order(ranked(0, deployment("zero", 0), a, b))
      assert.strictEqual(order.at(-1)?.id, "zero")
    }))

  test("are all there when all have weight 0", (deployments) =>
    Effect.gen(function* () {
      const order = yield* deployments.order(ranked(0, deployment("x", 0), deployment("y", 0), deployment("z", 0)))
      assert.sameMembers(
        order.map(({ id }) => id),
        ["x", "y", "z"]
      )
    }))

  test("of a lower rank come first, whatever their weight", (deployments) =>
    Effect.gen(function* () {
      for (let draw = 0; draw < 50; draw++) {
        const heavy = deployment("heavy", 1_000)
        const order = yield* deployments.order([...ranked(1, heavy), ...ranked(0, a), ...ranked(2, b)])
        assert.strictEqual(ids(order), "aheavyb")
      }
    }))

  test("are drawn the less the busier they are", (deployments) =>
    Effect.gen(function* () {
      const ends = [deployments.begin(a), deployments.begin(a), deployments.begin(a)]
      const busy = yield* shares(deployments, ranked(0, a, b))
      assert.approximately(busy("a"), 0.2, 0.03)
      for (const end of ends) {
        end()
        // Ending twice counts once.
        end()
      }
      const idle = yield* shares(deployments, ranked(0, a, b))
      assert.approximately(idle("a"), 0.5, 0.03)
    }))

  for (const [name, failure, cools] of [
    ["5xx", faulty, true],
    ["429", throttled(null), true],
    ["a connection error", unreachable, true],
    ["401", unauthorized, true],
    ["400", rejected, false]
  ] as const) {
    test(`${cools ? "come last" : "keep their place"} after ${name}`, (deployments) =>
      Effect.gen(function* () {
        yield* deployments.failed(a, failure)
        assert.strictEqual(yield* isLast(deployments, a), cools)
      }))
  }

  test("that cool down come last even if their rank is better", (deployments) =>
    Effect.gen(function* () {
      yield* deployments.failed(a, faulty)
      assert.strictEqual(ids(yield* deployments.order([...ranked(0, a), ...ranked(1, b)])), "ba")
    }))

  test("that cool down are tried in the order in which they recover", (deployments) =>
    Effect.gen(function* () {
      yield* deployments.failed(b, throttled(30_000))
      yield* deployments.failed(c, throttled(10_000))
      yield* deployments.failed(a, throttled(20_000))
      assert.strictEqual(ids(yield* deployments.order(ranked(0, a, b, c))), "cab")
    }))

  test("cool down for longer with each failure in a row, at most a minute", (deployments) =>
    Effect.gen(function* () {
      const lengths: Array<number> = []
      for (let failure = 0; failure < 9; failure++) {
        yield* deployments.failed(a, faulty)
        lengths.push(yield* coolDown(deployments, a))
      }
      assert.deepStrictEqual(lengths, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
    }))

  test("cool down once for many calls that fail at the same moment", (deployments) =>
    Effect.gen(function* () {
      for (let call = 0; call < 50; call++) yield* deployments.failed(a, faulty)
      assert.strictEqual(yield* coolDown(deployments, a), 1_000)
      yield* deployments.failed(a, faulty)
      assert.strictEqual(yield* coolDown(deployments, a), 2_000)
    }))

  test("cool down for as long as a 429 asks, at most a minute", (deployments) =>
    Effect.gen(function* () {
      yield* deployments.failed(a, throttled(5_000))
      assert.strictEqual(yield* coolDown(deployments, a), 5_000)
      yield* deployments.failed(a, throttled(3_600_000))
      assert.strictEqual(yield* coolDown(deployments, a), 60_000)
    }))

  test("a 429 that comes while they cool down prolongs it", (deployments) =>
    Effect.gen(function* () {
      yield* deployments.failed(a, faulty)
      yield* deployments.failed(a, throttled(7_000))
      assert.strictEqual(yield* coolDown(deployments, a), 7_000)
    }))

  test("are well again after a success", (deployments) =>
    Effect.gen(function* () {
      for (let failure = 0; failure < 6; failure++) {
        yield* deployments.failed(a, faulty)
        yield* TestClock.adjust(60_000)
      }
      yield* deployments.failed(a, faulty)
      deployments.succeeded(a)
      assert.isFalse(yield* isLast(deployments, a))
      yield* deployments.failed(a, faulty)
      assert.strictEqual(yield* coolDown(deployments, a), 1_000)
    }))

  test("are used again within 70 seconds however long they had been down", (deployments) =>
    Effect.gen(function* () {
      for (let hour = 0; hour < 60; hour++) {
        yield* deployments.failed(a, faulty)
        yield* TestClock.adjust(60_000)
      }
      yield* deployments.failed(a, faulty)
      assert.isAtMost(yield* coolDown(deployments, a), 70_000)
    }))

  test("that are alone are tried although they cool down", (deployments) =>
    Effect.gen(function* () {
      yield* deployments.failed(a, faulty)
      assert.strictEqual(ids(yield* deployments.order(ranked(0, a))), "a")
      assert.strictEqual(ids(yield* deployments.order([])), "")
    }))
})
