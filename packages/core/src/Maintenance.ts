/**
 * What happens without anyone asking: uploads that a crash left half done are undone, deletions go on until
 * nothing is left, files expire, missing copies are made, tombstones and old idempotency records go.
 *
 * The work to do stands in the rows, by the time at which it is due, so any instance can do it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Catalog } from "./Catalog.ts"
import { Instance } from "./Instance.ts"
import { LostUploads } from "./LostUploads.ts"
import { LostUpload, type ManagedFile, Replica, update } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import { backoff, Removal } from "./Removal.ts"
import { Replication } from "./Replication.ts"
import { Settings } from "./Settings.ts"
import type { StorageError } from "./StorageError.ts"

export class Maintenance extends Context.Service<
  Maintenance,
  {
    /** One round over all that is due now. */
    readonly round: Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/Maintenance") {}

/** Rows taken in one round; the rest is due in the next. */
const batch = 500
const concurrency = 16

/** A copy that failed this often in a row is made when a call needs it, and not before. */
const repairLimit = 8

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const instance = yield* Instance
  const lostUploads = yield* LostUploads
  const registry = yield* Registry
  const removal = yield* Removal
  const replication = yield* Replication
  const { instanceTtl, maintenanceInterval, onPartialFailure } = yield* Settings

  /** A create that is under way elsewhere is left alone; one whose instance is dead is undone. */
  const checkCreation = Effect.fnUntraced(function* (file: ManagedFile, now: number) {
    if (file.instance !== null && (yield* instance.isAlive(file.instance))) {
      yield* registry.modifyFile(file.key, (current) =>
        current.state === file.state ? update(current, { dueAt: now + instanceTtl }) : undefined
      )
      return
    }
    yield* Effect.logInfo("An upload that a stopped instance left unfinished is undone").pipe(
      Effect.annotateLogs({ file: file.key })
    )
    yield* removal.discardUnless(file.key, ({ state }) => state !== "receiving" && state !== "creating")
  })

  const expire = Effect.fnUntraced(function* (file: ManagedFile) {
    if (yield* removal.mark(file.key, "ready")) yield* removal.run(file.key)
  })

  /** A copy that was being made by an instance that is dead. */
  const isAbandoned = Effect.fnUntraced(function* (replica: Replica) {
    return replica.state === "pending" && !(replica.instance !== null && (yield* instance.isAlive(replica.instance)))
  })

  const settleLost = Effect.fnUntraced(function* (file: ManagedFile, now: number) {
    const open: Array<LostUpload> = []
    for (const lost of file.lostUploads) {
      const settled = yield* lostUploads
        .settle(file, lost, now)
        .pipe(
          Effect.catchTag("ProviderError", (error) =>
            Effect.as(Effect.logWarning("An upload without an answer could not be looked for", error), false)
          )
        )
      if (!settled) open.push(lost)
    }
    return open
  })

  /** Copies that an installation which keeps going on partial failure still owes. */
  const owed = (file: ManagedFile): ReadonlyArray<Replica> =>
    onPartialFailure === "any" && file.attempts < repairLimit
      ? file.replicas.filter(
          ({ account, state }) =>
            state === "failed" && file.models.some((model) => catalog.accountsOf(model).includes(account))
        )
      : []

  const repair = Effect.fnUntraced(function* (file: ManagedFile) {
    const outcomes = yield* Effect.forEach(
      owed(file),
      ({ account }) => Effect.exit(replication.ensure(file, account)),
      { concurrency: "unbounded" }
    )
    return outcomes.every((outcome) => outcome._tag === "Success")
  })

  const tend = Effect.fnUntraced(function* (file: ManagedFile, now: number) {
    if (file.expiresAt !== null && file.expiresAt <= now) return yield* expire(file)
    const abandoned = yield* Effect.filter(file.replicas, isAbandoned)
    const open = yield* settleLost(file, now)
    const repaired = yield* repair(file)
    yield* registry.modifyFile(file.key, (current) => {
      if (current.state !== "ready") return undefined
      const lost = abandoned.map(
        ({ account, createdAt }) => new LostUpload({ account, startedAt: createdAt, endedAt: now })
      )
      const replicas = current.replicas.map((replica) =>
        abandoned.some((other) => other.account === replica.account && other.instance === replica.instance) &&
        replica.state === "pending"
          ? new Replica({ ...replica, state: "failed", instance: null, updatedAt: now, error: "was interrupted" })
          : replica
      )
      const known = new Set(file.lostUploads.map((upload) => `${upload.account} ${upload.startedAt}`))
      const added = current.lostUploads.filter((upload) => !known.has(`${upload.account} ${upload.startedAt}`))
      const attempts = repaired ? 0 : current.attempts + 1
      const next = update(current, { replicas, lostUploads: [...open, ...added, ...lost], attempts })
      return update(next, { dueAt: nextDue(next, now, instanceTtl, owed(next).length > 0) })
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

  const round = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const due = yield* registry.dueFiles(now, batch)
    yield* Effect.forEach(
      due,
      (file) =>
        Effect.catch(handle(file, now), (error) => Effect.logWarning("Background work will be tried again", error)),
      { concurrency, discard: true }
    )
    for (const { value, version } of yield* registry.expiredIdempotency(now, batch)) {
      yield* registry.removeIdempotency(value.key, version)
    }
  })

  yield* Effect.forever(
    round.pipe(
      Effect.catchCause((cause) => Effect.logWarning("A round of maintenance failed", cause)),
      Effect.andThen(Effect.sleep(Duration.millis(maintenanceInterval)))
    )
  ).pipe(Effect.forkScoped)

  return Maintenance.of({ round })
})

/** When a ready file needs attention next, or null for never. */
const nextDue = (file: ManagedFile, now: number, instanceTtl: number, owing: boolean): number | null => {
  const due: Array<number> = []
  if (file.expiresAt !== null) due.push(file.expiresAt)
  if (file.lostUploads.length > 0) due.push(now + 1_000)
  if (file.replicas.some(({ state }) => state === "pending")) due.push(now + instanceTtl)
  if (owing) due.push(now + backoff(file.attempts))
  return due.length === 0 ? null : Math.min(...due)
}

export const layer: Layer.Layer<
  Maintenance,
  never,
  Catalog | Instance | LostUploads | Registry | Removal | Replication
> = Layer.effect(Maintenance, make)
