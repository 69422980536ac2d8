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
import { CopyUses } from "./CopyUses.ts"
import { FileLookup } from "./FileLookup.ts"
import * as FilePlacing from "./FilePlacing.ts"
import type { Call, Candidate, Hook, ModelCall, RoutedCall } from "./Hooks.ts"
import { isModelCall, isRoutedCall } from "./Hooks.ts"
import * as LitellmId from "./LitellmId.ts"
import * as LostCopies from "./LostCopies.ts"
import { isLive, type ManagedFile, type Replica } from "./ManagedFile.ts"
import type { RoutedOperation } from "./Operation.ts"
import { ProviderError, Rejected } from "./ProviderError.ts"
import { Replication } from "./Replication.ts"
import { Settings } from "./Settings.ts"
import * as Span from "./Span.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import type { ProviderAccount } from "./Upstream.ts"

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

const reasonOf = ({ account }: ProviderAccount, reason: string | null): string | null =>
  reason === null ? null : `account ${account.id} ${reason}`

/** For traces: whether the files went by ID, some of them by that of a copy that had to be made, or within the call. */
const describeUse = (placed: ReadonlyMap<string, FilePlacing.Placed>, made: number): string => {
  if ([...placed.values()].some(({ copy }) => copy === null)) return "inline"
  return made > 0 ? "renewed" : "reference"
}

const firstAttempt: Attempt = { copies: new Map(), rows: new Map() }

export const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const ids = yield* UnifiedIds
  const lookup = yield* FileLookup
  const lostCopies = yield* LostCopies.make
  const uses = yield* CopyUses
  const placing = yield* FilePlacing.make
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
      // What is made of the input there is made of our own bytes.
      if (catalog.accounts.get(account)?.provider.batches === null) return file.kept
      const isThere = (replica: Replica) => replica.account === account && isLive(replica, now)
      return file.replicas.some((replica) => isThere(replica) && BatchVariant.isFor(replica.variant, model))
    }
    return replication.usable(file, account, now) !== undefined
  }

  /** How each file would come to a candidate, and how good that is; or what keeps one of them from it. */
  const assess = (call: RoutedCall, files: ReadonlyArray<ManagedFile>, candidate: Candidate, now: number) => {
    const target = catalog.targetOf(candidate.deployment)
    if (target === undefined) return { able: false, file: undefined, reason: null } as const
    const inlined: Array<ManagedFile> = []
    let missing = 0
    for (const file of files) {
      const held = holds(call, file, candidate.deployment, now)
      const choice = placing.choose(call, file, target, held)
      if (choice._tag === "CannotUse") return { able: false, file, reason: reasonOf(target, choice.reason) } as const
      if (choice._tag === "Inline") inlined.push(file)
      if (choice._tag === "Inline" || !held) missing++
    }
    const excess = placing.excess(call, target, inlined)
    if (excess !== undefined) return { able: false, file: inlined[0], reason: reasonOf(target, excess) } as const
    return { able: true, candidate: missing === 0 ? candidate : { ...candidate, rank: candidate.rank + 1 } } as const
  }

  const filter = Effect.fnUntraced(function* (call: RoutedCall, candidates: ReadonlyArray<Candidate>) {
    const now = yield* Clock.currentTimeMillis
    const files = neededFiles(call)
    const targets = candidates.flatMap(({ deployment }) => catalog.targetOf(deployment) ?? [])
    yield* placing.inspect(call, files, targets)
    const assessed = candidates.map((candidate) => assess(call, files, candidate, now))
    const able = assessed.flatMap((each) => (each.able ? [each.candidate] : []))
    if (able.length > 0) return able
    const named = namedFiles(call.operation)
    const said = assessed.find((each) => !each.able && each.reason !== null)
    const stuck =
      said !== undefined && !said.able
        ? named.find(({ id }) => call.files.get(id)?.key === said.file?.key)
        : named.find(({ id }) => {
            const file = call.files.get(id)
            return file !== undefined && !candidates.some((each) => assess(call, [file], each, now).able)
          })
    const model = candidates[0]?.deployment.modelName ?? ""
    const file = stuck === undefined ? undefined : call.files.get(stuck.id)
    const copies =
      file === undefined
        ? `no deployment of ${model} has all of them, and not all can be copied`
        : file.kept
          ? `it may not be copied to an account that serves ${model}, or is too large for it`
          : `no account that serves ${model} has a copy, and its content is not kept here`
    const why = said !== undefined && !said.able ? (said.reason ?? copies) : copies
    // Of several files no single one is to blame.
    const param = stuck?.param ?? named[0]?.param.replace(/[.[].*/s, "") ?? null
    const what = stuck === undefined ? "The files of this request" : `The file ${stuck.id}`
    return yield* invalid(`${what} cannot be used: ${why}.`, param, "file_not_available")
  })

  /** Brings the files to the deployment, and tells what stands for them in the body. */
  const place = Effect.fnUntraced(function* (
    call: ModelCall,
    deployment: Deployment
  ): Effect.fn.Return<FilePlacing.Placing, CallError | AccountFailure> {
    const target = catalog.targetOf(deployment)
    if (target === undefined) return { edits: [], placements: undefined }
    const { account } = deployment
    const now = yield* Clock.currentTimeMillis
    const placed = new Map<string, FilePlacing.Placed>()
    const missing: Array<readonly [id: string, file: ManagedFile]> = []
    const { rows } = attempts.get(call) ?? firstAttempt
    for (const [id, atStart] of call.files) {
      const file = rows.get(id) ?? atStart
      const replica = replication.usable(file, account, now)
      const choice = placing.choose(call, file, target, replica !== undefined)
      if (choice._tag === "Inline" && isNeeded(call.operation, id)) placed.set(id, { file, copy: null })
      else if (replica !== undefined) placed.set(id, { file, copy: replica })
      else if (isNeeded(call.operation, id)) missing.push([id, file])
    }
    if (missing.length > 0) {
      const made = yield* Effect.forEach(
        missing,
        ([id, file]) => Effect.map(replication.ensure(file, account), (copy) => [id, { file, copy }] as const),
        { concurrency: "unbounded" }
      )
      for (const [id, each] of made) placed.set(id, each)
    }
    yield* Span.annotate("omnifile.file.use", describeUse(placed, missing.length))
    const copies = new Map<string, Replica>()
    for (const [id, { copy, file }] of placed) {
      if (copy === null) continue
      copies.set(id, copy)
      const noted = uses.note(file, copy, now)
      if (noted !== undefined) yield* noted
    }
    attempts.set(call, { copies, rows })
    return yield* placing.write(call, target, placed)
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
    yield* Span.annotateLost(renewed.size)
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
        : Effect.map(place(call, deployment), ({ edits, placements }) => ({
            ...request,
            edits: [...request.edits, ...edits],
            placements
          })),
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
