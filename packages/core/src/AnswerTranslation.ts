/**
 * From the IDs in a provider's answer to unified ones. What the answer tells of for the first time is recorded with its
 * owner before the client reads it: a response that is stored, a file that a tool has made, the container it is in.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { type Owner, ownerOf } from "./Access.ts"
import type { Deployment } from "./Account.ts"
import type { AnswerPaths, FoundId } from "./AnswerIds.ts"
import * as AnswerRewriter from "./AnswerRewriter.ts"
import { AccountFailure, type CallError, ProvidersFailed } from "./CallError.ts"
import type { Call } from "./Hooks.ts"
import type { TransportResponse } from "./HttpTransport.ts"
import { draft, type JobKind, update } from "./Job.ts"
import { knownTo } from "./JobReferences.ts"
import { Jobs } from "./Jobs.ts"
import { OutputFiles } from "./OutputFiles.ts"
import { Settings } from "./Settings.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"
import { isConflict } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import * as Uuid from "./Uuid.ts"

/** Whose answer it is, and where it comes from. */
export interface Origin {
  readonly owner: Owner
  readonly account: string
  readonly deployment: string
  readonly modelName: string
  /** Unified IDs that are known already, by the provider's own. */
  readonly known: ReadonlyMap<string, string>
  /** Whether a response that the answer tells of is recorded, so that it can be found again. */
  readonly store: boolean
  /** The key of a row that waits for this response, or null. */
  readonly row: string | null
}

/** Where the answer to a call comes from. */
export const originOf = (call: Call, deployment: Deployment, kept: Pick<Origin, "store" | "row">): Origin => ({
  owner: ownerOf(call.principal),
  account: deployment.account,
  deployment: deployment.id,
  modelName: deployment.modelName,
  known: knownTo(call, deployment.account),
  ...kept
})

export interface AnswerTranslation {
  /** The answer in the client's terms. It is read as in `AnswerRewriter`. */
  readonly translate: (
    response: TransportResponse,
    paths: AnswerPaths,
    origin: Origin
  ) => Effect.Effect<TransportResponse, CallError, Scope.Scope>
}

const tags = { response: "Response", container: "Container" } as const

export const make = Effect.gen(function* () {
  const ids = yield* UnifiedIds
  const jobs = yield* Jobs
  const outputs = yield* OutputFiles
  const sha256 = yield* Sha256
  const { responseTtl } = (yield* Settings).jobs
  /** Content is fetched while the answer goes on: containers do not last. */
  const background = yield* FiberSet.make()

  const row = Effect.fnUntraced(function* (
    { account, deployment, modelName, owner }: Origin,
    kind: Extract<JobKind, "response" | "container">,
    key: string,
    remoteId: string
  ) {
    const now = yield* Clock.currentTimeMillis
    const id = ids.encode({ _tag: tags[kind], uuid: key, deployment, providerId: remoteId })
    return draft(
      { key, kind, id, state: "active", owner, account, deployment, modelName, remoteId },
      now,
      now + responseTtl
    )
  })

  const knownJob = (account: string, kind: JobKind, remoteId: string) =>
    Effect.map(jobs.ofRemote(account, remoteId), (job) => (job?.kind === kind ? (job.id ?? undefined) : undefined))

  const responseId = Effect.fnUntraced(function* (origin: Origin, remoteId: string) {
    const job = yield* row(origin, "response", origin.row ?? (yield* Uuid.make), remoteId)
    // Nobody finds what is not stored.
    if (!origin.store) return job.id ?? undefined
    if (origin.row === null) yield* jobs.create(job, [])
    else yield* jobs.modify(origin.row, ({ idempotency }) => update(job, { idempotency }))
    return job.id ?? undefined
  })

  /** One row for a container, whoever comes upon it. */
  const containerId = Effect.fnUntraced(function* (origin: Origin, remoteId: string) {
    const known = yield* knownJob(origin.account, "container", remoteId)
    if (known !== undefined) return known
    const key = Uuid.fromDigest(hexOfText(sha256, ["container", origin.account, remoteId].join("\0")))
    const job = yield* row(origin, "container", key, remoteId)
    return yield* jobs.create(job, []).pipe(
      Effect.as(job.id ?? undefined),
      Effect.catchIf(
        (error) => error._tag === "StorageError" && isConflict(error),
        () => Effect.map(jobs.read(key), (other) => other?.id ?? undefined)
      )
    )
  })

  const fileId = (origin: Origin, remoteId: string) =>
    Effect.map(outputs.find(origin.account, remoteId), (file) => file?.id ?? undefined)

  const outputId = Effect.fnUntraced(function* (
    origin: Origin,
    { object, value }: FoundId,
    all: ReadonlyArray<FoundId>
  ) {
    const known = yield* fileId(origin, value)
    if (known !== undefined) return known
    const beside = (kind: FoundId["kind"]) => all.find((other) => other.kind === kind && other.object === object)?.value
    // What is cited has been there before: it is whose it is, and never becomes the caller's.
    if (beside("type") === "file_citation") return undefined
    // Of a tool call as a whole, where the file itself does not say it.
    const around = ({ kind, object: other }: FoundId) =>
      kind === "container" && (other === object || object.startsWith(`${other}.`))
    const container = all.findLast(around)?.value ?? null
    const file = yield* outputs.register({
      owner: origin.owner,
      account: origin.account,
      deployment: origin.deployment,
      container,
      remoteId: value,
      purpose: "assistants_output",
      filename: beside("filename")
    })
    if (container !== null) {
      yield* FiberSet.run(
        background,
        outputs.pull(file).pipe(
          Effect.catch((error) => Effect.logWarning("A file in a container could not be fetched", error)),
          Effect.annotateLogs({ account: origin.account, file: file.key })
        )
      )
    }
    return file.id ?? undefined
  })

  const unified = (
    origin: Origin,
    found: FoundId,
    all: ReadonlyArray<FoundId>
  ): Effect.Effect<string | undefined, CallError> => {
    switch (found.kind) {
      case "response":
        return responseId(origin, found.value)
      case "previous":
        return knownJob(origin.account, "response", found.value)
      case "container":
        return containerId(origin, found.value)
      case "file":
        return fileId(origin, found.value)
      case "output":
        return outputId(origin, found, all).pipe(
          // The answer is good without it: its ID stays the provider's, which nobody can use here.
          Effect.catchTag(["ProviderError", "ContentUnavailable"], (error) =>
            Effect.as(Effect.logWarning("A file in an answer could not be looked at", error), undefined)
          )
        )
      case "filename":
      case "type":
        return Effect.succeed(undefined)
    }
  }

  const translation: AnswerTranslation = {
    translate: (response, paths, origin) => {
      const known = new Map(origin.known)
      const translate = Effect.fnUntraced(function* (found: ReadonlyArray<FoundId>) {
        for (const each of found) {
          if (known.has(each.value)) continue
          const id = yield* unified(origin, each, found)
          if (id !== undefined) known.set(each.value, id)
        }
        return known
      })
      return AnswerRewriter.rewrite(response, paths, translate, () => brokenOff(origin.account))
    }
  }
  return translation
})

const brokenOff = (account: string): CallError => {
  const message = "could not be reached or broke off the connection"
  return new ProvidersFailed({
    message: `The account ${account} ${message}.`,
    failures: [new AccountFailure({ account, message, timedOut: false })]
  })
}
