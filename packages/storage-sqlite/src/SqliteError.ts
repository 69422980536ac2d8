/** What `node:sqlite` throws, as reasons of a `StorageError`. */
import * as StorageError from "@omnifile/core/StorageError"
import { UnknownSchema } from "./Migrations.ts"

/** The primary result codes of SQLite that are told apart (https://sqlite.org/rescode.html). */
const SQLITE_ERROR = 1
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** A missing table or column is SQLITE_ERROR: the file was damaged or replaced, for our statements are fixed. */
const corruptCodes = new Set<number | undefined>([SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_NOTADB])

const resultCode = (cause: unknown): number | undefined =>
  cause instanceof Error && "errcode" in cause && typeof cause.errcode === "number" ? cause.errcode & 0xff : undefined

/** The reason for what was thrown while `key` was worked on. */
export const toReason = (key: string, cause: unknown): StorageError.Reason =>
  corruptCodes.has(resultCode(cause)) || cause instanceof UnknownSchema || cause instanceof SyntaxError
    ? new StorageError.Corrupt({ key, cause })
    : new StorageError.Unavailable({ cause })

/** Whether another connection holds the lock, so that the same call may succeed a moment later. */
export const isBusy = ({ reason }: StorageError.StorageError): boolean => {
  const code = reason._tag === "Unavailable" ? resultCode(reason.cause) : undefined
  return code === SQLITE_BUSY || code === SQLITE_LOCKED
}
