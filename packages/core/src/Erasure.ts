/**
 * Erasing what is a user's: files with every copy and the content, jobs, uploads, and the user's name in what has been
 * used. Each copy is accounted for. What cannot go yet, such as a file that a running batch reads, is said to be left,
 * and goes when this is done again.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Access from "./Access.ts"
import { Catalog } from "./Catalog.ts"
import * as FilePages from "./FilePages.ts"
import { ForeignBatchEnd } from "./ForeignBatchEnd.ts"
import { type Job, type JobKind, listedKinds } from "./Job.ts"
import * as JobRefresh from "./JobRefresh.ts"
import { Jobs } from "./Jobs.ts"
import type { JobSync } from "./JobSync.ts"
import type { ManagedFile, Replica } from "./ManagedFile.ts"
import { ofCaller } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import { instant } from "./RegistryIndexes.ts"
import { Removal } from "./Removal.ts"
import { isConflict, type StorageError } from "./StorageError.ts"
import type { SplitEnd } from "./SplitEnd.ts"
import { UploadParts } from "./UploadParts.ts"
import { Upstream } from "./Upstream.ts"
import { UsageRecord } from "./UsageRecord.ts"
import * as Uuid from "./Uuid.ts"

export interface Options {
  readonly user: string
  /** Tells what there is, and changes nothing. */
  readonly dryRun: boolean
}

/**
 * - `found`: there, in a dry run
 * - `erased`: gone
 * - `pending`: gone for clients; a server goes on until it is gone everywhere
 * - `left`: nothing has changed, because something needs it or it could not be reached
 */
export type Outcome = "found" | "erased" | "pending" | "left"

export interface ErasedCopy {
  readonly account: string
  readonly variant: string
  readonly outcome: Outcome
}

export interface ErasedFile {
  /** The unified ID. */
  readonly id: string
  readonly outcome: Outcome
  /** Whether our own store keeps, or kept, the bytes. */
  readonly kept: boolean
  readonly copies: ReadonlyArray<ErasedCopy>
}

export interface ErasedJob {
  readonly id: string
  readonly kind: JobKind
  readonly account: string
  readonly outcome: Outcome
}

export interface Report {
  readonly user: string
  readonly dryRun: boolean
  /** Whether nothing of the user is left. */
  readonly complete: boolean
  readonly files: ReadonlyArray<ErasedFile>
  readonly jobs: ReadonlyArray<ErasedJob>
  /** Uploads in parts. */
  readonly uploads: number
  /** Records of usage: one without a team goes, in one with a team the user is nobody from now on. */
  readonly usage: number
}

export class Erasure extends Context.Service<
  Erasure,
  { readonly run: (options: Options) => Effect.Effect<Report, StorageError> }
>()("@omnifile/core/Erasure") {}

const pageSize = 200
const concurrency = 8

