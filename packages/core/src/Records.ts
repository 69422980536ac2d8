/** A collection of the Registry as a store of values: decoded when they are read, and changed by commits. */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Change, IndexEntry, RegistryBackend, Scan, StoredRecord } from "./RegistryBackend.ts"
import { codec } from "./RegistryRecords.ts"
import * as StorageError from "./StorageError.ts"

/** A row, and the version that a change must name. */
export interface Versioned<A> {
  readonly value: A
  readonly version: number
}

/** What a kind of record is. */
export interface Definition<A> {
  readonly collection: string
  readonly schema: Schema.Codec<A, unknown>
  readonly key: (value: A) => string
  /** Under which index entries it is found. */
  readonly entries: (value: A) => ReadonlyArray<IndexEntry>
}

export interface RecordStore<A> {
  readonly read: (key: string) => Effect.Effect<Versioned<A> | undefined, StorageError.StorageError>
  /** In the order of the keys; undefined where there is none. */
  readonly readMany: (
    keys: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Versioned<A> | undefined>, StorageError.StorageError>
  readonly scan: (
    query: Omit<Scan, "collection">
  ) => Effect.Effect<ReadonlyArray<Versioned<A>>, StorageError.StorageError>
  /** A scan for background work: a record that cannot be understood is reported and passed over. */
  readonly scanUnderstood: (
    query: Omit<Scan, "collection">
  ) => Effect.Effect<ReadonlyArray<Versioned<A>>, StorageError.StorageError>
  /** The change that puts a value in the place of version `expected`, 0 for none. */
  readonly change: (expected: number, value: A) => Change
  readonly removal: (expected: number, key: string) => Change
}

/** Makes a kind of record. To be called once, when a module loads. */
export const define = <A>({
  collection,
  entries,
  key,
  schema
}: Definition<A>): ((backend: RegistryBackend["Service"]) => RecordStore<A>) => {
  const { decode, encode } = codec(schema)
  return (backend) => {
    const fail = StorageError.of(backend.name)
    const decodeRecord = (record: StoredRecord): Effect.Effect<Versioned<A>, StorageError.StorageError> =>
      Effect.mapBoth(decode(record.value), {
        onSuccess: (value) => ({ value, version: record.version }),
        onFailure: (cause) => fail("decode", new StorageError.Corrupt({ key: record.key, cause }))
      })
    const understood = (record: StoredRecord) =>
      decodeRecord(record).pipe(
        Effect.map((found) => [found]),
        Effect.catch((error) => Effect.as(Effect.logError("A row is left alone", error), []))
      )
    const readMany: RecordStore<A>["readMany"] = (keys) =>
      Effect.flatMap(backend.read(collection, keys), (records) =>
        Effect.forEach(records, (record) => (record === undefined ? Effect.succeed(undefined) : decodeRecord(record)))
      )
    return {
      readMany,
      read: (key) => Effect.map(readMany([key]), ([found]) => found),
      scan: (query) =>
        Effect.flatMap(backend.scan({ collection, ...query }), (records) => Effect.forEach(records, decodeRecord)),
      scanUnderstood: (query) =>
        Effect.map(
          Effect.flatMap(backend.scan({ collection, ...query }), (records) => Effect.forEach(records, understood)),
          (found) => found.flat()
        ),
      change: (expected, value) => ({
        collection,
        key: key(value),
        expected,
        record: { value: encode(value), entries: entries(value) }
      }),
      removal: (expected, key) => ({ collection, key, expected, record: null })
    }
  }
}
