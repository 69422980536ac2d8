/**
 * A batch whose lines run as several: asked about as one, cancelled as one, and ended as one, when the files of its parts
 * have been put together.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { BlobStore } from "./BlobStore.ts"
import type { CallError } from "./CallError.ts"
import type { Catalog } from "./Catalog.ts"
import type { ForeignBatchEnd } from "./ForeignBatchEnd.ts"
import type { Instance } from "./Instance.ts"
import { type Job, update } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import type { JobSync } from "./JobSync.ts"
import type { OutputFiles } from "./OutputFiles.ts"
import type { ProviderError } from "./ProviderError.ts"
import type { Registry } from "./Registry.ts"
import { Removal } from "./Removal.ts"
import { Settings } from "./Settings.ts"
import type { Sha256 } from "./Sha256.ts"
import * as SplitFiles from "./SplitFiles.ts"
import * as JobLease from "./JobLease.ts"
import * as SplitMaking from "./SplitMaking.ts"
import type { SplitParts } from "./SplitParts.ts"
import * as SplitState from "./SplitState.ts"
import { StorageError } from "./StorageError.ts"
import type { UnifiedIds } from "./UnifiedId.ts"
import type { Upstream } from "./Upstream.ts"

/** Parts are asked about, or told something, so many at once. */
const concurrency = 4

/** Does something about one part, and answers its row as it then is. */
export type OfPart = (job: Job) => Effect.Effect<Job, CallError>

type Failure = CallError | ProviderError

export class SplitEnd extends Context.Service<
  SplitEnd,
  {
    /**
     * What has been made of a batch when its creation is over, and why the other parts could not be made: they are tried
     * again if the reason may pass. Undefined, and the row is gone, if no part has been made.
     */
    readonly begin: (
      batch: Job,
      failures: ReadonlyMap<string, CallError>
    ) => Effect.Effect<Job | undefined, StorageError>
    /**
     * The batch as its parts are now. Each that is not over is looked at first; null: as it is in our record, and those
     * that are still to be made are made. Ends the batch with its last part, which goes on when the caller leaves.
     */
    readonly refresh: (batch: Job, look: OfPart | null, cancel: OfPart) => Effect.Effect<Job | undefined, Failure>
    /** Has every part cancelled that runs, now or as soon as it does. */
    readonly cancel: (batch: Job, cancel: OfPart) => Effect.Effect<Job | undefined, Failure>
  }
>()("@omnifile/core/SplitEnd") {}

