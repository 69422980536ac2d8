/** Work that callers at the same moment share. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Makes a function that has one piece of work under way for each key: whoever asks meanwhile waits for that one. It goes
 * on when they leave, until the scope in which the function is made is closed.
 */
export const make = <A, E>() =>
  Effect.map(Effect.scope, (scope) => {
    const running = new Map<string, Fiber.Fiber<A, E>>()
    return Effect.fnUntraced(function* (key: string, work: Effect.Effect<A, E>) {
      const known = running.get(key)
      if (known !== undefined) return yield* Fiber.join(known)
      const started = yield* work.pipe(Effect.ensuring(Effect.sync(() => running.delete(key))), Effect.forkIn(scope))
      // A fiber that ended at once has been taken from the map before it got there.
      if (started.pollUnsafe() === undefined) running.set(key, started)
      return yield* Fiber.join(started)
    })
  })
