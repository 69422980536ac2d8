/**
 * The making of a batch of parts, once it has begun: which of the parts are there, which are still to come to a provider,
 * and which never will. What a crash has left undone is done here.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { CallError } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import { Instance } from "./Instance.ts"
import { type Job, JobPart, update } from "./Job.ts"
import * as JobRecovery from "./JobRecovery.ts"
import { Jobs } from "./Jobs.ts"
import { backoff } from "./Removal.ts"
import { Settings } from "./Settings.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"
import * as JobLease from "./JobLease.ts"
import { isPassing, runsBatches, SplitParts } from "./SplitParts.ts"
import * as SplitState from "./SplitState.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import * as Uuid from "./Uuid.ts"

/** Milliseconds until parts are looked at again whose creation broke off. */
const partPause = 2_000

/** For so long it is tried to have a part made which no provider takes for a reason that may pass; milliseconds. */
const makingPatience = Duration.toMillis(Duration.hours(1))

/**
 * For so long it is tried to find out whether a provider has taken a part, before it counts as not there: of an account
 * that does not answer, and of one that is not configured any more; milliseconds.
 */
const silencePatience = Duration.toMillis(Duration.hours(1))
const absencePatience = Duration.toMillis(Duration.minutes(10))

/**
 * A provider ends a batch within a day. A part that it cannot be asked about so much later, and so often in a row, is
 * lost; milliseconds.
 */
const longestRun = Duration.toMillis(Duration.hours(26))
const lastAttempts = 12

/** Rows are read so many at once. */
const concurrency = 4

