/**
 * What happens without anyone asking: uploads that a crash left half done are undone, deletions go on until
 * nothing is left, files expire or become older than their team keeps them, missing copies are made, tombstones and
 * old idempotency records go.
 *
 * The work to do stands in the rows, by the time at which it is due, so any instance can do it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { Catalog } from "./Catalog.ts"
import { creationOf, Instance, uploadOf } from "./Instance.ts"
import { LostUploads } from "./LostUploads.ts"
import { abandonedUpload, type ManagedFile, openUploads, originalVariant, Replica, update } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import * as Renewal from "./Renewal.ts"
import { backoff, Removal } from "./Removal.ts"
import * as Retention from "./Retention.ts"
import { Replication } from "./Replication.ts"
import { Settings } from "./Settings.ts"
import type { StorageError } from "./StorageError.ts"

export class Maintenance extends Context.Service<
  Maintenance,
  {
    /** One round over all that is due now and not in work already. */
    readonly round: Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/Maintenance") {}

/** Rows taken in one round; the rest is due in the next. */
const batch = 500
const concurrency = 32

/** A copy that failed this often in a row is made when a call needs it, and not before. */
const repairLimit = 8

/** Milliseconds until a provider is asked again that could not be asked about a lost upload. */
const failedSettlement = 15_000

/** Milliseconds until it is looked again whether a file that has expired is still read by a job. */
const readerPatience = 60_000

/** Milliseconds until it is looked again at a copy that should have been made anew. */
const renewalPatience = 60_000

