/**
 * Work on a batch that one instance does at a time, however long it takes: the row says who is at it and until
 * when, and that is put off again and again while the work goes on. Whoever has lost it stops.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Instance } from "./Instance.ts"
import { type Job, update } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import { backoff } from "./Removal.ts"
import { Settings } from "./Settings.ts"
import type { StorageError } from "./StorageError.ts"

const workOn = (key: string): string => `batch ${key}`

/** What a row says that nobody works on. */
export const free = { instance: null, claimedUntil: null } as const

export const make = Effect.gen(function* () {
  const instance = yield* Instance
  const jobs = yield* Jobs
  const { jobs: timing } = yield* Settings

  /** Whether the work on the batch is ours. */
  const isOurs = (batch: Job | undefined): boolean => batch?.state === "active" && batch.instance === instance.id

  const untilOf = (now: number) => ({ claimedUntil: now + timing.claimTtl, dueAt: now + timing.claimTtl })

  const take = Effect.fnUntraced(function* (key: string, begun: (batch: Job, now: number) => Job | undefined) {
    const now = yield* Clock.currentTimeMillis
    const seen = yield* jobs.read(key)
    if (seen === undefined || seen.state !== "active") return undefined
    const isTaken = seen.instance !== null && (seen.claimedUntil ?? 0) > now
    if (isTaken && (yield* instance.mayBeAt(seen.instance, workOn(key)))) return undefined
    let taken = false
    const row = yield* jobs.modify(key, (current) => {
      const isSame = current.instance === seen.instance && current.claimedUntil === seen.claimedUntil
      const next = current.state === "active" && isSame ? begun(current, now) : undefined
      taken = next !== undefined
      return next === undefined ? undefined : update(next, { instance: instance.id, updatedAt: now, ...untilOf(now) })
    })
    return taken ? row : undefined
  })

  /** Ends when the work is somebody else's. */
  const keep = (key: string) =>
    Effect.gen(function* () {
      for (let held = true; held;) {
        yield* Effect.sleep(Duration.millis(Math.floor(timing.claimTtl / 3)))
        const now = yield* Clock.currentTimeMillis
        held = yield* jobs
          .modify(key, (current) => (isOurs(current) ? update(current, untilOf(now)) : undefined))
          .pipe(
            Effect.map(isOurs),
            Effect.catch((error) => Effect.as(Effect.logWarning("Work on a batch could not be put off", error), true))
          )
      }
      yield* Effect.logWarning("Work on a batch has passed to another instance")
    })

  /** Gives the row back to whoever is next, after a failure. */
  const release = (key: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      jobs.modify(key, (current) =>
        isOurs(current)
          ? update(current, { ...free, dueAt: now + backoff(current.attempts), attempts: current.attempts + 1 })
          : undefined
      )
    ).pipe(Effect.ignore)

  return {
    isOurs,

    /**
     * Does some work, if nobody alive is at any on this batch. `begun` is the row as the work begins, undefined if there
     * is none to do; the work's last change of the row frees it. Answers the row as it then is.
     */
    during: Effect.fnUntraced(function* <E>(
      key: string,
      begun: (batch: Job, now: number) => Job | undefined,
      work: (taken: Job) => Effect.Effect<Job | undefined, E>
    ): Effect.fn.Return<Job | undefined, E | StorageError> {
      return yield* Effect.scoped(
        Effect.gen(function* () {
          const taken = yield* take(key, begun)
          if (taken === undefined) return yield* jobs.read(key)
          yield* instance.hold(workOn(key))
          const lost = Effect.andThen(keep(key), jobs.read(key))
          return yield* Effect.raceFirst(work(taken), lost).pipe(Effect.onError(() => release(key)))
        })
      )
    })
  }
})
