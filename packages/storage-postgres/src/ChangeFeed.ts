/**
 * What other instances have committed. The table `commits` is the truth; it is read several times a second, and
 * at once when another instance says that there is something to read. What is said can get lost without harm;
 * and while the table cannot be read, the answer is that everything may have changed.
 *
 * Notifications are sent after the commit and not as a part of it: Postgres lets commits that notify pass only
 * one by one.
 */
import type { Invalidation } from "@omnifile/core/RegistryBackend"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { ConnectionUrl } from "./ConnectionUrl.ts"
import * as Database from "./Database.ts"
import { query } from "./Records.ts"

/** How often the table is read when nobody says that it has changed, in milliseconds. */
const pollInterval = 250

/** How long what was read counts as up to date, in milliseconds. */
export const freshness = 1_000

/** With more keys than that waiting, everything may have changed. */
const maxPendingKeys = 10_000

interface Row {
  /** Which transactions have been seen. */
  readonly snapshot: string
  /** The keys of each commit since the one before; null where they were too many. */
  readonly keys: string
}

/**
 * Rows are in the order of their transactions' beginning, not of their end: what an earlier look could not see
 * is asked of that look itself.
 */
const changesText = `
  SELECT pg_current_snapshot()::text AS snapshot,
    (SELECT coalesce(json_agg(commits.keys), '[]') FROM commits
     WHERE commits.transaction >= pg_snapshot_xmin($1::text::pg_snapshot)
       AND NOT pg_visible_in_snapshot(commits.transaction, $1::text::pg_snapshot)
       AND commits.writer <> $2::uuid)::text AS keys`

export const changesStatement = (snapshot: string, writer: string) => ({
  text: changesText,
  parameters: [snapshot, writer]
})

export interface ChangeFeed {
  readonly drain: () => Invalidation
  /** Says to other instances that this one has committed. */
  readonly announce: () => void
}

type Keys = ReadonlyArray<{ readonly collection: string; readonly key: string }>

const nothing: Invalidation = { _tag: "Nothing" }
const everything: Invalidation = { _tag: "Everything" }

/** What has been read and not yet been taken. */
const makePending = () => {
  let keys: Array<Keys[number]> = []
  let all = false
  let readAt = Number.NEGATIVE_INFINITY
  return {
    add: (row: Row, askedAt: number): void => {
      const commits = JSON.parse(row.keys) as ReadonlyArray<string | null>
      for (const commit of commits) {
        if (commit === null) all = true
        else {
          for (const [collection, key] of JSON.parse(commit) as ReadonlyArray<[string, string]>) {
            keys.push({ collection, key })
          }
        }
      }
      // In a long silence, rows may have come and gone.
      if (askedAt - readAt > freshness || keys.length > maxPendingKeys) all = true
      readAt = askedAt
    },
    take: (): Invalidation => {
      if (performance.now() - readAt > freshness) return everything
      if (!all && keys.length === 0) return nothing
      const taken: Invalidation = all ? everything : { _tag: "Keys", keys }
      keys = []
      all = false
      return taken
    }
  }
}

/** Follows the table as long as the scope is open. Its connections are its own, so that no call keeps them busy. */
export const make = (options: ConnectionUrl, writer: string): Effect.Effect<ChangeFeed, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Effect.acquireRelease(
      Effect.try({ try: () => Database.open(options, 1), catch: (cause) => cause }),
      (client) => Effect.promise(() => Database.close(client))
    )
    const channel = `omnifile_${options.schema}`
    const pending = makePending()
    const hints = yield* Queue.sliding<void>(1)
    let snapshot: string | undefined

    const look = Effect.gen(function* () {
      const askedAt = performance.now()
      const statement =
        snapshot === undefined
          ? { text: "SELECT pg_current_snapshot()::text AS snapshot, '[]' AS keys", parameters: [] }
          : changesStatement(snapshot, writer)
      const [row] = yield* Effect.tryPromise(() => query<Row>(client, statement))
      if (row === undefined) return
      snapshot = row.snapshot
      pending.add(row, askedAt)
    })
    yield* look
    pending.take()

    yield* Queue.take(hints).pipe(
      Effect.timeoutOption(pollInterval),
      // While the database is away, calls say so themselves.
      Effect.andThen(Effect.ignore(look)),
      Effect.forever,
      Effect.forkScoped
    )
    // The package listens again when the connection is lost. Without it, changes are seen a little later.
    yield* Effect.ignore(
      Effect.tryPromise(() =>
        client.listen(
          channel,
          (sender) => {
            if (sender !== writer) Queue.offerUnsafe(hints, undefined)
          },
          () => Queue.offerUnsafe(hints, undefined)
        )
      )
    )

    let isAnnouncing = false
    let isBehind = false
    const announce = (): void => {
      isBehind = isAnnouncing
      if (isAnnouncing) return
      isAnnouncing = true
      const done = () => {
        isAnnouncing = false
        if (isBehind) announce()
      }
      query(client, { text: "SELECT pg_notify($1, $2)", parameters: [channel, writer] }).then(done, done)
    }
    return { drain: pending.take, announce }
  })
