/**
 * The rows of jobs: found by the ID that a client wrote, created together with a look at the files that they read,
 * listed by their owner, claimed by one instance.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Access from "./Access.ts"
import { ContentUnavailable, NotFound } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import * as Event from "./Event.ts"
import { Instance } from "./Instance.ts"
import { type Job, type JobKind, type ListedKind, listPartition, listPosition, update } from "./Job.ts"
import * as LitellmId from "./LitellmId.ts"
import { isVisible, type ManagedFile } from "./ManagedFile.ts"
import type { Principal } from "./Principal.ts"
import type { Versioned } from "./Records.ts"
import { Registry } from "./Registry.ts"
import type { Change } from "./RegistryBackend.ts"
import { instant, remotePartition } from "./RegistryIndexes.ts"
import { Settings } from "./Settings.ts"
import { Sha256 } from "./Sha256.ts"
import { isConflict, StorageError } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import type { ProviderAccount } from "./Upstream.ts"

export interface ListJobs {
  /** Rows of any of these scopes; none: an empty page. */
  readonly scopes: ReadonlyArray<Access.Scope>
  readonly kind: ListedKind
  /** The job after which the page begins, or null for the newest. */
  readonly after: Job | null
  readonly limit: number
}

export class Jobs extends Context.Service<
  Jobs,
  {
    /**
     * The job, if it exists and the principal may see it. Whatever else is the case, `NotFound` says the same. A
     * forged ID reaches no storage. `param` is where in a body the ID stood.
     */
    readonly find: (
      principal: Principal,
      kind: JobKind,
      id: string,
      param?: string | null
    ) => Effect.Effect<Job, NotFound | StorageError>
    /** The row, in whatever state it is; undefined if there is none. */
    readonly read: (key: string) => Effect.Effect<Job | undefined, StorageError>
    /**
     * Inserts a job and, in the same commit, makes sure that every file which it reads is there: a deletion of one of
     * them either came first, and this fails with `NotFound` (`param` as given), or sees the job. `others` are
     * committed with it; a conflict with one of them fails as it is.
     */
    readonly create: (
      job: Job,
      reads: ReadonlyArray<{ readonly file: ManagedFile; readonly param: string }>,
      others?: ReadonlyArray<Change>
    ) => Effect.Effect<void, NotFound | StorageError>
    /**
     * Changes a row by compare-and-set. `change` sees the newest row and is asked again whenever another change came
     * first; undefined leaves the row, null removes it and frees its idempotency key. Answers the row as it then is,
     * undefined if there is none.
     */
    readonly modify: (
      key: string,
      change: (job: Job) => Job | null | undefined,
      others?: (after: Job) => ReadonlyArray<Change>
    ) => Effect.Effect<Job | undefined, StorageError>
    /** Newest first. */
    readonly list: (query: ListJobs) => Effect.Effect<ReadonlyArray<Job>, StorageError>
    /** Jobs that are not over and read the file with this key. */
    readonly unfinishedReaders: (file: string, limit: number) => Effect.Effect<ReadonlyArray<Job>, StorageError>
    /** Rows whose background work is due at `now` or before, the most overdue first. */
    readonly due: (now: number, limit: number) => Effect.Effect<ReadonlyArray<Job>, StorageError>
    /** The row of a provider's job, if there is one. */
    readonly ofRemote: (account: string, remoteId: string) => Effect.Effect<Job | undefined, StorageError>
    /**
     * Takes the job upon this instance for as long as the settings say. Undefined if it has changed since it was read,
     * or another instance has it.
     */
    readonly claim: (job: Job) => Effect.Effect<Job | undefined, StorageError>
    /** Where the job lies. */
    readonly target: (job: Job) => Effect.Effect<ProviderAccount, ContentUnavailable>
  }
>()("@omnifile/core/Jobs") {}

/** How often a create is tried again after a change of one of its files came first. */
const createAttempts = 16
const modifyAttempts = 64

