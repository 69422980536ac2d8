/** What the cases of the Registry suite share. */
import { assert, type Vitest } from "@effect/vitest"
import {
  RegistryBackend,
  type Change,
  type IndexEntry,
  type Scan,
  type ScannedRecord,
  type StoredRecord
} from "@omnifile/core/RegistryBackend"
import type * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"

/** Where the cases of one backend are registered. */
export type It = Vitest.MethodsNonLive<RegistryBackend>

/** Long enough for a database on another machine. */
export const caseTimeout = 60_000

type Backend = RegistryBackend["Service"]

/** A collection of one case, and changes to it. */
export interface Fixture {
  readonly backend: Backend
  readonly collection: string
  readonly put: (key: string, expected: number, value: string, entries?: ReadonlyArray<IndexEntry>) => Change
  readonly remove: (key: string, expected: number) => Change
  readonly read: (
    ...keys: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<StoredRecord | undefined>, StorageError.StorageError>
  /** A page; all of index `i`, ascending, unless the scan says otherwise. */
  readonly scan: (
    scan: Partial<Scan> & Pick<Scan, "partitions">
  ) => Effect.Effect<ReadonlyArray<ScannedRecord>, StorageError.StorageError>
  /** The keys of a page. */
  readonly scanKeys: (
    scan: Partial<Scan> & Pick<Scan, "partitions">
  ) => Effect.Effect<ReadonlyArray<string>, StorageError.StorageError>
}

/** A backend may answer with more fields than are promised. */
const storedRecord = ({ key, value, version }: StoredRecord): StoredRecord => ({ key, value, version })

export const makeFixture = (backend: Backend, collection: string = `suite-${randomUUID()}`): Fixture => {
  const scan: Fixture["scan"] = (options) =>
    Effect.map(backend.scan({ collection, index: "i", order: "asc", limit: 1_000, ...options }), (records) =>
      records.map((record) => ({ ...storedRecord(record), sort: record.sort }))
    )
  return {
    backend,
    collection,
    put: (key, expected, value, entries = []) => ({ collection, key, expected, record: { value, entries } }),
    remove: (key, expected) => ({ collection, key, expected, record: null }),
    read: (...keys) =>
      Effect.map(backend.read(collection, keys), (records) => records.map((record) => record && storedRecord(record))),
    scan,
    scanKeys: (options) => Effect.map(scan(options), (records) => records.map(({ key }) => key))
  }
}

/** A collection that nobody has used. */
export const fixture: Effect.Effect<Fixture, never, RegistryBackend> = Effect.map(RegistryBackend, (backend) =>
  makeFixture(backend)
)

/** An entry of index `i`. */
export const listed = (partitions: ReadonlyArray<string>, sort: string): ReadonlyArray<IndexEntry> => [
  { index: "i", partitions, sort }
]

/** Commits, and expects a `Conflict` that names one of these keys. */
export const assertConflict = Effect.fnUntraced(function* (
  backend: Backend,
  changes: ReadonlyArray<Change>,
  ...keys: ReadonlyArray<string>
) {
  const { reason } = yield* Effect.flip(backend.commit(changes))
  assert.strictEqual(reason._tag, "Conflict")
  if (reason._tag === "Conflict") assert.include(keys, reason.key)
})
