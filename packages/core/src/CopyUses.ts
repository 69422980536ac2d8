/** When copies were last named by a call: written down now and then, and never while a call waits. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { LruCache } from "./internal/lruCache.ts"
import { findReplica, lastUse, type ManagedFile, Replica, withReplica } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import * as Renewal from "./Renewal.ts"
import { Settings } from "./Settings.ts"

export class CopyUses extends Context.Service<
  CopyUses,
  {
    /** What is to be done because a call names the copy now; mostly nothing. */
    readonly note: (file: ManagedFile, copy: Replica, now: number) => Effect.Effect<void> | undefined
    /** When a call last named the copy, give or take an hour, as far as the row or this process knows. */
    readonly last: (copy: Replica) => number
  }
>()("@omnifile/core/CopyUses") {}

/** How exactly it is known, in milliseconds. */
const exactness = 60 * 60 * 1000

/** Of how many copies it is remembered that their use is being written down. */
const known = 10_000

const concurrency = 4

const nameOf = ({ account, remoteId }: Replica): string => `${account} ${remoteId}`

const make = Effect.gen(function* () {
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

  return CopyUses.of({
    last: (copy) => Math.max(lastUse(copy), written.get(nameOf(copy)) ?? 0),
    note: (file, copy, now) => {
      if (now - lastUse(copy) < exactness || copy.remoteId === null) return undefined
      const name = nameOf(copy)
      // The row that the call has may be older than what has been written.
      if (now - (written.get(name) ?? 0) < exactness) return undefined
      written.set(name, now)
      return Effect.asVoid(Effect.forkIn(write(file.key, copy, now), scope))
    }
  })
})

export const layer: Layer.Layer<CopyUses, never, Registry> = Layer.effect(CopyUses, make)