const objects = {
  batch: "Batch",
  fine_tuning_job: "FineTuningJob",
  response: "Response",
  container: "Container"
} as const satisfies Record<JobKind, NotFound["object"]>

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const ids = yield* UnifiedIds
  const instance = yield* Instance
  const registry = yield* Registry
  const sha256 = yield* Sha256
  const { jobs } = registry
  const { claimTtl } = (yield* Settings).jobs

  /** Ours are keyed by the UUID inside; imported ones by a digest of the ID. */
  const keyOf = (kind: JobKind, id: string): string | undefined => {
    const identity = ids.decode(kind, id)
    if (Option.isSome(identity)) return identity.value.uuid
    return Option.isSome(LitellmId.recognise(id)) ? LitellmId.rowKey(sha256, id) : undefined
  }

  const values = (found: ReadonlyArray<Versioned<Job>>) => found.map(({ value }) => value)

  const find = Effect.fnUntraced(function* (
    principal: Principal,
    kind: JobKind,
    id: string,
    param: string | null = null
  ) {
    const key = keyOf(kind, id)
    const job = key === undefined ? undefined : (yield* jobs.read(key))?.value
    const isTheirs =
      job?.id === id && job.kind === kind && job.parent === undefined && Access.maySee(principal, job.owner)
    return isTheirs ? job : yield* new NotFound({ id, param, object: objects[kind] })
  })

  /** Every file rewritten as it is: whoever has marked one for deletion since has changed its version, and who does it
   * later has to look again. */
  const guards = Effect.fnUntraced(function* (
    reads: ReadonlyArray<{ readonly file: ManagedFile; readonly param: string }>
  ) {
    const now = yield* Clock.currentTimeMillis
    const seen = new Set<string>()
    const changes: Array<Change> = []
    for (const { file, param } of reads) {
      if (seen.has(file.key)) continue
      seen.add(file.key)
      const found = yield* registry.freshFile(file.key)
      if (found === undefined || !isVisible(found.value, now)) {
        return yield* new NotFound({ id: file.id ?? "", param })
      }
      changes.push(registry.fileChange(found.version, found.value))
    }
    return changes
  })

  const create: Jobs["Service"]["create"] = Effect.fn("Jobs.create")(function* (job, reads, others = []) {
    const attempt = Effect.gen(function* () {
      const files = yield* guards(reads)
      yield* registry.commit([jobs.change(0, job), ...files, ...others], Event.ofJob(undefined, job))
    })
    yield* Effect.retry(attempt, {
      times: createAttempts,
      while: (error) => error instanceof StorageError && isConflict(error) && isOfFile(error, reads)
    })
  })

  const released = Effect.fnUntraced(function* (before: Job, after: Job | null) {
    if (before.idempotency === null || after?.idempotency === before.idempotency) return []
    return yield* registry.releaseIdempotency(before.idempotency, "jobs", before.key)
  })

  const modify: Jobs["Service"]["modify"] = (key, change, others = () => []) =>
    Effect.retry(
      Effect.gen(function* () {
        const found = yield* jobs.read(key)
        if (found === undefined) return undefined
        const before = found.value
        const after = change(before)
        if (after === undefined) return before
        const ofJob = after === null ? jobs.removal(found.version, key) : jobs.change(found.version, after)
        const more = after === null ? [] : others(after)
        yield* registry.commit([ofJob, ...more, ...(yield* released(before, after))], Event.ofJob(before, after))
        return after ?? undefined
      }),
      { times: modifyAttempts, while: isConflict }
    )

  return Jobs.of({
    find,
    create,
    modify,
    read: (key) => Effect.map(jobs.read(key), (found) => found?.value),
    list: ({ after, kind, limit, scopes }) =>
      scopes.length === 0
        ? Effect.succeed([])
        : Effect.map(
            jobs.scan({
              index: "list",
              partitions: scopes.map((scope) => listPartition(scope, kind)),
              order: "desc",
              after: after === null ? undefined : listPosition(after),
              limit
            }),
            values
          ),
    unfinishedReaders: (file, limit) =>
      Effect.map(jobs.scan({ index: "reads", partitions: [file], order: "asc", limit }), values),
    due: (now, limit) =>
      Effect.map(
        jobs.scanUnderstood({ index: "due", partitions: ["all"], order: "asc", until: instant(now), limit }),
        values
      ),
    ofRemote: (account, remoteId) =>
      Effect.map(
        jobs.scan({ index: "remote", partitions: [remotePartition(account, remoteId)], order: "asc", limit: 1 }),
        ([found]) => found?.value
      ),
    claim: Effect.fnUntraced(function* (job) {
      const now = yield* Clock.currentTimeMillis
      let claimed = false
      const after = yield* modify(job.key, (current) => {
        const held = current.instance !== instance.id && (current.claimedUntil ?? 0) > now
        claimed = !held && current.updatedAt === job.updatedAt && current.dueAt === job.dueAt
        const until = now + claimTtl
        return claimed ? update(current, { instance: instance.id, claimedUntil: until, dueAt: until }) : undefined
      })
      return claimed ? after : undefined
    }),
    target: ({ account, id }) => {
      const target = catalog.accounts.get(account)
      const message = `The account ${account}, where this lies, is not configured any more.`
      return target === undefined
        ? Effect.fail(new ContentUnavailable({ id: id ?? "", message }))
        : Effect.succeed(target)
    }
  })
})

/** A conflict over one of the files, and not over what is committed beside them. */
const isOfFile = (
  { reason }: StorageError,
  reads: ReadonlyArray<{ readonly file: ManagedFile; readonly param: string }>
): boolean => reason._tag === "Conflict" && reads.some(({ file }) => file.key === reason.key)

export const layer: Layer.Layer<Jobs, never, Catalog | Instance | Registry | Sha256 | UnifiedIds> = Layer.effect(
  Jobs,
  make
)
