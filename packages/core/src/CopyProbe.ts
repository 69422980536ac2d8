/** Whether a provider still has a copy, found out when it has refused a call that names the copy. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Replica } from "./ManagedFile.ts"
import type { ProviderError } from "./ProviderError.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"

/** The names that a provider's words have for a copy. */
export type Named = Pick<Replica, "remoteId" | "reference">

const isNamed = ({ reference, remoteId }: Named, words: string): boolean =>
  [remoteId, reference].some((name) => name !== null && name !== "" && words.includes(name))

/** What the refusal says of the copy by itself; `only` if the call names no other. */
const isSaidGone = ({ reason }: ProviderError, copy: Named, only: boolean): boolean =>
  reason._tag === "Rejected" && reason.meaning === "gone" && (only || isNamed(copy, reason.message))

export const make = Effect.gen(function* () {
  const upstream = yield* Upstream

  /** Asks the provider unless its refusal has said it. Of some copies it knows long after they can be used. */
  const isGone = Effect.fnUntraced(function* (
    target: ProviderAccount,
    copy: Named,
    refused: ProviderError,
    only: boolean
  ) {
    const { files } = target.provider
    if (files === null || copy.remoteId === null) return false
    if (isSaidGone(refused, copy, only)) return true
    const asked = upstream.request(target, Effect.succeed(files.retrieve(copy.remoteId)), files.decodeFile)
    const known = yield* Effect.result(asked)
    if (Result.isFailure(known)) return known.failure.absent
    const { expiresAt, state } = known.success
    return state === "failed" || (expiresAt !== null && expiresAt <= (yield* Clock.currentTimeMillis))
  })

  return { isGone }
})
