/**
 * Stored responses and containers as a hook: a call that goes on from one goes to the account where it lies, with the
 * provider's own ID in its body, and what comes back is put in the client's terms.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Access from "./Access.ts"
import { type AnswerPaths, messagePaths, responsePaths } from "./AnswerIds.ts"
import * as AnswerTranslation from "./AnswerTranslation.ts"
import { type CallError, invalid } from "./CallError.ts"
import type { Answer, Call, Failure, FailureAction, Hook, Pin } from "./Hooks.ts"
import type { Job, JobKind } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import type { Edit } from "./JsonEdit.ts"
import * as LitellmId from "./LitellmId.ts"
import { findReplica } from "./ManagedFile.ts"
import type { FileReference } from "./ModelRequest.ts"
import type { Operation } from "./Operation.ts"
import { ProviderError, Rejected } from "./ProviderError.ts"
import type { SharedReference } from "./ResponseOperation.ts"
import { Settings } from "./Settings.ts"
import { UnifiedIds } from "./UnifiedId.ts"

interface Named {
  readonly kind: Extract<JobKind, "response" | "container">
  readonly reference: FileReference
}

const none: ReadonlyArray<never> = []

/** What a body goes on from. */
const namedBy = (operation: Operation): ReadonlyArray<Named> => {
  switch (operation._tag) {
    case "CreateResponse":
    case "Forward": {
      const { containers, previous } = operation
      if (previous === null && containers.length === 0) return none
      return [
        ...(previous === null ? [] : [{ kind: "response", reference: previous } as const]),
        ...containers.map((reference) => ({ kind: "container", reference }) as const)
      ]
    }
    case "CreateMessage":
    case "CountTokens":
      return operation.containers.map((reference) => ({ kind: "container", reference }) as const)
    default:
      return none
  }
}

const sharedBy = (operation: Operation): ReadonlyArray<SharedReference> =>
  operation._tag === "CreateResponse" || operation._tag === "Forward" ? operation.shared : none

/** Where the IDs of an answer are, if clients are to see others in their place. */
const pathsOf = (operation: Operation): AnswerPaths | undefined => {
  switch (operation._tag) {
    case "CreateResponse":
      return responsePaths
    case "CreateMessage":
      return messagePaths
    default:
      return undefined
  }
}

/** What stands in the body in the place of what the client wrote, by what stands there. */
const placed = ({ edits, operation }: Call): ReadonlyMap<string, string> =>
  new Map(
    namedBy(operation).flatMap(({ reference }) => {
      const edit = edits.find(({ start }) => start === reference.start)
      return edit === undefined ? [] : [[edit.value, reference.id] as const]
    })
  )

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
  const isForeign = (kind: Named["kind"], id: string): boolean =>
    allowProviderIds && Option.isNone(ids.decode(kind, id)) && Option.isNone(LitellmId.recognise(id))

  const find = (call: Call, { kind, reference }: Named): Effect.Effect<Job | undefined, CallError> => {
    if (isForeign(kind, reference.id)) return Effect.succeed(undefined)
    const found = jobs.find(call.principal, kind, reference.id, reference.param)
    return reference.required === false ? Effect.catchTag(found, "NotFound", () => Effect.succeed(undefined)) : found
  }

  const resolve = Effect.fnUntraced(function* (call: Call, named: ReadonlyArray<Named>) {
    const edits: Array<Edit> = []
    let pin: Pin | null = call.pin
    for (const each of named) {
      const job = yield* find(call, each)
      if (job === undefined || job.remoteId === null) continue
      const { end, param, raw, required, start } = each.reference
      edits.push({ start, end, raw, value: job.remoteId })
      if (required === false) continue
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

  /** What the client named, by what the provider knows it as. */
  const knownTo = (call: Call, account: string): ReadonlyMap<string, string> => {
    const known = new Map(placed(call))
    for (const [id, file] of call.files) {
      const remoteId = findReplica(file, account)?.remoteId
      if (remoteId !== null && remoteId !== undefined) known.set(remoteId, id)
    }
    return known
  }

  const postCall: NonNullable<Hook["postCall"]> = (call, answer) => {
    const paths = pathsOf(call.operation)
    if (paths === undefined || !("deployment" in answer)) return Effect.succeed(answer)
    const { account, id, modelName } = answer.deployment
    const origin: AnswerTranslation.Origin = {
      owner: Access.ownerOf(call.principal),
      account,
      deployment: id,
      modelName,
      known: knownTo(call, account),
      store: call.operation._tag === "CreateResponse" && call.operation.store
    }
    return Effect.map(translation.translate(answer.response, paths, origin), (response): Answer => ({
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
