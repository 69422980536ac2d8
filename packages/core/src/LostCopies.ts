/**
 * Copies that a provider does not have any more, as is seen when it refuses a call that names them. What has become of
 * a copy is asked once, however many calls come upon it at the same moment.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as CopyLoss from "./CopyLoss.ts"
import * as CopyProbe from "./CopyProbe.ts"
import { findReplica, type ManagedFile, type Replica } from "./ManagedFile.ts"
import type { ProviderError } from "./ProviderError.ts"
import { Registry } from "./Registry.ts"
import { Replication } from "./Replication.ts"
import type { StorageError } from "./StorageError.ts"
import type { ProviderAccount } from "./Upstream.ts"

export const make = Effect.gen(function* () {
  const registry = yield* Registry
  const replication = yield* Replication
  const { forget } = yield* CopyLoss.make
  const { isGone } = yield* CopyProbe.make
  const scope = yield* Effect.scope
  const running = new Map<string, Fiber.Fiber<ManagedFile | undefined, StorageError>>()

  const look = Effect.fnUntraced(function* (
    target: ProviderAccount,
    file: ManagedFile,
    copy: Replica,
    refused: ProviderError,
    only: boolean
  ) {
    const row = (yield* registry.file(file.key)) ?? file
    const held = findReplica(row, copy.account, copy.variant)
    if (held?.remoteId !== copy.remoteId || held.state !== "ready") return row
    if (!replication.canCopy(row, copy.account)) return undefined
    return (yield* isGone(target, copy, refused, only))
      ? yield* forget(row.key, copy.account, copy.remoteId)
      : undefined
  })

  return {
    /**
     * The file's row if the copy that a refused call named is none any more: replaced since by another call, or lost at
     * the provider. Undefined if it is still good, or there is nothing to make another of. `only` if the call names no
     * other copy.
     */
    rowWithout: Effect.fnUntraced(function* (
      target: ProviderAccount,
      file: ManagedFile,
      copy: Replica,
      refused: ProviderError,
      only: boolean
    ) {
      const key = [file.key, copy.account, copy.remoteId].join(" ")
      const known = running.get(key)
      if (known !== undefined) return yield* Fiber.join(known)
      const started = yield* look(target, file, copy, refused, only).pipe(
        Effect.ensuring(Effect.sync(() => running.delete(key))),
        Effect.forkIn(scope)
      )
      // A fiber that ended at once has been taken from the map before it got there.
      if (started.pollUnsafe() === undefined) running.set(key, started)
      return yield* Fiber.join(started)
    })
  }
})
