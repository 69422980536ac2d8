/** What a registry backend does, said as simply as possible: every scan filters and sorts all records. */
import type { Change, IndexEntry, Position, Scan, ScannedRecord, StoredRecord } from "@omnifile/core/RegistryBackend"

interface ModelRecord extends StoredRecord {
  readonly collection: string
  readonly entries: ReadonlyArray<IndexEntry>
}

export interface RegistryModel {
  readonly read: (collection: string, key: string) => StoredRecord | undefined
  /** The keys of the changes that do not hold; if there are none, all were applied. */
  readonly commit: (changes: ReadonlyArray<Change>) => ReadonlyArray<string>
  readonly scan: (scan: Scan) => ReadonlyArray<ScannedRecord>
}

const compareBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

const comparePlaces = (a: Position, b: Position): number => compareBytes(a.sort, b.sort) || compareBytes(a.key, b.key)

export const make = (): RegistryModel => {
  let records: ReadonlyArray<ModelRecord> = []
  const find = (collection: string, key: string) =>
    records.find((record) => record.collection === collection && record.key === key)
  return {
    read: (collection, key) => {
      const found = find(collection, key)
      return found && { key, version: found.version, value: found.value }
    },
    commit: (changes) => {
      const stale = changes.filter(
        ({ collection, expected, key }) => (find(collection, key)?.version ?? 0) !== expected
      )
      if (stale.length > 0) return stale.map(({ key }) => key)
      for (const { collection, expected, key, record } of changes) {
        records = records.filter((other) => other.collection !== collection || other.key !== key)
        if (record !== null) records = [...records, { collection, key, version: expected + 1, ...record }]
      }
      return []
    },
    scan: ({ after, collection, index, limit, order, partitions, until }) => {
      const listed = records
        .filter((record) => record.collection === collection)
        .flatMap(({ entries, key, value, version }) =>
          entries
            .filter((entry) => entry.index === index && entry.partitions.some((name) => partitions.includes(name)))
            .map(({ sort }) => ({ key, version, value, sort }))
        )
        .sort(comparePlaces)
      if (order === "desc") listed.reverse()
      const isWithin = (record: ScannedRecord): boolean => {
        const sign = order === "asc" ? 1 : -1
        if (after !== undefined && sign * comparePlaces(record, after) <= 0) return false
        return until === undefined || sign * compareBytes(record.sort, until) <= 0
      }
      return listed.filter(isWithin).slice(0, limit)
    }
  }
}
