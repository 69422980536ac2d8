/**
 * Managed files as a hook: checks and resolves the unified IDs in a body, prefers deployments that hold the
 * files, makes missing copies, puts each deployment's own IDs in place, and heals copies that a provider lost.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Deployment } from "./Account.ts"
import * as BatchVariant from "./BatchVariant.ts"
import { type AccountFailure, type CallError, invalid } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import { FileLookup } from "./FileLookup.ts"
import type { Call, Candidate, Hook, ModelCall, RoutedCall } from "./Hooks.ts"
import { isModelCall, isRoutedCall } from "./Hooks.ts"
import type { Edit } from "./JsonEdit.ts"
import * as LitellmId from "./LitellmId.ts"
import * as LostCopies from "./LostCopies.ts"
import { isLive, type ManagedFile, type Replica } from "./ManagedFile.ts"
import type { FileReference } from "./ModelRequest.ts"
import type { RoutedOperation } from "./Operation.ts"
import { ProviderError, Rejected } from "./ProviderError.ts"
import { Replication } from "./Replication.ts"
import { Settings } from "./Settings.ts"
import * as Span from "./Span.ts"
import { UnifiedIds } from "./UnifiedId.ts"

/** What a call's last try was made with, by unified ID. */
interface Attempt {
  readonly copies: ReadonlyMap<string, Replica>
  /** Rows that are newer than those of the call's start. */
  readonly rows: ReadonlyMap<string, ManagedFile>
}

interface NamedFile {
  readonly id: string
  readonly param: string
  readonly required?: boolean | undefined
}

/** The files that an operation names. */
const namedFiles = (operation: RoutedOperation): ReadonlyArray<NamedFile> =>
  operation._tag === "CreateBatch" ? [operation.inputFile] : operation.files

/** Whether the call is of no use without a copy of the file: what an earlier answer said can stay as it is. */
const isNeeded = (operation: RoutedOperation, id: string): boolean =>
  namedFiles(operation).some((named) => named.id === id && named.required !== false)

const neededFiles = ({ files, operation }: RoutedCall): ReadonlyArray<ManagedFile> => {
  const optional = namedFiles(operation).some(({ required }) => required === false)
  return optional ? [...files].filter(([id]) => isNeeded(operation, id)).map(([, file]) => file) : [...files.values()]
}

const firstAttempt: Attempt = { copies: new Map(), rows: new Map() }