const make = Effect.gen(function* () {
  const files = yield* SplitFiles.make
  const jobs = yield* Jobs
  const lease = yield* JobLease.make
  const { attend, begin, complete, settled, statesOf, unlessLost } = yield* SplitMaking.make
  const removal = yield* Removal
  const scope = yield* Effect.scope
  const { jobs: timing } = yield* Settings
  /** What this process does now, by the batch. */
  const running = new Map<string, Fiber.Fiber<Job | undefined, Failure>>()

  /** Callers at the same moment share the work, which goes on when they leave. */
  const once = Effect.fnUntraced(function* (key: string, work: Effect.Effect<Job | undefined, Failure>) {
    const known = running.get(key)
    if (known !== undefined) return yield* Fiber.join(known)
    const started = yield* work.pipe(Effect.ensuring(Effect.sync(() => running.delete(key))), Effect.forkIn(scope))
    // A fiber that ended at once has been taken from the map before it got there.
    if (started.pollUnsafe() === undefined) running.set(key, started)
    return yield* Fiber.join(started)
  })

  /** Takes away the files of the parts, which nobody but us has seen. */
  const discard = Effect.fnUntraced(function* (batch: Job) {
    const made = (yield* statesOf(batch)).flatMap(({ job }) => job?.outputs ?? [])
    yield* Effect.forEach(made, ({ file }) => Effect.andThen(removal.mark(file), removal.run(file)), { discard: true })
    return yield* jobs.modify(batch.key, (current) => update(current, { dueAt: null }))
  })

  const finish = Effect.fnUntraced(function* ({ key }: Job) {
    const after = yield* lease.during(
      key,
      (current, now) => update(current, { object: JSON.stringify(SplitState.finalizing(current, now)) }),
      Effect.fnUntraced(function* (taken) {
        // Whoever had the row until now may have made a part.
        const states = yield* statesOf(taken)
        const isOver = !states.some((state) => SplitState.isRunning(taken, state))
        const isEmpty = !isOver || SplitState.endStatus(states) === "failed"
        const { counts, outputs } = isEmpty ? { counts: null, outputs: [] } : yield* files.merge(taken, states)
        const now = yield* Clock.currentTimeMillis
        const named = Object.fromEntries(outputs.map(({ id, role }) => [role, id]))
        return yield* jobs.modify(key, (current) => {
          if (!lease.isOurs(current)) return undefined
          if (!isOver) return settled(current, states, new Map(), now)
          const object = JSON.stringify({ ...SplitState.ended(current, states, counts, now), ...named })
          const over = { ...JobLease.free, dueAt: now + timing.claimTtl, attempts: 0, updatedAt: now }
          return update(current, { outputs, object, state: "ended", ...over })
        })
      })
    )
    if (after?.state !== "ended" || after.dueAt === null) return after
    return yield* discard(after).pipe(
      Effect.catch((error) =>
        Effect.as(Effect.logWarning("Files of the parts of a batch will be removed later", error), after)
      )
    )
  })

  const saysNothing = (job: Job, call: OfPart) =>
    call(job).pipe(
      Effect.catch((error) =>
        error instanceof StorageError
          ? Effect.fail(error)
          : Effect.as(Effect.logInfo("A part of a batch could not be cancelled; it will be tried again", error), job)
      )
    )

  /** A part as it is now: told to stop, if it has not been, where the batch is. */
  const partNow = Effect.fnUntraced(function* (
    batch: Job,
    job: Job,
    look: OfPart | null,
    cancel: OfPart
  ): Effect.fn.Return<Job | undefined, CallError> {
    if (job.state === "ended") return job
    const known = yield* unlessLost(job)
    if (known?.state !== "active") return known
    const { status } = SplitState.objectOf(known)
    const runs = status === "validating" || status === "in_progress"
    const told = SplitState.isCancelling(batch) && runs ? yield* saysNothing(known, cancel) : known
    return look === null || told.state === "ended" ? told : yield* look(told)
  })

  const refresh: SplitEnd["Service"]["refresh"] = Effect.fn("SplitEnd.refresh")(function* (batch, look, cancel) {
    // Where it is due, what the parts have made is still there.
    if (batch.state === "ended") return batch.dueAt === null || look !== null ? batch : yield* discard(batch)
    if (batch.state === "creating") return yield* attend(batch)
    yield* Effect.forEach(
      (yield* statesOf(batch)).flatMap(({ job }) => job ?? []),
      (job) => partNow(batch, job, look, cancel),
      { concurrency, discard: true }
    )
    const states = yield* statesOf(batch)
    if (!states.some((state) => SplitState.isRunning(batch, state))) {
      return yield* once(batch.key, finish(batch))
    }
    if (look === null && states.some((state) => SplitState.isPending(batch, state))) {
      return yield* once(batch.key, complete(batch))
    }
    const now = yield* Clock.currentTimeMillis
    return yield* jobs.modify(batch.key, (current) => {
      if (current.state !== "active" || (current.claimedUntil ?? 0) > now) return undefined
      const object = JSON.stringify(SplitState.progress(current, states, now))
      const isNews = object !== current.object || (current.dueAt ?? 0) <= now
      return isNews ? update(current, { object, updatedAt: now, dueAt: now + timing.pollInterval }) : undefined
    })
  })

  return SplitEnd.of({
    begin,
    refresh,
    cancel: Effect.fn("SplitEnd.cancel")(function* (batch, cancel) {
      const now = yield* Clock.currentTimeMillis
      const asked = yield* jobs.modify(batch.key, (current) =>
        current.state === "active" && !SplitState.isCancelling(current)
          ? update(current, { object: JSON.stringify(SplitState.cancelling(current, now)), updatedAt: now })
          : undefined
      )
      return asked === undefined ? undefined : yield* refresh(asked, null, cancel)
    })
  })
})

export const layer: Layer.Layer<
  SplitEnd,
  never,
  | BlobStore
  | Catalog
  | ForeignBatchEnd
  | Instance
  | Jobs
  | JobSync
  | OutputFiles
  | Registry
  | Removal
  | Sha256
  | SplitParts
  | UnifiedIds
  | Upstream
> = Layer.effect(SplitEnd, make)
