/** What is written down when a provider turns out not to have a copy any more. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as CopyMetrics from "./CopyMetrics.ts"
import { Replica, withReplica } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"

export const make = Effect.gen(function* () {
  const registry = yield* Registry

  return {
    /** The file's row without the copy. Another one that has taken its place meanwhile stays. */
    forget: Effect.fnUntraced(function* (key: string, account: string, remoteId: string | null) {
      const now = yield* Clock.currentTimeMillis
      let forgotten = false
      const row = yield* registry.modifyFile(key, (current) => {
        const lost = current.replicas.find(
          (replica) => replica.account === account && replica.remoteId === remoteId && replica.state === "ready"
        )
        forgotten = lost !== undefined
        const gone = { state: "expired", updatedAt: now, error: "lost at the provider" } as const
        return lost === undefined ? undefined : withReplica(current, new Replica({ ...lost, ...gone }))
      })
      if (forgotten) {
        yield* CopyMetrics.countRenewal(account, "lost")
        yield* Effect.logInfo("A copy was lost at its provider and is made again").pipe(
          Effect.annotateLogs({ account, file: key })
        )
      }
      return row
    })
  }
})
