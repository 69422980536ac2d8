/**
 * Limits that several instances count together, in Redis. While Redis is away calls go on: each instance counts what
 * it lets through in its own memory, says so in its log, and goes back to Redis when it is there again. So the worst
 * that an outage allows is the limit once for each instance.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redis from "effect/persistence/Redis"
import type * as Scope from "effect/Scope"
import { defaultPrefix, open, type Options, type RedisClient } from "./RedisClient.ts"

export type { Options } from "./RedisClient.ts"

type Store = RateLimiter.RateLimiterStore["Service"]

export interface RedisLimits {
  readonly store: Store
  /** Whether Redis answers now. Fails with the reason if it does not. */
  readonly check: Effect.Effect<void, unknown>
}

/** How long a call waits for Redis before it is counted here, in milliseconds. */
const patience = 500

const unused = Effect.fail(new Redis.RedisError({ cause: new Error("The store of limits only sends commands") }))

/** Effect's store of limits over our connection. */
const makeShared = (client: RedisClient, prefix: string) => {
  const redis = Redis.make({
    send: <A = unknown>(command: string, ...args: ReadonlyArray<string>) =>
      client.send(command, ...args).pipe(
        // The store knows what each of its commands answers.
        Effect.map((answer) => answer as A),
        Effect.mapError((cause) => new Redis.RedisError({ cause })),
        Effect.timeoutOrElse({
          duration: patience,
          orElse: () => Effect.fail(new Redis.RedisError({ cause: new Error(`No answer in ${patience} ms`) }))
        })
      ),
    subscribe: () => unused,
    connect: unused
  })
  return Effect.flatMap(redis, (service) =>
    Effect.provideService(RateLimiter.makeStoreRedis({ prefix: `${prefix}limit:` }), Redis.Redis, service)
  )
}

const makeOwn = Effect.map(Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)), (context) =>
  Context.get(context, RateLimiter.RateLimiterStore)
)

/** Connects in the background: a Redis that is away keeps nobody from starting. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<RedisLimits, unknown, Scope.Scope> {
  const client = yield* open(options, "fail")
  const shared = yield* makeShared(client, options.prefix ?? defaultPrefix)
  const own = yield* makeOwn
  let isAway = false

  const lost = (cause: unknown) =>
    Effect.suspend(() => {
      if (isAway) return Effect.void
      isAway = true
      return Effect.logWarning("Redis is away: limits are counted by each instance for itself", cause)
    })
  const found = Effect.suspend(() => {
    if (!isAway) return Effect.void
    isAway = false
    return Effect.logInfo("Redis is back: limits are counted by all instances together")
  })
  const over =
    <Use, A>(there: (use: Use) => Effect.Effect<A, RateLimiter.RateLimiterError>, here: typeof there): typeof there =>
    (use) =>
      there(use).pipe(
        Effect.tap(found),
        Effect.catch((cause) => Effect.andThen(lost(cause), here(use)))
      )

  return {
    store: RateLimiter.RateLimiterStore.of({
      fixedWindow: over(shared.fixedWindow, own.fixedWindow),
      tokenBucket: over(shared.tokenBucket, own.tokenBucket),
      adaptiveConsume: over(shared.adaptiveConsume, own.adaptiveConsume),
      adaptiveFeedback: over(shared.adaptiveFeedback, own.adaptiveFeedback)
    }),
    check: Effect.asVoid(client.send("PING"))
  }
})
