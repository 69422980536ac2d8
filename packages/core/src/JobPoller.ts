/**
 * Keeps jobs that are not over up to date, whoever asks for them or not: each is asked about by one instance at a time.
 * What a crash left between a provider and our record is put right here, too, and what has had its time goes.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import type { Catalog } from "./Catalog.ts"
import { ForeignBatchEnd } from "./ForeignBatchEnd.ts"
import type { Instance } from "./Instance.ts"
import { type Job, update } from "./Job.ts"
import * as JobRecovery from "./JobRecovery.ts"
import * as JobRefresh from "./JobRefresh.ts"
import { Jobs } from "./Jobs.ts"
import type { JobSync } from "./JobSync.ts"
import { backoff } from "./Removal.ts"
import { Settings } from "./Settings.ts"
import type { SplitEnd } from "./SplitEnd.ts"
import { StorageError } from "./StorageError.ts"
import type { UnifiedIds } from "./UnifiedId.ts"
import type { Upstream } from "./Upstream.ts"

export class JobPoller extends Context.Service<
  JobPoller,
  {
    /** One round over all that is due now and not in work already. */
    readonly round: Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/JobPoller") {}

/** Rows taken in one round; the rest is due in the next. */
const rowsOfRound = 500

const make = Effect.gen(function* () {
  const foreign = yield* ForeignBatchEnd
  const jobs = yield* Jobs
  const recovery = yield* JobRecovery.make
  const { refresh, refreshParts } = yield* JobRefresh.make
  const settings = yield* Settings
  const scope = yield* Effect.scope
  const permits = yield* Semaphore.make(settings.jobs.pollConcurrency)
  const busy = new Set<string>()

  /** A provider that cannot be asked is asked again, less and less often. */
  const postpone = (job: Job) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      jobs.modify(job.key, (current) => {
        if (current.state === "ended" || current.instance !== job.instance) return undefined
        const pause = Math.max(settings.jobs.pollInterval, backoff(current.attempts))
        const released = { instance: null, claimedUntil: null, attempts: current.attempts + 1 }
        return update(current, { ...released, dueAt: now + pause })
      })
    )

  const follow = Effect.fnUntraced(function* (job: Job) {
    const claimed = yield* jobs.claim(job)
    if (claimed === undefined) return
    yield* refresh(claimed).pipe(
      Effect.catchTag(["ProviderError", "ContentUnavailable"], (error) =>
        Effect.andThen(
          Effect.logInfo("A job could not be asked about; it will be tried again", error),
          postpone(claimed)
        )
      )
    )
  })

  const followParts = (batch: Job) =>
    refreshParts(batch).pipe(
      Effect.catch((error) =>
        error instanceof StorageError
          ? Effect.fail(error)
          : Effect.logInfo("The files of a batch could not be put together yet; it will be tried again", error)
      )
    )

  const attend = (job: Job): Effect.Effect<unknown, StorageError> => {
    if (job.parts !== undefined) return followParts(job)
    switch (job.kind) {
      case "batch":
      case "fine_tuning_job":
        if (job.state === "creating") return recovery.attend(job)
        return job.state === "ended" ? foreign.tidy(job) : follow(job)
      // They are followed by nobody: what is due is their end.
      case "response":
      case "container":
        return jobs.modify(job.key, (current) => (current.dueAt === job.dueAt ? null : undefined))
    }
  }

  const handle = (job: Job) =>
    attend(job).pipe(
      Semaphore.withPermit(permits),
      Effect.catchCause((cause) => Effect.logWarning("A job will be looked at again", cause)),
      Effect.ensuring(Effect.sync(() => busy.delete(job.key)))
    )

  const begin = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const due = (yield* jobs.due(now, rowsOfRound)).filter(({ key }) => !busy.has(key))
    for (const { key } of due) busy.add(key)
    return yield* Effect.forEach(due, (job) => Effect.forkIn(handle(job), scope))
  })

  yield* Effect.forever(
    begin.pipe(
      Effect.catchCause((cause) => Effect.logWarning("A round over the jobs failed", cause)),
      Effect.andThen(Effect.sleep(Duration.millis(settings.maintenanceInterval)))
    )
  ).pipe(Effect.forkScoped)

  return JobPoller.of({ round: Effect.flatMap(begin, (begun) => Effect.asVoid(Fiber.awaitAll(begun))) })
})

export const layer: Layer.Layer<
  JobPoller,
  never,
  Catalog | ForeignBatchEnd | Instance | Jobs | JobSync | SplitEnd | UnifiedIds | Upstream
> = Layer.effect(JobPoller, make)
