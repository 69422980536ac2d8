/**
 * Jobs whose create call was never answered, or whose answer was never recorded: looked for in the account's list by
 * the key that the provider was told, adopted if they are there, and forgotten if they are not.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { Catalog } from "./Catalog.ts"
import type { ForeignJob } from "./ForeignBatches.ts"
import { batchesOf, ForeignBatchEnd, snapshotOf } from "./ForeignBatchEnd.ts"
import { Instance } from "./Instance.ts"
import { type Job, update } from "./Job.ts"
import * as JobProtocol from "./JobProtocol.ts"
import { Jobs } from "./Jobs.ts"
import { JobSync, metadataKey } from "./JobSync.ts"
import { isObject, parseObject } from "./Json.ts"
import type { RemoteJob, RemoteJobPage } from "./Provider.ts"
import { inTime } from "./ProviderError.ts"
import { backoff } from "./Removal.ts"
import { Settings } from "./Settings.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"

/** The work of creating a job. */
export const creationOf = (key: string): string => `create job ${key}`

const tags = {
  batch: "Batch",
  fine_tuning_job: "FineTuningJob",
  response: "Response",
  container: "Container"
} as const

/** How far a provider's clock may be off, and the rounding of its times to seconds; milliseconds. */
const clockTolerance = 30_000

/** A provider may list a job a little after it took it; only then is an empty list an answer. Milliseconds. */
const listingDelay = 4_000

/** Pages that are looked through before giving up. */
const pageLimit = 20

/** A provider that keeps a call waiting for longer is asked again later. */
const patience = Duration.seconds(5)

const sameInputs = (job: Job, remote: RemoteJob): boolean => {
  const given = job.reads.flatMap(({ remoteId }) => remoteId ?? [])
  const named = remote.inputs.map(({ remoteId }) => remoteId)
  return named.length > 0 && named.every((id) => given.includes(id))
}

/** A provider may keep no metadata; those that it keeps must be what it was sent. */
const sameMetadata = (job: Job, { metadata }: RemoteJob): boolean => {
  const kept = Object.entries(metadata)
  const sent = parseObject(job.object)?.["metadata"]
  if (kept.length === 0) return true
  return isObject(sent) && Object.keys(sent).length === kept.length && kept.every(([name, text]) => sent[name] === text)
}

/** Whether the remote says how many requests it has, and that are as many as were sent. */
const sameRequests = (job: Job, remote: RemoteJob & Partial<Pick<ForeignJob, "requests">>): boolean => {
  const counts = parseObject(job.object)?.["request_counts"]
  const { failed, total } = isObject(counts) ? counts : {}
  return typeof total === "number" && typeof failed === "number" && remote.requests === total - failed
}

/** Whether a job of this row can be told from all others in the account. */
const canTell = (job: Job, target: ProviderAccount): boolean => {
  const batches = batchesOf(job, target)
  return batches === null || batches.marked || target.account.exclusive
}

/**
 * By our mark, or, where there was no room for it, by the very files that were made ready for this job. Another job of
 * ours may read the same files: what has a mark elsewhere, or other metadata, is not this one.
 */
const isOurs = (job: Job, target: ProviderAccount, remote: RemoteJob): boolean => {
  const mark = remote.metadata[metadataKey]
  if (mark !== undefined) return mark === job.key
  const isYoung = remote.createdAt === null || remote.createdAt >= job.createdAt - clockTolerance
  // Where nothing can be marked and nobody else makes any: the one of the same time and size.
  if (batchesOf(job, target)?.marked === false) return target.account.exclusive && isYoung && sameRequests(job, remote)
  return isYoung && sameInputs(job, remote) && sameMetadata(job, remote)
}