export const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const ids = yield* UnifiedIds
  const lookup = yield* FileLookup
  const lostCopies = yield* LostCopies.make
  const replication = yield* Replication
  const { allowProviderIds } = yield* Settings
  const attempts = new WeakMap<ModelCall, Attempt>()

  /** A provider's own ID, in an installation that lets clients use those. */
  const isForeign = (id: string): boolean =>
    Option.isNone(ids.decode("file", id)) && Option.isNone(LitellmId.recognise(id))

  const resolve = Effect.fnUntraced(function* (call: RoutedCall, named: ReadonlyArray<NamedFile>) {
    const mayBeForeign = allowProviderIds && isModelCall(call)
    const needed = named.filter(({ id, required }) => required !== false && !(mayBeForeign && isForeign(id)))
    const found = yield* lookup.findAll(call.principal, needed)
    const files = new Map(found.map((file, index) => [needed[index]?.id ?? "", file]))
    for (const { id, param, required } of named) {
      if (required !== false || files.has(id) || isForeign(id)) continue
      const file = yield* lookup
        .find(call.principal, id, param)
        .pipe(Effect.catchTag("NotFound", () => Effect.succeed(undefined)))
      if (file !== undefined) files.set(id, file)
    }
    return { ...call, files }
  })

  const preCall = (call: Call): Effect.Effect<Call, CallError> => {
    const named = isRoutedCall(call) ? namedFiles(call.operation) : []
    return isRoutedCall(call) && named.length > 0 ? resolve(call, named) : Effect.succeed(call)
  }

  const holds = (
    { operation }: RoutedCall,
    file: ManagedFile,
    { account, model }: Deployment,
    now: number
  ): boolean => {
    if (operation._tag === "CreateBatch" && file.id === operation.inputFile.id) {
      const isThere = (replica: Replica) => replica.account === account && isLive(replica, now)
      return file.replicas.some((replica) => isThere(replica) && BatchVariant.isFor(replica.variant, model))
    }
    return replication.usable(file, account, now) !== undefined
  }

  const filter = Effect.fnUntraced(function* (call: RoutedCall, candidates: ReadonlyArray<Candidate>) {
    const now = yield* Clock.currentTimeMillis
    const files = neededFiles(call)
    const able = candidates.flatMap((candidate) => {
      const missing = files.filter((file) => !holds(call, file, candidate.deployment, now))
      if (missing.length === 0) return [candidate]
      const possible = missing.every((file) => replication.canCopy(file, candidate.deployment.account))
      return possible ? [{ ...candidate, rank: candidate.rank + 1 }] : []
    })
    if (able.length > 0) return able
    const named = namedFiles(call.operation)
    const stuck = named.find(({ id }) => {
      const file = call.files.get(id)
      const canServe = ({ deployment }: Candidate) =>
        file === undefined || holds(call, file, deployment, now) || replication.canCopy(file, deployment.account)
      return !candidates.some(canServe)
    })
    const model = candidates[0]?.deployment.modelName ?? ""
    const file = stuck === undefined ? undefined : call.files.get(stuck.id)
    const why =
      file === undefined
        ? `no deployment of ${model} has all of them, and not all can be copied`
        : file.kept
          ? `it may not be copied to an account that serves ${model}, or is too large for it`
          : `no account that serves ${model} has a copy, and its content is not kept here`
    // Of several files no single one is to blame.
    const param = stuck?.param ?? named[0]?.param.replace(/[.[].*/s, "") ?? null
    const what = stuck === undefined ? "The files of this request" : `The file ${stuck.id}`
    return yield* invalid(`${what} cannot be used: ${why}.`, param, "file_not_available")
  })

  const editFor = ({ end, raw, start }: FileReference, replica: Replica): Edit => ({
    start,
    end,
    value: replica.reference ?? replica.remoteId ?? "",
    raw
  })

  const place = Effect.fnUntraced(function* (
    call: ModelCall,
    { account }: Deployment
  ): Effect.fn.Return<ReadonlyArray<Edit>, CallError | AccountFailure> {
    const now = yield* Clock.currentTimeMillis
    const copies = new Map<string, Replica>()
    const missing: Array<readonly [id: string, file: ManagedFile]> = []
    const { rows } = attempts.get(call) ?? firstAttempt
    for (const [id, atStart] of call.files) {
      const file = rows.get(id) ?? atStart
      const replica = replication.usable(file, account, now)
      if (replica !== undefined) copies.set(id, replica)
      else if (isNeeded(call.operation, id)) missing.push([id, file])
    }
    if (missing.length > 0) {
      const made = yield* Effect.forEach(
        missing,
        ([id, file]) => Effect.map(replication.ensure(file, account), (replica) => [id, replica] as const),
        { concurrency: "unbounded" }
      )
      for (const [id, replica] of made) copies.set(id, replica)
    }
    yield* Span.annotate("omnifile.file.use", missing.length > 0 ? "renewed" : "reference")
    attempts.set(call, { copies, rows })
    return call.operation.files.flatMap((reference) => {
      const replica = copies.get(reference.id)
      return replica === undefined ? [] : [editFor(reference, replica)]
    })
  })

  /** The provider's words with our IDs in the place of its own. */
  const translate = (copies: ReadonlyMap<string, Replica>, error: ProviderError): ProviderError => {
    const { reason } = error
    if (reason._tag !== "Rejected") return error
    const { code, meaning, param, status, type } = reason
    let { message } = reason
    for (const [id, { reference, remoteId }] of copies) {
      if (reference !== null && reference !== "") message = message.replaceAll(reference, id)
      if (remoteId !== null && remoteId !== "") message = message.replaceAll(remoteId, id)
    }
    return message === reason.message
      ? error
      : new ProviderError({
          account: error.account,
          call: error.call,
          reason: new Rejected({ status, message, type, param, code, meaning }),
          maybeAccepted: error.maybeAccepted
        })
  }

  const renewedRows = Effect.fnUntraced(function* (
    call: ModelCall,
    account: string,
    { copies }: Attempt,
    refused: ProviderError
  ) {
    const target = catalog.accounts.get(account)
    const rows = new Map<string, ManagedFile>()
    if (target === undefined) return rows
    yield* Effect.forEach(
      call.files,
      Effect.fnUntraced(function* ([id, file]) {
        const copy = copies.get(id)
        const row =
          copy === undefined ? undefined : yield* lostCopies.rowWithout(target, file, copy, refused, copies.size === 1)
        if (row !== undefined) rows.set(id, row)
      }),
      { concurrency: "unbounded", discard: true }
    )
    return rows
  })

  /** If copies have become stale, the same deployment is tried again with new ones. */
  const afterRejection = Effect.fnUntraced(function* (
    call: ModelCall,
    { account }: Deployment,
    refused: ProviderError
  ) {
    const attempt = attempts.get(call) ?? firstAttempt
    const error = translate(attempt.copies, refused)
    const renewed = yield* renewedRows(call, account, attempt, refused).pipe(
      Effect.catch((failure) =>
        Effect.as(Effect.logWarning("Copies could not be checked", failure), new Map<string, ManagedFile>())
      )
    )
    if (renewed.size === 0) return { _tag: "Proceed", error } as const
    attempts.set(call, { ...attempt, rows: new Map([...attempt.rows, ...renewed]) })
    return { _tag: "Retry", error } as const
  })

  const hook: Hook = {
    name: "managed-files",
    preCall,
    filterDeployments: (call, candidates) =>
      call.files.size === 0 ? Effect.succeed(candidates) : filter(call, candidates),
    preDeployment: (call, deployment, request) =>
      call.files.size === 0
        ? Effect.succeed(request)
        : Effect.map(place(call, deployment), (edits) => ({ ...request, edits: [...request.edits, ...edits] })),
    onFailure: (call, failure) =>
      isModelCall(call) &&
      call.files.size > 0 &&
      failure._tag === "DeploymentFailed" &&
      failure.error.reason._tag === "Rejected"
        ? afterRejection(call, failure.deployment, failure.error)
        : Effect.succeed(null)
  }
  return hook
})
