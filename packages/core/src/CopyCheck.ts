/** Whether the copies that a refused job was given are still there; those that are not are made again. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as CopyProbe from "./CopyProbe.ts"
import type { JobInput } from "./Job.ts"
import { Replica, withReplica } from "./ManagedFile.ts"
import type { ProviderError } from "./ProviderError.ts"
import { Registry } from "./Registry.ts"
import type { ProviderAccount } from "./Upstream.ts"

/** How many copies are asked about at once. */
const concurrency = 8

export const make = Effect.gen(function* () {
  const registry = yield* Registry
  const { isGone } = yield* CopyProbe.make

  const lostOf = (target: ProviderAccount, refused: ProviderError, inputs: ReadonlyArray<JobInput>) =>
    Effect.filter(
      inputs,
      ({ remoteId }) =>
        remoteId === null
          ? Effect.succeed(false)
          : isGone(target, { remoteId, reference: null }, refused, inputs.length === 1),
      { concurrency }
    )

  const forget = Effect.fnUntraced(function* (account: string, { file, remoteId }: JobInput) {
    const now = yield* Clock.currentTimeMillis
    return yield* registry.modifyFile(file, (current) => {
      const lost = current.replicas.find(
        (replica) => replica.account === account && replica.remoteId === remoteId && replica.state === "ready"
      )
      const gone = { state: "expired", updatedAt: now, error: "lost at the provider" } as const
      return lost === undefined ? undefined : withReplica(current, new Replica({ ...lost, ...gone }))
    })
  })

  return {
    /** After a refusal: forgets the copies that their provider does not have any more. True if there were any. */
    forgetLost: Effect.fnUntraced(function* (
      target: ProviderAccount,
      refused: ProviderError,
      inputs: ReadonlyArray<JobInput>
    ) {
      if (refused.reason._tag !== "Rejected") return false
      const named = yield* lostOf(
        target,
        refused,
        inputs.filter(({ role }) => role !== "line")
      )
      if (named.length === 0) return false
      // What is named only inside of another file is not looked at by who refuses that one.
      const lines = yield* lostOf(
        target,
        refused,
        inputs.filter(({ role }) => role === "line")
      )
      yield* Effect.forEach([...named, ...lines], (input) => forget(target.account.id, input), { discard: true })
      return true
    })
  }
})