export const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const foreign = yield* ForeignBatchEnd
  const ids = yield* UnifiedIds
  const instance = yield* Instance
  const jobs = yield* Jobs
  const { instanceTtl } = yield* Settings
  const sync = yield* JobSync
  const upstream = yield* Upstream
  // Of two jobs that nothing tells apart each is to get one.
  const oneByOne = yield* Semaphore.make(1)

  const search = Effect.fnUntraced(function* (job: Job, target: ProviderAccount, protocol: JobProtocol.JobProtocol) {
    let cursor: string | null = null
    for (let pages = 0; pages < pageLimit; pages++) {
      const at: string | null = cursor
      const page: RemoteJobPage = yield* upstream.request(target, Effect.succeed(protocol.list(at)), (body) =>
        protocol.decodePage(body, at)
      )
      for (const remote of page.jobs) {
        if (!isOurs(job, target, remote)) continue
        const owner = yield* jobs.ofRemote(target.account.id, remote.id)
        if (owner === undefined || owner.key === job.key) return remote
      }
      cursor = page.next
      const oldest = page.jobs.at(-1)?.createdAt ?? null
      if (cursor === null || (oldest !== null && oldest < job.createdAt - clockTolerance)) break
    }
    return undefined
  })

  const forget = (job: Job) =>
    Effect.tap(
      jobs.modify(job.key, (current) => (current.state === "creating" ? null : undefined)),
      (row) => (job.kind === "batch" && row === undefined ? foreign.discard(job.key) : Effect.void)
    )

  /** Leaves the row to whoever is first at it, from a time on. */
  const postpone = (job: Job, dueAt: number, failed: boolean) =>
    jobs.modify(job.key, (current) =>
      current.state === "creating"
        ? update(current, { instance: null, dueAt, attempts: failed ? current.attempts + 1 : current.attempts })
        : undefined
    )

  /** Adopts the job if it is there. Undefined if there is none, and the row is gone. */
  const recover = Effect.fn("JobRecovery.recover")(function* (job: Job) {
    if (job.account === "") return yield* forget(job)
    const target = catalog.accounts.get(job.account)
    const protocol = target === undefined ? null : JobProtocol.of(job.kind, target.provider)
    const now = yield* Clock.currentTimeMillis
    if (target === undefined || protocol === null) return yield* postpone(job, now + backoff(job.attempts), true)
    const adopted = yield* search(job, target, protocol).pipe(
      inTime("jobs.list", target.account.id, patience),
      Effect.flatMap((remote) => {
        if (remote === undefined) return Effect.succeed(undefined)
        const identity = { uuid: job.key, deployment: job.deployment, providerId: remote.id }
        const id = ids.encode({ _tag: tags[job.kind], ...identity })
        const found = update(job, { id, remoteId: remote.id })
        return sync.apply(found, batchesOf(job, target) === null ? remote : snapshotOf(found, remote))
      }),
      Semaphore.withPermit(oneByOne),
      Effect.map((row) => ({ row })),
      Effect.catchTag(["ProviderError", "ContentUnavailable"], (error) =>
        Effect.as(Effect.logWarning("A job could not be looked for; it will be tried again", error), null)
      )
    )
    if (adopted === null) return yield* postpone(job, now + backoff(job.attempts), true)
    if (adopted.row !== undefined) return adopted.row
    const known = job.updatedAt + listingDelay
    return now >= known ? yield* forget(job) : yield* postpone(job, known, false)
  })

  return {
    recover,

    canTell,

    /**
     * The job at the provider, if it shows it already, after an answer that did not say whether there is one. Where the
     * provider cannot be asked, it counts as not there.
     */
    look: (job: Job, target: ProviderAccount, protocol: JobProtocol.JobProtocol) =>
      search(job, target, protocol).pipe(
        inTime("jobs.list", target.account.id, patience),
        Semaphore.withPermit(oneByOne),
        Effect.catch((error) =>
          Effect.as(
            Effect.logWarning("A job may be running that nobody knows of: it could not be looked for", error).pipe(
              Effect.annotateLogs({ account: target.account.id, job: job.key })
            ),
            undefined
          )
        )
      ),

    /** Says that whoever created the job has let go of it now. */
    release: Effect.fnUntraced(function* (key: string) {
      const now = yield* Clock.currentTimeMillis
      return yield* jobs.modify(key, (current) =>
        current.state === "creating" ? update(current, { instance: null, updatedAt: now, dueAt: now }) : undefined
      )
    }),

    /** Takes a job that was never asked for, or that was refused, out of the books. */
    forget,

    /** Looks at a row that is being created: leaves it to who is at it, and recovers it if nobody is. */
    attend: Effect.fnUntraced(function* (job: Job) {
      const isHeld = job.instance !== null && (yield* instance.mayBeAt(job.instance, creationOf(job.key)))
      if (!isHeld) return yield* recover(job)
      // Only its own instance puts the next look off: it alone knows that it has let go of it.
      if (job.instance !== instance.id) return job
      const now = yield* Clock.currentTimeMillis
      return yield* jobs.modify(job.key, (current) =>
        current.state === "creating" ? update(current, { dueAt: now + instanceTtl }) : undefined
      )
    })
  }
})
