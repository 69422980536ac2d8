/**
 * Records in Redis, for installations whose only store is a Redis that keeps its data. What a commit is worth after a
 * crash of the server is what its persistence is: `appendonly yes` with `appendfsync always` loses none.
 *
 * A server that is away for a moment is waited for. A commit during which the connection is lost is tried again under
 * its own number, which the server remembers: it is applied once.
 */
import {
  comparePositions,
  RegistryBackend,
  type Scan,
  type ScannedRecord,
  type StoredRecord
} from "@omnifile/core/RegistryBackend"
import * as StorageError from "@omnifile/core/StorageError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as Invalidations from "./Invalidations.ts"
import * as Keys from "./Keys.ts"
import * as RedisClient from "./RedisClient.ts"
import * as Scripts from "./Scripts.ts"

export interface Options extends RedisClient.Options {
  /**
   * How long a call goes on trying while the server is away before it fails with `Unavailable`, apart from the five
   * seconds that each attempt may take. Default: 15 seconds.
   */
  readonly retryFor?: Duration.Input | undefined
}

/** How many partitions one script reads, so that it does not keep the server from others for long. */
const maxPartitions = 100

/** How many seconds a commit is remembered: longer than it is tried for. */
const commitRetention = 120

const fail = StorageError.of("redis")

const reasonOf = (key: string, cause: unknown): StorageError.Reason =>
  cause instanceof Error && cause.message.startsWith("WRONGTYPE")
    ? new StorageError.Corrupt({ key, cause })
    : new StorageError.Unavailable({ cause })

const Found = Schema.Tuple([Schema.NullOr(Schema.String), Schema.NullOr(Schema.String)])
const decodeFound = Schema.decodeUnknownEffect(Schema.Array(Found))
const Listed = Schema.Tuple([Schema.String, Schema.String, Schema.String])
const decodeListed = Schema.decodeUnknownEffect(Schema.Array(Listed))
const decodeStale = Schema.decodeUnknownEffect(Schema.Number)

/** Settings of the server that lose records, each with what is to be done. */
const warnings: ReadonlyArray<readonly [setting: string, safe: string, warning: string]> = [
  ["appendonly", "yes", "Redis keeps records in memory only, or in snapshots: set appendonly yes"],
  ["maxmemory-policy", "noeviction", "Redis may throw records away: set maxmemory-policy noeviction"]
]

/** Managed servers may not tell their settings; then nothing is said. */
const warnOfSettings = (client: RedisClient.RedisClient) =>
  Effect.forEach(warnings, ([setting, safe, warning]) =>
    client.send("CONFIG", "GET", setting).pipe(
      Effect.flatMap((answer) => {
        const value = Object.values((Array.isArray(answer) ? { value: answer[1] } : answer) ?? {})[0]
        return value === undefined || value === safe
          ? Effect.void
          : Effect.logWarning(`${warning} (is ${String(value)})`)
      }),
      Effect.ignore
    )
  )

/** The backend over connections that are open as long as the scope. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<RegistryBackend["Service"], StorageError.StorageError, Scope.Scope> {
  const attempt = <A, R>(method: string, key: string, run: Effect.Effect<A, unknown, R>) =>
    Effect.mapError(run, (cause) => fail(method, reasonOf(key, cause)))
  const keys = Keys.make(options.prefix ?? RedisClient.defaultPrefix)
  const client = yield* attempt("open", "", RedisClient.open(options, "wait"))
  const invalidations = yield* attempt("open", "", Invalidations.make(options))
  yield* warnOfSettings(client)

  const schedule = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("500 millis")]).pipe(
    Schedule.jittered,
    Schedule.upTo({ duration: options.retryFor ?? "15 seconds" })
  )
  /** Runs a script that does no more when it is run again. */
  const run: RedisClient.RedisClient["run"] = (script, keys, args) => {
    const once = client.run(script, keys, args)
    // Set up only when it is needed.
    return Effect.catchIf(once, client.isRetryable, () => Effect.retry(once, { while: client.isRetryable, schedule }))
  }

  const read = (collection: string, wanted: ReadonlyArray<string>) =>
    run(
      Scripts.read,
      wanted.map((key) => keys.records(collection) + key),
      []
    ).pipe(
      Effect.flatMap(decodeFound),
      Effect.map((found) =>
        wanted.map((key, index): StoredRecord | undefined => {
          const [version = null, value = null] = found[index] ?? []
          return version === null || value === null ? undefined : { key, version: Number(version), value }
        })
      )
    )

  const scanSome = (scan: Scan) =>
    run(
      Scripts.scan,
      scan.partitions.map((partition) => keys.partition(scan.collection, scan.index, partition)),
      [keys.records(scan.collection), scan.order, ...Keys.boundsOf(scan), String(scan.limit)]
    ).pipe(
      Effect.flatMap(decodeListed),
      Effect.map((listed) =>
        listed.map(([member, version, value]): ScannedRecord => ({
          ...Keys.placeOf(member),
          version: Number(version),
          value
        }))
      )
    )

  /** The first records of several pages in order, each once. */
  const merge = ({ limit, order }: Scan, pages: ReadonlyArray<ScannedRecord>): ReadonlyArray<ScannedRecord> => {
    const sign = order === "asc" ? 1 : -1
    const records = new Map(pages.map((record) => [record.key, record]))
    return [...records.values()].sort((a, b) => sign * comparePositions(a, b)).slice(0, limit)
  }

  const scan = Effect.fnUntraced(function* (wanted: Scan) {
    const partitions = [...new Set(wanted.partitions)]
    let page: ReadonlyArray<ScannedRecord> = []
    for (let start = 0; start < partitions.length; start += maxPartitions) {
      const some = yield* scanSome({ ...wanted, partitions: partitions.slice(start, start + maxPartitions) })
      page = partitions.length === 1 ? some : merge(wanted, [...page, ...some])
    }
    return page
  })

  return RegistryBackend.of({
    name: "redis",
    read: (collection, wanted) =>
      wanted.length === 0 ? Effect.succeed([]) : attempt("read", wanted[0] ?? "", read(collection, wanted)),
    commit: Effect.fnUntraced(function* (changes) {
      if (changes.length === 0) return
      const first = changes[0]?.key ?? ""
      const commit = run(
        Scripts.commit,
        [...changes.map(({ collection, key }) => keys.records(collection) + key), keys.commit(randomUUID())],
        [
          invalidations.channel,
          invalidations.messageOf(changes),
          String(commitRetention),
          ...changes.flatMap(({ collection, expected, key, record }) => [
            String(expected),
            record === null ? "remove" : "put",
            record?.value ?? "",
            JSON.stringify(keys.entries(collection, key, record?.entries ?? []))
          ])
        ]
      )
      const stale = yield* attempt("commit", first, Effect.flatMap(commit, decodeStale))
      if (stale > 0) return yield* fail("commit", new StorageError.Conflict({ key: changes[stale - 1]?.key ?? first }))
    }),
    scan: (wanted) => attempt("scan", wanted.index, scan(wanted)),
    drainInvalidations: Effect.sync(invalidations.drain)
  })
})

/**
 * The backend as a layer. Fails if the server cannot be reached in five seconds. A commit of another process is known
 * after a second at most, and at once as a rule.
 */
export const layer = (options: Options): Layer.Layer<RegistryBackend, StorageError.StorageError> =>
  Layer.effect(RegistryBackend, make(options))
