/** The database file: opened for this user only, in WAL mode, with its tables up to date. */
import { closeSync, mkdirSync, openSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { migrate } from "./Migrations.ts"

export interface Options {
  /** The database file. It and its directory are made when they do not exist, for this user only. */
  readonly filename: string
  /**
   * `full`: a commit is on the disk when it succeeds. `normal`: a power loss may undo the last commits, each
   * as a whole; a crash of the process does not. Default: `full`.
   */
  readonly synchronous?: "full" | "normal" | undefined
}

/** How long SQLite itself waits for a lock, stopping this process: about as long as a commit takes. */
const lockTimeoutMillis = 5

/** When the WAL file has grown beyond this, the next checkpoint cuts it back. */
const journalSizeLimit = 64 * 1024 * 1024

/** Throws what `node:sqlite` throws, and `UnknownSchema`. */
export const open = ({ filename, synchronous }: Options): DatabaseSync => {
  const path = resolve(filename)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // SQLite would make the file readable for others. Its WAL takes the permissions over.
  closeSync(openSync(path, "a", 0o600))
  const db = new DatabaseSync(path, { timeout: lockTimeoutMillis })
  try {
    db.exec("PRAGMA journal_mode = WAL")
    db.exec(`PRAGMA synchronous = ${synchronous === "normal" ? "NORMAL" : "FULL"}`)
    db.exec(`PRAGMA journal_size_limit = ${journalSizeLimit}`)
    migrate(db)
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}
