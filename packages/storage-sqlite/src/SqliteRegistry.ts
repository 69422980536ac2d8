/**
 * Records in a SQLite database, by `node:sqlite`: one file, no server, shared by any number of processes of
 * one machine.
 *
 * While it waits for another process's commit, a call does not keep this process from other work: SQLite
 * would stop the event loop, so it gives up after a few milliseconds and is asked again a little later.
 */
import { type Invalidation, RegistryBackend } from "@omnifile/core/RegistryBackend"
import * as StorageError from "@omnifile/core/StorageError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Database from "./Database.ts"
import * as Records from "./Records.ts"
import { isBusy, toReason } from "./SqliteError.ts"

export interface Options extends Database.Options {
  /** How long a call waits for other processes before it fails with `Unavailable`. Default: 5 seconds. */
  readonly busyTimeout?: Duration.Input | undefined
}

const fail = StorageError.of("sqlite")

/** Makes effects of calls that block, each for one key, and repeats them while other processes are in the way. */
const nothingInvalidated = Effect.succeed<Invalidation>({ _tag: "Nothing" })

const makeAttempt = (busyTimeout: Duration.Input) => {
  const schedule = Schedule.min([Schedule.exponential("1 millis"), Schedule.spaced("20 millis")]).pipe(
    Schedule.jittered,
    Schedule.upTo({ duration: busyTimeout })
  )
  return <A>(method: string, key: string, run: () => A): Effect.Effect<A, StorageError.StorageError> => {
    const once = Effect.suspend(() => {
      try {
        return Effect.succeed(run())
      } catch (cause) {
        return Effect.fail(fail(method, toReason(key, cause)))
      }
    })
    // Set up only when it is needed: a retry costs more than a read.
    return Effect.catchIf(once, isBusy, () => Effect.retry(once, { while: isBusy, schedule }))
  }
}

/** The backend over a database that is open as long as the scope. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<RegistryBackend["Service"], StorageError.StorageError, Scope.Scope> {
  const attempt = makeAttempt(options.busyTimeout ?? "5 seconds")
  const opening = <A>(run: () => A) => attempt("open", options.filename, run)
  const db = yield* Effect.acquireRelease(
    opening(() => Database.open(options)),
    (db) => Effect.sync(() => db.close())
  )
  const records = yield* opening(() => Records.make(db))
  let seenDataVersion = yield* opening(records.dataVersion)
  let lookedThisTurn = false

  /** Whether another connection has committed since the last look. */
  const look = attempt("drainInvalidations", "", (): Invalidation => {
    const dataVersion = records.dataVersion()
    if (dataVersion === seenDataVersion) return { _tag: "Nothing" }
    seenDataVersion = dataVersion
    return { _tag: "Everything" }
  })

  return RegistryBackend.of({
    name: "sqlite",
    read: (collection, keys) => attempt("read", keys[0] ?? "", () => records.read(collection, keys)),
    commit: Effect.fnUntraced(function* (changes) {
      const stale = yield* attempt("commit", changes[0]?.key ?? "", () => records.commit(changes))
      if (stale !== undefined) return yield* fail("commit", new StorageError.Conflict({ key: stale.key }))
    }),
    scan: (scan) => attempt("scan", scan.index, () => records.scan(scan)),
    drainInvalidations: Effect.suspend(() => {
      // Requests of one turn of the event loop were all there when it began: one look does for them.
      if (lookedThisTurn) return nothingInvalidated
      lookedThisTurn = true
      setImmediate(() => (lookedThisTurn = false))
      return look
    })
  })
})

/**
 * The backend as a layer. When it is released the database is closed, and the WAL moved into it. A commit of another
 * process is known from the next turn of the event loop on.
 */
export const layer = (options: Options): Layer.Layer<RegistryBackend, StorageError.StorageError> =>
  Layer.effect(RegistryBackend, make(options))
