/**
 * The tables, as numbered steps that only go forward. The number of the last step that was applied is the
 * database's `user_version`.
 */
import type { DatabaseSync } from "node:sqlite"

/** The database belongs to something else, or to a later release. */
export class UnknownSchema extends Error {
  override readonly name = "UnknownSchema"
}

/** Marks a database file as ours: "omni" in ASCII. */
const applicationId = 0x6f6d6e69

/**
 * `records.entries` repeats a record's index entries as JSON, so that a commit which does not change them
 * leaves the index alone, and one that does finds the old ones by their primary key.
 *
 * The primary key of `entries` is the order of an index, so that a page is one range read of it.
 */
const migrations: ReadonlyArray<string> = [
  `CREATE TABLE records (
     id INTEGER PRIMARY KEY,
     collection TEXT NOT NULL,
     key TEXT NOT NULL,
     version INTEGER NOT NULL,
     value TEXT NOT NULL,
     entries TEXT NOT NULL,
     UNIQUE (collection, key)
   ) STRICT;
   CREATE TABLE entries (
     collection TEXT NOT NULL,
     "index" TEXT NOT NULL,
     partition TEXT NOT NULL,
     sort TEXT NOT NULL,
     key TEXT NOT NULL,
     record INTEGER NOT NULL,
     PRIMARY KEY (collection, "index", partition, sort, key)
   ) STRICT, WITHOUT ROWID;`
]

const pragma = (db: DatabaseSync, name: string): number => Number(db.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0)

/** The database's schema version; throws `UnknownSchema` if this release cannot use the database. */
const knownVersion = (db: DatabaseSync, latest: number): number => {
  const version = pragma(db, "user_version")
  if (pragma(db, "application_id") !== applicationId) {
    const isEmpty = version === 0 && db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined
    if (!isEmpty) throw new UnknownSchema("the file is a database of another application")
  }
  if (version > latest) {
    throw new UnknownSchema(
      `the database has schema version ${version}, and this release of @omnifile/storage-sqlite knows versions ` +
        `up to ${latest}: use the release that wrote it, or a later one`
    )
  }
  return version
}

/** Brings the tables up to date. Of processes that start together, one does the work and the others wait. */
export const migrate = (db: DatabaseSync, steps: ReadonlyArray<string> = migrations): void => {
  if (knownVersion(db, steps.length) === steps.length) return
  db.exec("BEGIN IMMEDIATE")
  try {
    for (const step of steps.slice(knownVersion(db, steps.length))) db.exec(step)
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length}; COMMIT`)
  } finally {
    if (db.isTransaction) db.exec("ROLLBACK")
  }
}
