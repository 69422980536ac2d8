/**
 * Where it is written down what calls have used: sums in memory, added every second to the buckets of the hour in the
 * Registry. What a job has used is not counted here, but committed with its end.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { Registry } from "./Registry.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"
import { isConflict, type StorageError } from "./StorageError.ts"
import * as Usage from "./Usage.ts"
import * as UsageMetrics from "./UsageMetrics.ts"
import { identityOf, type Entry } from "./UsageMetrics.ts"
import { hourOf, UsageRecord } from "./UsageRecord.ts"

export class UsageLedger extends Context.Service<
  UsageLedger,
  {
    /** Counts a call. A process that is killed may lose what it has counted in the last second. */
    readonly count: (entry: Entry) => void
    /** Writes what has been counted. */
    readonly flush: Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/UsageLedger") {}

const interval = Duration.seconds(1)

/** How often a bucket is written again after another instance's change came first. */
const casAttempts = 64

/** What calls of one kind have used since it was last written. */
interface Sum {
  readonly entry: Omit<Entry, "tokens">
  calls: number
  input: number
  cachedInput: number
  output: number
}

const make = Effect.gen(function* () {
  const registry = yield* Registry
  const sha256 = yield* Sha256
  const measure = yield* UsageMetrics.make
  const oneAtATime = yield* Semaphore.make(1)
  const counted = yield* Latch.make()
  let sums = new Map<string, Sum>()

  const add = (identity: string, { account, model, owner, tokens }: Entry, calls: number): void => {
    let sum = sums.get(identity)
    if (sum === undefined) {
      const entry = { account, model, owner }
      sum = { entry, calls: 0, input: 0, cachedInput: 0, output: 0 }
      sums.set(identity, sum)
      Latch.openUnsafe(counted)
    }
    sum.calls += calls
    sum.input += tokens.input
    sum.cachedInput += tokens.cachedInput
    sum.output += tokens.output
  }

  const write = (identity: string, { calls, cachedInput, entry, input, output }: Sum, at: number) =>
    Effect.retry(
      Effect.gen(function* () {
        const key = `calls/${at}/${hexOfText(sha256, identity)}`
        const found = yield* registry.usage.read(key)
        const tokens = { input, cachedInput, output }
        const record = new UsageRecord({
          key,
          at,
          ...entry,
          calls: calls + (found?.value.calls ?? 0),
          tokens: found === undefined ? tokens : Usage.add(found.value.tokens, tokens)
        })
        yield* registry.commit([registry.usage.change(found?.version ?? 0, record)])
      }),
      { times: casAttempts, while: isConflict }
    )

  /** Of what cannot be written now, another try is made with what comes next. */
  const flush = Effect.gen(function* () {
    if (sums.size === 0) return
    const taken = sums
    sums = new Map()
    Latch.closeUnsafe(counted)
    const at = hourOf(yield* Clock.currentTimeMillis)
    yield* Effect.forEach(
      taken,
      ([identity, sum]) =>
        Effect.tapCause(write(identity, sum, at), () =>
          Effect.sync(() => {
            const { calls, cachedInput, entry, input, output } = sum
            add(identity, { ...entry, tokens: { input, cachedInput, output } }, calls)
          })
        ),
      { discard: true, concurrency: 8 }
    )
  }).pipe(Effect.uninterruptible, Semaphore.withPermit(oneAtATime))

  const attempt = Effect.catchCause(flush, (cause) => Effect.logWarning("Usage could not be written", cause))
  yield* Effect.addFinalizer(() => attempt)
  // Nothing ticks while nothing is used.
  const round = Latch.await(counted).pipe(Effect.andThen(Effect.sleep(interval)), Effect.andThen(attempt))
  yield* Effect.forkScoped(Effect.forever(round))

  return UsageLedger.of({
    count: (entry) => {
      const identity = identityOf(entry)
      measure(identity, entry)
      add(identity, entry, 1)
    },
    flush
  })
})

export const layer: Layer.Layer<UsageLedger, never, Registry | Sha256> = Layer.effect(UsageLedger, make)
