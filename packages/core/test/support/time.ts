/** Time in tests: the clock moves only here, and after each step all that can run has run. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"

/** Lets everything run that waits neither for the clock nor for the test. */
export const settle: Effect.Effect<void> = Effect.forEach(Array.from({ length: 24 }), () => Effect.yieldNow, {
  discard: true
})

/** Moves the clock in steps, as time would pass for several processes. */
export const advance = (millis: number, step = 250): Effect.Effect<void> =>
  Effect.gen(function* () {
    const end = (yield* Clock.currentTimeMillis) + millis
    yield* settle
    for (;;) {
      const left = end - (yield* Clock.currentTimeMillis)
      if (left <= 0) return
      yield* TestClock.adjust(Math.min(step, left))
      yield* settle
    }
  })

/** Moves the clock until something is the case, and answers after how many milliseconds; fails the test after `within`. */
export const until = (what: string, condition: () => boolean, within: number, step = 250): Effect.Effect<number> =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    yield* settle
    while (!condition()) {
      const passed = (yield* Clock.currentTimeMillis) - start
      if (passed >= within) return yield* Effect.die(new Error(`Not within ${within} ms: ${what}`))
      yield* TestClock.adjust(step)
      yield* settle
    }
    return (yield* Clock.currentTimeMillis) - start
  })