export const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const ids = yield* UnifiedIds
  const instance = yield* Instance
  const jobs = yield* Jobs
  const lease = yield* JobLease.make
  const parts = yield* SplitParts
  const recovery = yield* JobRecovery.make
  const { jobs: timing, instanceTtl } = yield* Settings
  const sha256 = yield* Sha256

  /** Whether a batch of these lines can be had in another account. */
  const isServedElsewhere = (batch: Job, { account }: Job): boolean => {
    const endpoint = String(SplitState.objectOf(batch)["endpoint"])
    return catalog
      .deploymentsOf(batch.modelName)
      .some((other) => other.account !== account && runsBatches(catalog, other, endpoint))
  }

  /** A part as it is to be. */
  const stateOf = Effect.fnUntraced(function* (batch: Job, part: JobPart) {
    const state: SplitState.PartState = { part, job: yield* jobs.read(part.key) }
    const { job } = state
    if (batch.state !== "active" || job === undefined || !isServedElsewhere(batch, job)) return state
    const key = Uuid.fromDigest(hexOfText(sha256, ["second part", part.key].join("\0")))
    const second = SplitState.secondOf(batch, state, key)
    return second === null ? state : { part: second, job: undefined }
  })

  const statesOf = (batch: Job) => Effect.forEach(batch.parts ?? [], (part) => stateOf(batch, part), { concurrency })

  /** The row without work on it: those of its parts that no provider takes are settled. */
  const settled = (
    batch: Job,
    states: ReadonlyArray<SplitState.PartState>,
    failures: ReadonlyMap<string, CallError>,
    now: number
  ): Job => {
    const isLate = now - batch.createdAt >= makingPatience
    const told = states.map(({ job, part }) => {
      const failure = job === undefined ? failures.get(part.key) : undefined
      const isFinal = failure !== undefined && (isLate || !isPassing(failure))
      return { job, part: isFinal ? new JobPart({ ...part, refusal: failure.message }) : part }
    })
    const isLeft = told.some((state) => SplitState.isPending(batch, state))
    return update(batch, {
      parts: told.map(({ part }) => part),
      object: JSON.stringify(SplitState.progress(batch, told, now)),
      ...JobLease.free,
      updatedAt: now,
      attempts: isLeft ? batch.attempts + 1 : 0,
      dueAt: now + (isLeft ? backoff(batch.attempts) : timing.pollInterval)
    })
  }

  /**
   * What has been made of a batch when its creation is over, and why the other parts could not be made: they are tried
   * again if the reason may pass. Undefined, and the row is gone, if no part has been made.
   */
  const begin = Effect.fnUntraced(function* (batch: Job, failures: ReadonlyMap<string, CallError>) {
    const states = yield* statesOf(batch)
    const first = states.find(({ job }) => job !== undefined)?.job
    if (first === undefined) {
      return yield* jobs.modify(batch.key, (current) => (current.state === "creating" ? null : undefined))
    }
    const id = ids.encode({ _tag: "Batch", uuid: batch.key, deployment: first.deployment, providerId: "" })
    const now = yield* Clock.currentTimeMillis
    return yield* jobs.modify(batch.key, (current) => {
      if (current.state !== "creating") return undefined
      const active = settled(update(current, { attempts: 0 }), states, failures, now)
      return update(active, { id, state: "active", object: JSON.stringify({ ...SplitState.objectOf(active), id }) })
    })
  })

  /** Makes the parts that are still to come to a provider. */
  const complete = (batch: Job) =>
    lease.during(
      batch.key,
      (current) => (SplitState.isCancelling(current) ? undefined : current),
      Effect.fnUntraced(function* (taken) {
        const planned = (yield* statesOf(taken)).map(({ part }) => part)
        const row = yield* jobs.modify(batch.key, (current) =>
          lease.isOurs(current) ? update(current, { parts: planned }) : undefined
        )
        if (row === undefined || !lease.isOurs(row)) return row
        const failures = yield* parts.make(row)
        const states = yield* statesOf(row)
        const now = yield* Clock.currentTimeMillis
        return yield* jobs.modify(batch.key, (current) =>
          lease.isOurs(current) ? settled(current, states, failures, now) : undefined
        )
      })
    )

  /** A part of which nothing has been heard long after its provider must have ended it: that is a fault of the provider. */
  const givenUp = Effect.fnUntraced(function* (part: Job) {
    const now = yield* Clock.currentTimeMillis
    if (part.attempts < lastAttempts || now - part.createdAt < longestRun) return part
    const message = `The account ${part.account} has not said for long what has become of these lines.`
    return yield* jobs.modify(part.key, (current) => {
      if (current.state !== "active" || current.attempts < lastAttempts) return undefined
      const errors = { object: "list", data: [{ code: "batch_lost", message, line: null, param: null }] }
      const object = JSON.stringify({ ...SplitState.objectOf(current), status: "failed", errors })
      return update(current, { ...JobLease.free, object, state: "ended", dueAt: null, updatedAt: now })
    })
  })

  /** A part, unless it has been tried for too long to find out whether it is at a provider, or what has become of it. */
  const unlessLost = Effect.fnUntraced(function* (part: Job) {
    if (part.state === "active") return yield* givenUp(part)
    const isHeld = part.instance !== null && (yield* instance.mayBeAt(part.instance, JobRecovery.creationOf(part.key)))
    const now = yield* Clock.currentTimeMillis
    const patience = catalog.accounts.has(part.account) ? silencePatience : absencePatience
    return isHeld || now - part.updatedAt < patience ? part : yield* recovery.forget(part)
  })

  /** A batch that is still being made, by an instance that lives; or what is left of it. */
  const attend = Effect.fnUntraced(function* (batch: Job) {
    const isHeld =
      batch.instance !== null && (yield* instance.mayBeAt(batch.instance, JobRecovery.creationOf(batch.key)))
    const now = yield* Clock.currentTimeMillis
    if (!isHeld) {
      const rows = (yield* statesOf(batch)).flatMap(({ job }) => job ?? [])
      yield* Effect.forEach(
        rows.filter(({ state }) => state === "creating"),
        unlessLost,
        { discard: true }
      )
      const isKnown = rows.length === 0 || rows.some(({ state }) => state !== "creating")
      if (isKnown) return yield* begin(batch, new Map())
      // Whether a provider has taken any of the parts is being found out.
      return yield* jobs.modify(batch.key, (current) =>
        current.state === "creating" ? update(current, { instance: null, dueAt: now + partPause }) : undefined
      )
    }
    if (batch.instance !== instance.id) return batch
    return yield* jobs.modify(batch.key, (current) =>
      current.state === "creating" ? update(current, { dueAt: now + instanceTtl }) : undefined
    )
  })

  return { attend, begin, complete, settled, statesOf, unlessLost }
})