const make = Effect.gen(function* () {
  const batches = yield* ForeignBatchEnd
  const catalog = yield* Catalog
  const jobs = yield* Jobs
  const parts = yield* UploadParts
  const refresh = yield* JobRefresh.make
  const registry = yield* Registry
  const removal = yield* Removal
  const upstream = yield* Upstream

  const copiesOf = (file: ManagedFile, outcomeOf: (replica: Replica) => Outcome): ReadonlyArray<ErasedCopy> =>
    file.replicas.map((replica) => ({
      account: replica.account,
      variant: replica.variant,
      outcome: outcomeOf(replica)
    }))

  const eraseFile = Effect.fnUntraced(function* (file: ManagedFile, dryRun: boolean) {
    const told = (outcome: Outcome, outcomeOf: (replica: Replica) => Outcome): ErasedFile => ({
      id: file.id ?? file.key,
      outcome,
      kept: file.kept,
      copies: copiesOf(file, outcomeOf)
    })
    if (dryRun) return told("found", () => "found")
    const mark = yield* removal.mark(file.key)
    if (mark._tag === "InUse") return told("left", () => "left")
    yield* removal.run(file.key)
    // What is remembered of a deleted file names its owner.
    const rest = yield* registry.modifyFile(file.key, ({ state }) => (state === "deleted" ? null : undefined))
    if (rest === undefined) return told("erased", () => "erased")
    const isThere = ({ account, remoteId, variant }: Replica) =>
      rest.replicas.some(
        (other) => other.account === account && other.variant === variant && other.remoteId === remoteId
      )
    return told("pending", (replica) => (isThere(replica) ? "pending" : "erased"))
  })

  /** What a crash may have left of a batch's input goes with it. */
  const removeJob = (key: string) =>
    Effect.andThen(
      batches.discard(key),
      jobs.modify(key, () => null)
    )

  /** Stored responses are deleted where they lie; a provider keeps its own record of a batch, and lets nobody erase it. */
  const removeResponse = Effect.fnUntraced(function* (job: Job) {
    const target = catalog.accounts.get(job.account)
    const remove = target?.provider.responses?.remove
    if (target !== undefined && remove !== undefined && job.remoteId !== null) {
      const asked = yield* Effect.result(upstream.request(target, Effect.succeed(remove(job.remoteId)), Result.succeed))
      if (Result.isFailure(asked) && !asked.failure.absent) return "left" as const
    }
    yield* removeJob(job.key)
    return "erased" as const
  })

  const cancelAt = (job: Job) =>
    job.kind === "batch"
      ? refresh.cancelBatch(job)
      : refresh.act(job, (protocol, remoteId) => protocol.cancel(remoteId))

  const cancel = Effect.fnUntraced(function* (job: Job) {
    const after = yield* Effect.result(cancelAt(job))
    // One that is over meanwhile cannot be cancelled any more.
    const current = Result.isSuccess(after)
      ? after.success
      : yield* Effect.result(refresh.current(job)).pipe(
          Effect.map((seen) => (Result.isSuccess(seen) ? seen.success : job))
        )
    if (current.state !== "ended") return "left" as const
    yield* removeJob(job.key)
    return "erased" as const
  })

  const eraseJob = Effect.fnUntraced(function* (job: Job, dryRun: boolean) {
    const told = (outcome: Outcome): ErasedJob => ({
      id: job.id ?? job.key,
      kind: job.kind,
      account: job.account,
      outcome
    })
    if (dryRun) return told("found")
    if (job.kind === "response") return told(yield* removeResponse(job))
    if (job.kind !== "container" && job.state !== "ended") return told(yield* cancel(job))
    yield* removeJob(job.key)
    return told("erased")
  })

  const eraseJobs = Effect.fnUntraced(function* (scopes: ReadonlyArray<Access.Scope>, dryRun: boolean) {
    const erased: Array<ErasedJob> = []
    for (const kind of listedKinds) {
      let after: Job | null = null
      for (;;) {
        const page: ReadonlyArray<Job> = yield* jobs.list({ scopes, kind, after, limit: pageSize })
        erased.push(...(yield* Effect.forEach(page, (job) => eraseJob(job, dryRun), { concurrency })))
        const last = page.at(-1)
        if (last === undefined || page.length < pageSize) break
        after = last
      }
    }
    return erased
  })

  const eraseFiles = Effect.fnUntraced(function* (scopes: ReadonlyArray<Access.Scope>, dryRun: boolean) {
    const erased: Array<ErasedFile> = []
    yield* FilePages.forEach(
      registry,
      { scopes },
      Effect.fnUntraced(function* (page) {
        erased.push(...(yield* Effect.forEach(page, (file) => eraseFile(file, dryRun), { concurrency })))
      })
    )
    return erased
  })

  /** Uploads have no list by owner; there are never more than those of a day. */
  const eraseUploads = Effect.fnUntraced(function* (user: string, dryRun: boolean) {
    let count = 0
    let left = false
    let after: { readonly sort: string; readonly key: string } | undefined
    for (;;) {
      const page = yield* registry.uploads.scanUnderstood({
        index: "due",
        partitions: ["all"],
        order: "asc",
        after,
        limit: pageSize
      })
      for (const { value, version } of page) {
        if (value.owner.user !== user) continue
        count++
        if (dryRun) continue
        const isEmpty = yield* parts.removeAll(value.key)
        // One that is being completed changes under us: it is for the next time.
        const isGone =
          isEmpty &&
          value.state !== "completing" &&
          (yield* registry.commit([registry.uploads.removal(version, value.key)]).pipe(
            Effect.as(true),
            Effect.catchIf(isConflict, () => Effect.succeed(false))
          ))
        if (!isGone) left = true
      }
      const last = page.at(-1)?.value
      if (last === undefined || page.length < pageSize) return { count, left }
      after = { sort: instant(last.dueAt), key: last.key }
    }
  })

  const forgetUsage = Effect.fnUntraced(function* (record: UsageRecord, version: number) {
    const { at, key, owner } = record
    const removed = registry.usage.removal(version, key)
    if (owner.team === null) return [removed]
    const nobody = new Access.Owner({ user: null, team: owner.team, keyHash: null })
    // The old key is made of the user's name.
    const anonymous = new UsageRecord({ ...record, key: `erased/${at}/${yield* Uuid.make}`, owner: nobody })
    return [removed, registry.usage.change(0, anonymous)]
  })

  const eraseUsage = Effect.fnUntraced(function* (scopes: ReadonlyArray<Access.Scope>, dryRun: boolean) {
    let count = 0
    let after: { readonly sort: string; readonly key: string } | undefined
    for (;;) {
      const page = yield* registry.usage.scan({
        index: "list",
        partitions: scopes,
        order: "asc",
        after,
        limit: pageSize
      })
      for (const { value, version } of page) {
        count++
        if (dryRun) continue
        yield* registry.commit(yield* forgetUsage(value, version)).pipe(Effect.catchIf(isConflict, () => Effect.void))
      }
      const last = page.at(-1)?.value
      if (last === undefined || page.length < pageSize) return count
      after = { sort: instant(last.at), key: last.key }
    }
  })

  return Erasure.of({
    run: Effect.fn("Erasure.run")(function* ({ dryRun, user }) {
      const scopes = Access.scopesOfPrincipal(ofCaller({ user }))
      // What jobs have made is among the files, and what they read goes once they are over.
      const erasedJobs = yield* eraseJobs(scopes, dryRun)
      const uploads = yield* eraseUploads(user, dryRun)
      const files = yield* eraseFiles(scopes, dryRun)
      const usage = yield* eraseUsage(scopes, dryRun)
      const isGone = ({ outcome }: { readonly outcome: Outcome }) => outcome === "erased"
      const complete = !dryRun && !uploads.left && files.every(isGone) && erasedJobs.every(isGone)
      const isNothing = files.length + erasedJobs.length + uploads.count + usage === 0
      return { user, dryRun, complete: complete || isNothing, files, jobs: erasedJobs, uploads: uploads.count, usage }
    })
  })
})

export const layer: Layer.Layer<
  Erasure,
  never,
  Catalog | ForeignBatchEnd | Jobs | JobSync | Registry | Removal | SplitEnd | UploadParts | Upstream
> = Layer.effect(Erasure, make)
