/** When copies were last named by a call: written down now and then, and never while a call waits. */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { LruCache } from "./internal/lruCache.ts"
import { findReplica, lastUse, type ManagedFile, Replica, withReplica } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import * as Renewal from "./Renewal.ts"
import { Settings } from "./Settings.ts"

/** How exactly it is known, in milliseconds. */
const exactness = 60 * 60 * 1000

/** Of how many copies it is remembered that their use is being written down. */
const known = 10_000

const concurrency = 4

export const make = Effect.gen(function* () {
  const registry = yield* Registry
  const settings = yield* Settings
  const scope = yield* Effect.scope
  const permits = yield* Semaphore.make(concurrency)
  const written = new LruCache<number>(known)

  const write = (key: string, { account, remoteId, variant }: Replica, now: number) =>
    registry
      .modifyFile(key, (current) => {
        const held = findReplica(current, account, variant)
        if (held?.remoteId !== remoteId || held.state !== "ready" || lastUse(held) >= now) return undefined
        return Renewal.schedule(withReplica(current, new Replica({ ...held, usedAt: now })), settings)
      })
      .pipe(
        Semaphore.withPermit(permits),
        Effect.catch((error) => Effect.logDebug("The use of a copy could not be written down", error))
      )

  return {
    /** What is to be done because a call names the copy now; mostly nothing. */
    note: (file: ManagedFile, copy: Replica, now: number): Effect.Effect<void> | undefined => {
      if (now - lastUse(copy) < exactness || copy.remoteId === null) return undefined
      const name = `${copy.account} ${copy.remoteId}`
      // The row that the call has may be older than what has been written.
      if (now - (written.get(name) ?? 0) < exactness) return undefined
      written.set(name, now)
      return Effect.asVoid(Effect.forkIn(write(file.key, copy, now), scope))
    }
  }
})
