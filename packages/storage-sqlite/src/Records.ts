/** The operations of a registry on an open database. They block, and throw what `node:sqlite` throws. */
import type { Change, IndexEntry, Scan, ScannedRecord, StoredRecord } from "@omnifile/core/RegistryBackend"
import type { DatabaseSync } from "node:sqlite"
import * as IndexScan from "./IndexScan.ts"

export interface Records {
  readonly read: (collection: string, keys: ReadonlyArray<string>) => ReadonlyArray<StoredRecord | undefined>
  /** The change that does not hold, if any: then none was applied. */
  readonly commit: (changes: ReadonlyArray<Change>) => Change | undefined
  readonly scan: (scan: Scan) => ReadonlyArray<ScannedRecord>
  /** A number that changes when another connection has committed. */
  readonly dataVersion: () => unknown
}

const prepareStatements = (db: DatabaseSync) => ({
  begin: db.prepare("BEGIN"),
  beginImmediate: db.prepare("BEGIN IMMEDIATE"),
  commit: db.prepare("COMMIT"),
  rollback: db.prepare("ROLLBACK"),
  dataVersion: db.prepare("PRAGMA data_version"),
  readRecord: db.prepare("SELECT key, version, value FROM records WHERE collection = ? AND key = ?"),
  findRecord: db.prepare("SELECT id, version, entries FROM records WHERE collection = ? AND key = ?"),
  insertRecord: db.prepare("INSERT INTO records (collection, key, version, value, entries) VALUES (?, ?, 1, ?, ?)"),
  updateRecord: db.prepare("UPDATE records SET version = ?, value = ?, entries = ? WHERE id = ?"),
  deleteRecord: db.prepare("DELETE FROM records WHERE id = ?"),
  insertEntry: db.prepare(
    `INSERT OR IGNORE INTO entries (collection, "index", partition, sort, key, record) VALUES (?, ?, ?, ?, ?, ?)`
  ),
  deleteEntry: db.prepare(
    `DELETE FROM entries WHERE collection = ? AND "index" = ? AND partition = ? AND sort = ? AND key = ?`
  )
})

/** What the statement `findRecord` answers. */
interface FoundRecord {
  readonly id: number
  readonly version: number
  readonly entries: string
}

export const make = (db: DatabaseSync): Records => {
  const sql = prepareStatements(db)

  const insertEntries = (
    collection: string,
    key: string,
    id: number | bigint,
    entries: ReadonlyArray<IndexEntry>
  ): void => {
    for (const { index, partitions, sort } of entries) {
      for (const partition of partitions) sql.insertEntry.run(collection, index, partition, sort, key, id)
    }
  }

  const deleteEntries = (collection: string, key: string, entries: string): void => {
    for (const { index, partitions, sort } of JSON.parse(entries) as ReadonlyArray<IndexEntry>) {
      for (const partition of partitions) sql.deleteEntry.run(collection, index, partition, sort, key)
    }
  }

  /** False, and nothing done, when the record does not have the expected version. */
  const apply = ({ collection, expected, key, record }: Change): boolean => {
    const found = sql.findRecord.get(collection, key) as FoundRecord | undefined
    if ((found?.version ?? 0) !== expected) return false
    if (found === undefined) {
      if (record === null) return true
      const entries = JSON.stringify(record.entries)
      const { lastInsertRowid } = sql.insertRecord.run(collection, key, record.value, entries)
      insertEntries(collection, key, lastInsertRowid, record.entries)
    } else if (record === null) {
      sql.deleteRecord.run(found.id)
      deleteEntries(collection, key, found.entries)
    } else {
      const entries = JSON.stringify(record.entries)
      sql.updateRecord.run(expected + 1, record.value, entries, found.id)
      if (entries === found.entries) return true
      deleteEntries(collection, key, found.entries)
      insertEntries(collection, key, found.id, record.entries)
    }
    return true
  }

  // The columns of the statement are the fields of a StoredRecord.
  const readOne = (collection: string, key: string): StoredRecord | undefined =>
    sql.readRecord.get(collection, key) as unknown as StoredRecord | undefined

  /** What throws inside a transaction undoes it. */
  const undoUnfinished = (): void => {
    if (db.isTransaction) sql.rollback.run()
  }

  return {
    read: (collection, keys) => {
      if (keys.length === 1) return keys.map((key) => readOne(collection, key))
      // No commit of another process may come between two records.
      sql.begin.run()
      try {
        const found = keys.map((key) => readOne(collection, key))
        sql.commit.run()
        return found
      } finally {
        undoUnfinished()
      }
    },
    commit: (changes) => {
      sql.beginImmediate.run()
      try {
        const stale = changes.find((change) => !apply(change))
        if (stale === undefined) sql.commit.run()
        return stale
      } finally {
        undoUnfinished()
      }
    },
    scan: IndexScan.make(db),
    dataVersion: () => sql.dataVersion.get()?.["data_version"]
  }
}
