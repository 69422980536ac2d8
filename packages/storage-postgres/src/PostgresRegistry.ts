/**
 * Records in a Postgres database, version 13 or later, shared by any number of instances.
 *
 * Needs connections of its own to the server, or pooled ones that stay with one client (PgBouncer's session
 * mode): settings and prepared statements belong to a connection.
 */
import { type Change, RegistryBackend } from "@omnifile/core/RegistryBackend"
import * as StorageError from "@omnifile/core/StorageError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as Attempts from "./Attempts.ts"
import * as ChangeFeed from "./ChangeFeed.ts"
import * as ConnectionUrl from "./ConnectionUrl.ts"
import * as Database from "./Database.ts"
import * as IndexScan from "./IndexScan.ts"
import * as Migrations from "./Migrations.ts"
import * as Records from "./Records.ts"

export interface Options {
  /**
   * `postgres://user:password@host:5432/database`, with any of the parameters `sslmode` (`disable`, `prefer`,
   * `require`, `verify-ca`, `verify-full`), `sslrootcert`, `sslcert`, `sslkey` (files), `schema` (default
   * `omnifile`), `max_connections` (10, and two more), `statement_timeout` (10000 milliseconds) and
   * `application_name`.
   */
  readonly url: Redacted.Redacted<string>
  /**
   * How long a call goes on trying while the server is away before it fails with `Unavailable`. A commit that is
   * tried again is applied once. Default: 15 seconds.
   */
  readonly retryFor?: Duration.Input | undefined
}

const fail = StorageError.of("postgres")

/** How long a commit is remembered: far longer than it is tried for. */
const commitRetention = "10 minutes"

/** How many commits are forgotten by one statement, so that it is over soon. */
const forgottenAtOnce = 5_000

/** The backend over connections that are open as long as the scope. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<RegistryBackend["Service"], StorageError.StorageError, Scope.Scope> {
  const parsed = ConnectionUrl.parse(Redacted.value(options.url))
  if (Result.isFailure(parsed)) {
    const cause = new TypeError(`The URL of the database ${parsed.failure}`)
    return yield* fail("open", new StorageError.Unavailable({ cause }))
  }
  const connection = parsed.success
  const retryFor = options.retryFor ?? "15 seconds"
  const attempt = Attempts.make(fail, retryFor, connection.statementTimeout + Attempts.silence)
  const writer = randomUUID()

  const client = yield* Effect.acquireRelease(
    Effect.try({
      try: () => Database.open(connection),
      catch: (cause) => fail("open", new StorageError.Unavailable({ cause }))
    }),
    (client) => Effect.promise(() => Database.close(client))
  )
  // A migration takes its time, and others wait for it.
  const openly = Attempts.make(fail, retryFor, Duration.toMillis("1 hour"))
  yield* openly("open", connection.schema, () => Migrations.migrate(client, connection.schema))
  const feed = yield* ChangeFeed.make(connection, writer).pipe(
    Effect.mapError((cause) => fail("open", new StorageError.Unavailable({ cause })))
  )

  const sweep = Effect.tryPromise(() => Records.forgetCommits(client, commitRetention, forgottenAtOnce)).pipe(
    Effect.repeat({ until: (forgotten) => forgotten < forgottenAtOnce }),
    Effect.catch((cause) => Effect.logWarning("Old commits could not be forgotten; it will be tried again", cause))
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("1 minute"), sweep)))

  const commit = Effect.fnUntraced(function* (changes: ReadonlyArray<Change>) {
    if (changes.length === 0) return
    const id = randomUUID()
    const stale = yield* attempt("commit", changes[0]?.key ?? "", () => Records.commit(client, { id, writer, changes }))
    if (stale !== undefined) return yield* fail("commit", new StorageError.Conflict({ key: stale.key }))
    feed.announce()
  })

  return RegistryBackend.of({
    name: "postgres",
    read: (collection, keys) => attempt("read", keys[0] ?? "", () => Records.read(client, collection, keys)),
    commit,
    scan: (scan) => attempt("scan", scan.index, () => IndexScan.scan(client, scan)),
    drainInvalidations: Effect.sync(feed.drain)
  })
})

/**
 * The backend as a layer; its tables are made or brought up to date when it is built. A commit of another instance
 * is mostly known within milliseconds, and always within a second: an instance that cannot ask the server for that
 * long says `Everything` until it can.
 */
export const layer = (options: Options): Layer.Layer<RegistryBackend, StorageError.StorageError> =>
  Layer.effect(RegistryBackend, make(options))
