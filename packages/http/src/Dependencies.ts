/** What the server stands on besides the registry, and whether all of it answers. */
import { Registry } from "@omnifile/core/Registry"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

export interface Dependency {
  /** What operators know it by, such as `content`. */
  readonly name: string
  /** Whether calls fail without it. Else they go on, and something is worse than it should be. */
  readonly isNeeded: boolean
  /** Asks it for something harmless, and fails if it does not answer. */
  readonly check: Effect.Effect<void, unknown>
}

/** Those of the host beside the registry: none, unless it says so. */
export const Dependencies: Context.Reference<ReadonlyArray<Dependency>> = Context.Reference<ReadonlyArray<Dependency>>(
  "@omnifile/http/Dependencies",
  { defaultValue: () => [] }
)

export interface Answer {
  readonly name: string
  readonly isNeeded: boolean
  readonly isThere: boolean
}

/** How long an answer is waited for. */
const patience = "2 seconds"

/** Asks all of them at once. */
export const make: Effect.Effect<Effect.Effect<ReadonlyArray<Answer>>, never, Registry> = Effect.gen(function* () {
  const registry = yield* Registry
  const others = yield* Dependencies
  const all: ReadonlyArray<Dependency> = [
    { name: "registry", isNeeded: true, check: Effect.asVoid(registry.isAlive("readiness", 0)) },
    ...others
  ]
  return Effect.forEach(
    all,
    ({ check, isNeeded, name }) =>
      check.pipe(
        Effect.timeout(patience),
        Effect.match({ onSuccess: () => true, onFailure: () => false }),
        Effect.map((isThere): Answer => ({ name, isNeeded, isThere }))
      ),
    { concurrency: "unbounded" }
  )
})
