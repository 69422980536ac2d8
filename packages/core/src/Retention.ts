/** How long files of a team are kept: what is older goes, as if its owner had deleted it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Access from "./Access.ts"
import * as FilePages from "./FilePages.ts"
import { ofCaller } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import { Removal } from "./Removal.ts"
import { Settings } from "./Settings.ts"
import type { StorageError } from "./StorageError.ts"

/** Between two sweeps, in milliseconds. */
const interval = 60_000

/**
 * Makes a sweep over the files that are too old, which does nothing until the next is due. It reads no others: they are
 * found by team and age. What a job that is not over reads is left, and looked at again.
 */
export const make: Effect.Effect<Effect.Effect<void, StorageError>, never, Registry | Removal> = Effect.gen(
  function* () {
    const registry = yield* Registry
    const removal = yield* Removal
    const { retention } = yield* Settings
    let nextSweep = 0

    const sweepTeam = Effect.fnUntraced(function* (team: string, age: number, now: number) {
      const scopes = Access.scopesOfPrincipal(ofCaller({ team }))
      let marked = 0
      yield* FilePages.forEach(
        registry,
        { scopes, until: now - age },
        Effect.fnUntraced(function* (page) {
          for (const { key } of page) if ((yield* removal.mark(key))._tag === "Marked") marked++
        })
      )
      if (marked > 0) {
        yield* Effect.logInfo("Files are older than their team keeps them, and go").pipe(
          Effect.annotateLogs({ team, files: marked })
        )
      }
    })

    return Effect.gen(function* () {
      if (retention.size === 0) return
      const now = yield* Clock.currentTimeMillis
      if (now < nextSweep) return
      nextSweep = now + interval
      yield* Effect.forEach(retention, ([team, age]) => sweepTeam(team, age, now), { discard: true })
    })
  }
)
