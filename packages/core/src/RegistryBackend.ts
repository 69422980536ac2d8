/**
 * What a storage backend for the Registry provides: versioned records with declared indexes, and commits
 * that apply as a whole or not at all.
 *
 * A backend knows nothing of files, replicas or jobs. The Registry turns each of those into a record (JSON
 * text) and says under which index entries it is to be found; so a new kind of record needs no change here,
 * and a backend has four operations. Proof that one keeps the promises below is the `RegistrySuite` of
 * `@omnifile/testkit`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as StorageError from "./StorageError.ts"

/** A record as it is stored. The first version of a record is 1, and each commit that replaces it adds 1. */
export interface StoredRecord {
  readonly key: string
  readonly version: number
  /** JSON text, opaque to the backend. */
  readonly value: string
}

/**
 * Where one index lists a record: once in each partition, all under the same sort text. A record has at most
 * one entry in an index. Partitions, sort texts and index names are printable ASCII, at most 512 characters,
 * and compare by their bytes.
 */
export interface IndexEntry {
  readonly index: string
  readonly partitions: ReadonlyArray<string>
  readonly sort: string
}

/** One step of a commit. A commit has at most one step for a record. */
export interface Change {
  /** The kind of record, such as `files`; keys are unique within it. */
  readonly collection: string
  /** Printable ASCII of at most 8 KiB, or 1 KiB if the record has index entries. Compares by its bytes. */
  readonly key: string
  /** The version that is replaced or removed; 0 means that there must be no record. */
  readonly expected: number
  /** The new record with all of its index entries (the old ones are dropped), or null to remove it. */
  readonly record: { readonly value: string; readonly entries: ReadonlyArray<IndexEntry> } | null
}

/** A place in the order of an index: by sort text, then by record key. */
export interface Position {
  readonly sort: string
  readonly key: string
}

/** A page of an index. */
export interface Scan {
  readonly collection: string
  readonly index: string
  /** Records of any of these partitions, each record once. None at all: an empty page. */
  readonly partitions: ReadonlyArray<string>
  readonly order: "asc" | "desc"
  /** Only records strictly after this place, in the direction of `order`. The place need not exist. */
  readonly after?: Position | undefined
  /** Only records whose sort text is at most this one (`asc`) or at least this one (`desc`). */
  readonly until?: string | undefined
  /** At least 1. */
  readonly limit: number
}

/** A record of a page, and where it stands. */
export interface ScannedRecord extends StoredRecord {
  readonly sort: string
}

/** What other processes may have changed since it was last asked. */
export type Invalidation =
  | { readonly _tag: "Nothing" }
  | { readonly _tag: "Keys"; readonly keys: ReadonlyArray<{ readonly collection: string; readonly key: string }> }
  | { readonly _tag: "Everything" }

export class RegistryBackend extends Context.Service<
  RegistryBackend,
  {
    /** Names the backend in errors and logs. */
    readonly name: string
    /** The records with these keys, in the order of the keys; undefined where there is none. */
    readonly read: (
      collection: string,
      keys: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<StoredRecord | undefined>, StorageError.StorageError>
    /**
     * Applies all changes, durably, or none; one `read` sees all of them or none. Fails with `Conflict` naming
     * the key of a change whose expectation does not hold; of commits that expect the same version, one wins.
     */
    readonly commit: (changes: ReadonlyArray<Change>) => Effect.Effect<void, StorageError.StorageError>
    /** A page of an index, in order, in time that does not grow with the number of records. */
    readonly scan: (scan: Scan) => Effect.Effect<ReadonlyArray<ScannedRecord>, StorageError.StorageError>
    /**
     * Takes what *other* processes may have changed since the last call, for the one cache in front of this
     * backend. Asked on every cached read, so it must be cheap and never wait for a server. A backend that
     * is told of changes late says for how long in its documentation; one that cannot know says
     * `Everything`.
     */
    readonly drainInvalidations: Effect.Effect<Invalidation, StorageError.StorageError>
  }
>()("@omnifile/core/RegistryBackend") {}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The order of `asc` scans. */
export const comparePositions = (a: Position, b: Position): number => compare(a.sort, b.sort) || compare(a.key, b.key)

interface MemoryRecord extends StoredRecord {
  readonly entries: ReadonlyArray<IndexEntry>
}

/** Records in memory, for tests and trials. They are gone with the process. */
export const makeMemory = (): RegistryBackend["Service"] => {
  const fail = StorageError.of("memory")
  const collections = new Map<string, Map<string, MemoryRecord>>()
  const collection = (name: string): Map<string, MemoryRecord> => {
    const known = collections.get(name)
    if (known !== undefined) return known
    const created = new Map<string, MemoryRecord>()
    collections.set(name, created)
    return created
  }
  return RegistryBackend.of({
    name: "memory",
    read: (name, keys) => Effect.sync(() => keys.map((key) => collection(name).get(key))),
    commit: (changes) =>
      Effect.suspend(() => {
        const stale = changes.find(
          (change) => (collection(change.collection).get(change.key)?.version ?? 0) !== change.expected
        )
        if (stale !== undefined) {
          return Effect.fail(fail("commit", new StorageError.Conflict({ key: stale.key })))
        }
        for (const { collection: name, expected, key, record } of changes) {
          if (record === null) collection(name).delete(key)
          else collection(name).set(key, { key, version: expected + 1, ...record })
        }
        return Effect.void
      }),
    scan: ({ after, collection: name, index, limit, order, partitions, until }) =>
      Effect.sync(() => {
        const sign = order === "asc" ? 1 : -1
        const found: Array<ScannedRecord> = []
        for (const { entries, key, value, version } of collection(name).values()) {
          const entry = entries.find(
            (candidate) =>
              candidate.index === index && candidate.partitions.some((partition) => partitions.includes(partition))
          )
          if (entry === undefined) continue
          const record = { key, version, value, sort: entry.sort }
          if (after !== undefined && sign * comparePositions(record, after) <= 0) continue
          if (until !== undefined && sign * compare(record.sort, until) > 0) continue
          found.push(record)
        }
        return found.sort((a, b) => sign * comparePositions(a, b)).slice(0, limit)
      }),
    drainInvalidations: Effect.succeed({ _tag: "Nothing" })
  })
}

export const layerMemory: Layer.Layer<RegistryBackend> = Layer.sync(RegistryBackend, makeMemory)