/** How long a repair is watched. It goes on after that, and its outcome is seen when the row is due again. */
const repairPatience = Duration.seconds(30)

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const instance = yield* Instance
  const lostUploads = yield* LostUploads
  const registry = yield* Registry
  const removal = yield* Removal
  const replication = yield* Replication
  const settings = yield* Settings
  const { instanceTtl, maintenanceInterval, onPartialFailure } = settings
  const scope = yield* Effect.scope
  const sweepOldFiles = yield* Retention.make
  const permits = yield* Semaphore.make(concurrency)
  const busy = new Set<string>()

  /**
   * A create that is under way is left alone; one that nobody alive has in hand is undone. Only its own instance
   * puts the next look off: it alone knows that it has let go of it.
   */
  const checkCreation = Effect.fnUntraced(function* (file: ManagedFile, now: number) {
    if (file.instance !== null && (yield* instance.mayBeAt(file.instance, creationOf(file.key)))) {
      if (file.instance !== instance.id) return
      yield* registry.modifyFile(file.key, (current) =>
        current.state === file.state ? update(current, { dueAt: now + instanceTtl }) : undefined
      )
      return
    }
    yield* Effect.logInfo("An upload that was left unfinished is undone").pipe(Effect.annotateLogs({ file: file.key }))
    yield* removal.discardUnless(file.key, ({ state }) => state !== "receiving" && state !== "creating")
  })

  /** For clients it is gone; what an unfinished job reads is kept for the job. */
  const expire = Effect.fnUntraced(function* (file: ManagedFile, now: number) {
    const mark = yield* removal.mark(file.key)
    if (mark._tag === "Marked") return yield* removal.run(file.key)
    if (mark._tag === "Gone") return
    yield* registry.modifyFile(file.key, (current) =>
      current.state === "ready" ? update(current, { dueAt: now + readerPatience }) : undefined
    )
  })

  /** A copy whose upload nobody alive has in hand. */
  const isAbandoned = Effect.fnUntraced(function* (
    key: string,
    { account, instance: holder, state, variant }: Replica
  ) {
    if (state !== "pending") return false
    return holder === null || !(yield* instance.mayBeAt(holder, uploadOf(key, account, variant)))
  })

  /** Copies that an installation which keeps going on partial failure still owes. */
  const owed = (file: ManagedFile): ReadonlyArray<Replica> =>
    onPartialFailure === "any" && file.kept && file.attempts < repairLimit
      ? file.replicas.filter(
          ({ account, state, variant }) =>
            state === "failed" &&
            variant === originalVariant &&
            file.models.some((model) => catalog.accountsOf(model).includes(account))
        )
      : []

  const ensure = (file: ManagedFile, account: string) =>
    replication.ensure(file, account).pipe(Effect.timeoutOption(repairPatience), Effect.exit)

  /** Whether any of the copies that were owed is still missing. */
  const repair = Effect.fnUntraced(function* (file: ManagedFile) {
    const outcomes = yield* Effect.forEach(owed(file), ({ account }) => ensure(file, account), {
      concurrency: "unbounded"
    })
    return outcomes.some((outcome) => outcome._tag === "Failure")
  })

  /** Copies of files in use that are near their end. One that cannot be made now is left to the call that needs it. */
  const renew = (file: ManagedFile, now: number) =>
    Effect.forEach(
      Renewal.due(file, now, settings).filter(({ account }) => replication.canCopy(file, account)),
      ({ account }) => ensure(file, account),
      { concurrency: "unbounded", discard: true }
    )

  /** When the row is next due for that. What was due and is not done is looked at again after a while. */
  const renewalDue = (file: ManagedFile, now: number) => {
    const due = earliest(...file.replicas.map((replica) => Renewal.dueAt(file, replica, settings)))
    return due === null ? null : Math.max(due, now + renewalPatience)
  }

  const tend = Effect.fnUntraced(function* (file: ManagedFile, now: number) {
    if (file.expiresAt !== null && file.expiresAt <= now) return yield* expire(file, now)
    const abandoned = yield* Effect.filter(file.replicas, (replica) => isAbandoned(file.key, replica))
    const settled = yield* Effect.forEach(file.lostUploads, (lost) => lostUploads.settle(file, lost, now), {
      concurrency: "unbounded"
    })
    const over = file.lostUploads.filter((_, index) => settled[index] === "Settled")
    const missing = yield* repair(file)
    yield* renew(file, now)
    const ended = yield* Clock.currentTimeMillis
    yield* registry.modifyFile(file.key, (current) => {
      if (current.state !== "ready") return undefined
      const given = current.replicas.filter((replica) => abandoned.some((other) => sameIntent(other, replica)))
      const replicas = current.replicas.map((replica) =>
        given.includes(replica)
          ? new Replica({ ...replica, state: "failed", instance: null, updatedAt: ended, error: "was interrupted" })
          : replica
      )
      const lost = given.map((replica) => abandonedUpload(replica, ended))
      // Without a copy to make, the count stays: what was given up is not begun again.
      const attempts = missing ? current.attempts + 1 : owed(file).length > 0 ? 0 : current.attempts
      const next = update(current, { replicas, lostUploads: [...openUploads(current, over), ...lost], attempts })
      const again = ended + (settled.includes("Failed") ? failedSettlement : 1_000)
      const due = earliest(
        next.expiresAt,
        earliest(...next.lostUploads.map(({ endedAt }) => Math.max(endedAt, again))),
        next.replicas.some(({ state }) => state === "pending") ? ended + instanceTtl : null,
        renewalDue(next, ended),
        owed(next).length === 0 ? null : ended + backoff(next.attempts)
      )
      // As with creates: an instance that has let go of a copy is to see it.
      const othersWork = next.replicas.some(
        (replica) => replica.state === "pending" && replica.instance !== instance.id
      )
      return update(next, { dueAt: othersWork ? Math.min(due ?? ended, current.dueAt ?? ended) : due })
    })
  })

  const handle = (file: ManagedFile, now: number): Effect.Effect<unknown, StorageError> => {
    switch (file.state) {
      case "receiving":
      case "creating":
        return checkCreation(file, now)
      case "ready":
        return tend(file, now)
      case "deleting":
        return removal.run(file.key)
      case "deleted":
        return registry.modifyFile(file.key, ({ state }) => (state === "deleted" ? null : undefined))
    }
  }

  /** What a crash left is undone at once; all other work waits for its turn. */
  const inTurn = ({ state }: ManagedFile) =>
    state === "receiving" || state === "creating" ? identity : Semaphore.withPermit(permits)

  const attend = (file: ManagedFile) =>
    Clock.currentTimeMillis.pipe(
      Effect.flatMap((now) => handle(file, now)),
      inTurn(file),
      Effect.catchCause((cause) => Effect.logWarning("Background work will be tried again", cause)),
      Effect.ensuring(Effect.sync(() => busy.delete(file.key)))
    )

  /** Begins all that is due and not in work yet, so that what a slow provider holds up holds up nothing else. */
  const begin = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    yield* sweepOldFiles
    const due = (yield* registry.dueFiles(now, batch)).filter(({ key }) => !busy.has(key))
    for (const { key } of due) busy.add(key)
    const begun = yield* Effect.forEach(due, (file) => Effect.forkIn(attend(file), scope))
    for (const { value, version } of yield* registry.expiredIdempotency(now, batch)) {
      yield* registry.removeIdempotency(value.key, version)
    }
    return begun
  })

  yield* Effect.forever(
    begin.pipe(
      Effect.catchCause((cause) => Effect.logWarning("A round of maintenance failed", cause)),
      Effect.andThen(Effect.sleep(Duration.millis(maintenanceInterval)))
    )
  ).pipe(Effect.forkScoped)

  return Maintenance.of({ round: Effect.flatMap(begin, (begun) => Effect.asVoid(Fiber.awaitAll(begun))) })
})

/** Whether a copy is still the very intent that was looked at. */
const sameIntent = (a: Replica, b: Replica): boolean =>
  b.state === "pending" &&
  a.account === b.account &&
  a.variant === b.variant &&
  a.instance === b.instance &&
  a.createdAt === b.createdAt

/** The first of some times, or null for never. */
const earliest = (...times: ReadonlyArray<number | null>): number | null => {
  const known = times.filter((time) => time !== null)
  return known.length === 0 ? null : Math.min(...known)
}

export const layer: Layer.Layer<
  Maintenance,
  never,
  Catalog | Instance | LostUploads | Registry | Removal | Replication
> = Layer.effect(Maintenance, make)
