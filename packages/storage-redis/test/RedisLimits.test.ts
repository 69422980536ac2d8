import { afterAll, assert, describe, it } from "@effect/vitest"
import * as RedisServer from "@omnifile/testkit/servers/RedisServer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as RedisLimits from "../src/RedisLimits.ts"

const server = await RedisServer.startOrReport("RedisLimits")
afterAll(() => server?.stop())

const untilAnswered = (limits: RedisLimits.RedisLimits) =>
  Effect.retry(limits.check, { schedule: Schedule.spaced("5 millis") })

/** An instance, once it is connected. */
const openLimits = Effect.fnUntraced(function* (url: string, prefix: string) {
  const limits = yield* RedisLimits.make({ url: Redacted.make(url), prefix })
  yield* untilAnswered(limits)
  return limits
})

/** Takes tokens of a bucket of five an hour. Answers whether there were enough. */
const take = ({ store }: RedisLimits.RedisLimits, tokens = 1) =>
  RateLimiter.make.pipe(
    Effect.provideService(RateLimiter.RateLimiterStore, store),
    Effect.flatMap((limiter) =>
      limiter.consume({
        algorithm: "token-bucket",
        key: "k",
        window: Duration.hours(1),
        limit: 5,
        tokens,
        onExceeded: "fail"
      })
    ),
    Effect.match({ onSuccess: () => true, onFailure: ({ reason }) => reason._tag !== "RateLimitExceeded" })
  )

describe.skipIf(server === null)("RedisLimits", () => {
  const url = server?.url ?? ""

  it.live("counts what all instances use together", () =>
    Effect.gen(function* () {
      const one = yield* openLimits(url, "together:")
      const other = yield* openLimits(url, "together:")
      assert.isTrue(yield* take(one, 3))
      assert.isTrue(yield* take(other, 2))
      assert.isFalse(yield* take(one))
      assert.isFalse(yield* take(other))
    })
  )

  it.live("lets no more through than the limit, however many ask at once", () =>
    Effect.gen(function* () {
      const instances = [yield* openLimits(url, "at-once:"), yield* openLimits(url, "at-once:")]
      const taken = yield* Effect.forEach(
        Array.from({ length: 10 }, () => instances).flat(),
        (instance) => take(instance),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(taken.filter((wasTaken) => wasTaken).length, 5)
    })
  )

  it.live("goes on without Redis by itself, says so once, and comes back", () => {
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => {
      logged.push(String(Array.isArray(message) ? message[0] : message))
    })
    return Effect.gen(function* () {
      const own = yield* Effect.acquireRelease(
        Effect.promise(() => RedisServer.start()),
        ({ stop }) => Effect.promise(stop)
      )
      const limits = yield* openLimits(own.url, "away:")
      assert.isTrue(yield* take(limits, 4))
      yield* Effect.promise(own.kill)
      yield* Effect.flip(limits.check)
      assert.isTrue(yield* take(limits, 5))
      assert.isFalse(yield* take(limits, 1))
      yield* Effect.promise(own.restart)
      yield* untilAnswered(limits)
      assert.isTrue(yield* take(limits, 1))
      assert.isFalse(yield* take(limits, 1))
      assert.deepStrictEqual(
        logged.map((line) => line.split(":")[0]),
        ["Redis is away", "Redis is back"]
      )
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
  })

  it.live("opens while Redis is away", () =>
    Effect.gen(function* () {
      const limits = yield* RedisLimits.make({ url: Redacted.make("redis://127.0.0.1:1") })
      yield* Effect.flip(limits.check)
      assert.isTrue(yield* take(limits, 5))
      assert.isFalse(yield* take(limits))
    })
  )
})
