/**
 * Stored responses and containers as a hook: a call that goes on from one goes to the account where it lies, with the
 * provider's own ID in its body, and what comes back is put in the client's terms.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { messagePaths } from "./AnswerIds.ts"
import * as AnswerTranslation from "./AnswerTranslation.ts"
import { type CallError, invalid } from "./CallError.ts"
import type { Call, Failure, FailureAction, Hook, Pin } from "./Hooks.ts"
import type { Job } from "./Job.ts"
import { type JobReference, namedBy, placed } from "./JobReferences.ts"
import { Jobs } from "./Jobs.ts"
import type { Edit } from "./JsonEdit.ts"
import * as LitellmId from "./LitellmId.ts"
import type { Operation } from "./Operation.ts"
import { ProviderError, Rejected } from "./ProviderError.ts"
import type { SharedReference } from "./ResponseOperation.ts"
import { Settings } from "./Settings.ts"
import { UnifiedIds } from "./UnifiedId.ts"

const sharedBy = (operation: Operation): ReadonlyArray<SharedReference> =>
  operation._tag === "CreateResponse" || operation._tag === "Forward" ? operation.shared : []

/** A refusal in the client's terms. */
const translated = (error: ProviderError, ids: ReadonlyMap<string, string>): ProviderError => {
  const { reason } = error
  if (reason._tag !== "Rejected") return error
  let { message } = reason
  for (const [remote, unified] of ids) message = message.replaceAll(remote, unified)
  return new ProviderError({ ...error, reason: new Rejected({ ...reason, message }) })
}

export const make = Effect.gen(function* () {
  const ids = yield* UnifiedIds
  const jobs = yield* Jobs
  const translation = yield* AnswerTranslation.make
  const { allowProviderIds } = yield* Settings

  /** A provider's own ID, in an installation that lets clients use those. */
  const isForeign = (kind: JobReference["kind"], id: string): boolean =>
    allowProviderIds && Option.isNone(ids.decode(kind, id)) && Option.isNone(LitellmId.recognise(id))

  /** Whether it is one of ours that is not remembered any more. */
  const isForgotten = (kind: JobReference["kind"], id: string) =>
    Option.match(ids.decode(kind, id), {
      onNone: () => Effect.succeed(false),
      onSome: ({ uuid }) => Effect.map(jobs.read(uuid), (job) => job === undefined)
    })

  const find = (call: Call, { kind, past, reference }: JobReference): Effect.Effect<Job | undefined, CallError> => {
    if (isForeign(kind, reference.id)) return Effect.succeed(undefined)
    const found = jobs.find(call.principal, kind, reference.id, reference.param)
    if (reference.required === false) return Effect.catchTag(found, "NotFound", () => Effect.succeed(undefined))
    if (past !== true) return found
    return Effect.catchTag(found, "NotFound", (error) =>
      Effect.flatMap(isForgotten(kind, reference.id), (forgotten) =>
        forgotten ? Effect.succeed(undefined) : Effect.fail(error)
      )
    )
  }

  const resolve = Effect.fnUntraced(function* (call: Call, named: ReadonlyArray<JobReference>) {
    const edits: Array<Edit> = []
    let pin: Pin | null = call.pin
    for (const each of named) {
      const job = yield* find(call, each)
      if (job === undefined || job.remoteId === null) continue
      const { end, param, raw, start } = each.reference
      edits.push({ start, end, raw, value: job.remoteId })
      if (each.past === true) continue
      if (pin !== null && pin.account !== job.account) {
        return yield* invalid("What this request goes on from does not all lie in one account.", param)
      }
      pin ??= { account: job.account, deployment: job.deployment }
    }
    return { ...call, pin, edits: [...call.edits, ...edits] }
  })

  const preCall = (call: Call): Effect.Effect<Call, CallError> => {
    const [shared] = sharedBy(call.operation)
    if (shared !== undefined && !allowProviderIds) {
      const message = `A ${shared.what} cannot be used here: everybody with the provider's account would share it.`
      return Effect.fail(invalid(message, shared.param, "not_managed"))
    }
    const named = namedBy(call.operation)
    return named.length === 0 ? Effect.succeed(call) : resolve(call, named)
  }

  /** Responses are translated where they are recorded. */
  const postCall: NonNullable<Hook["postCall"]> = (call, answer) => {
    if (answer._tag !== "CreateMessage") return Effect.succeed(answer)
    const origin = AnswerTranslation.originOf(call, answer.deployment, { store: false, row: null })
    return Effect.map(translation.translate(answer.response, messagePaths, origin), (response) => ({
      ...answer,
      response
    }))
  }

  const onFailure = (call: Call, failure: Failure): Effect.Effect<FailureAction | null> =>
    Effect.succeed(
      failure._tag === "DeploymentFailed" && call.edits.length > 0 && failure.error.reason._tag === "Rejected"
        ? { _tag: "Proceed", error: translated(failure.error, placed(call)) }
        : null
    )

  const hook: Hook = { name: "managed-jobs", preCall, postCall, onFailure }
  return hook
})
