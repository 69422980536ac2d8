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

/** What was seen of the database at one moment. */
export interface Sight {
  /** Which transactions have been seen, as Postgres writes it: `xmin:xmax:xip_list`. */
  readonly snapshot: string
  /** Names the database cluster and its timeline; null if the server does not tell. */
  readonly origin: string | null
}

interface Row extends Sight {
  /** The keys of each commit since the one before; null where they were too many. */
  readonly keys: string
}

const firstFreeTransaction = ({ snapshot }: Sight): bigint => BigInt(snapshot.split(":")[1] ?? "0")

/**
 * Whether what is seen now follows what was seen before. After a restore from a backup, a failover, or a change of where
 * the name of the server leads, it may be another history, of which the table tells nothing.
 */
export const isContinued = (before: Sight, now: Sight): boolean =>
  before.origin === now.origin && firstFreeTransaction(now) >= firstFreeTransaction(before)

const origin = "(SELECT system_identifier || '/' || timeline_id FROM pg_control_system(), pg_control_checkpoint())"

/**
 * Rows are in the order of their transactions' beginning, not of their end: what an earlier look could not see
 * is asked of that look itself.
 */
const changesText = (originOrNull: string) => `
  SELECT pg_current_snapshot()::text AS snapshot, ${originOrNull} AS origin,
    (SELECT coalesce(json_agg(commits.keys), '[]') FROM commits
     WHERE commits.transaction >= pg_snapshot_xmin($1::text::pg_snapshot)
       AND NOT pg_visible_in_snapshot(commits.transaction, $1::text::pg_snapshot)
       AND commits.writer <> $2::uuid)::text AS keys`

const changesTexts = { told: changesText(origin), untold: changesText("NULL::text") }

export const changesStatement = (before: Sight, writer: string) => ({
  text: before.origin === null ? changesTexts.untold : changesTexts.told,
  parameters: [before.snapshot, writer]
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
    addEverything: (): void => {
      all = true
    },
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
    const ask = <A>(text: string) => Effect.tryPromise(() => query<A>(client, { text, parameters: [] }))
    // Not every server lets everybody ask.
    const [named] = yield* Effect.orElseSucceed(ask<Pick<Sight, "origin">>(`SELECT ${origin} AS origin`), () => [])
    const [seen] = yield* ask<Pick<Sight, "snapshot">>("SELECT pg_current_snapshot()::text AS snapshot")
    let sight: Sight = { snapshot: seen?.snapshot ?? "1:1:", origin: named?.origin ?? null }

    const look = Effect.gen(function* () {
      const askedAt = performance.now()
      const [row] = yield* Effect.tryPromise(() => query<Row>(client, changesStatement(sight, writer)))
      if (row === undefined) return
      if (!isContinued(sight, row)) pending.addEverything()
      sight = row
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
