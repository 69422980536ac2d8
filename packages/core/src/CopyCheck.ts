/** Whether the copies that a refused job was given are still there; those that are not are made again. */
import * as Effect from "effect/Effect"
import * as CopyLoss from "./CopyLoss.ts"
import * as CopyProbe from "./CopyProbe.ts"
import type { JobInput } from "./Job.ts"
import type { ProviderError } from "./ProviderError.ts"
import * as Span from "./Span.ts"
import type { ProviderAccount } from "./Upstream.ts"

/** How many copies are asked about at once. */
const concurrency = 8

export const make = Effect.gen(function* () {
  const { forget } = yield* CopyLoss.make
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
      const lost = [...named, ...lines]
      yield* Effect.forEach(lost, ({ file, remoteId }) => forget(file, target.account.id, remoteId), { discard: true })
      yield* Span.annotateLost(lost.length)
      return true
    })
  }
})
