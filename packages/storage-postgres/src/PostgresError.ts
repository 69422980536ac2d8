/** What the npm package `postgres` rejects with, as reasons of a `StorageError`. */
import * as StorageError from "@omnifile/core/StorageError"
import { UnknownSchema } from "./Migrations.ts"

/** The error code of Node.js or of the package, or the SQLSTATE of the server. */
const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : ""

/** Errors of a connection, after which the same statement may succeed in another one. */
const connectionCodes = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "ENOTFOUND",
  "EAI_AGAIN"
])

/**
 * SQLSTATEs of a server that stops, starts, fails over or is out of connections, and of statements that met
 * others (https://www.postgresql.org/docs/current/errcodes-appendix.html). A unique violation is two attempts
 * at one commit.
 */
const retryableState = /^(08...|57P0[123]|25006|53300|40001|40P01|55P03|23505)$/

/** A missing table, column or function, and damaged data: the schema is not the one that was made. */
const corruptState = /^(42P01|42703|42883|3F000|XX00[12])$/

/** Whether the same call may succeed a moment later. */
export const isRetryable = (cause: unknown): boolean =>
  connectionCodes.has(codeOf(cause)) || retryableState.test(codeOf(cause))

/** The reason for what was thrown while `key` was worked on. */
export const toReason = (key: string, cause: unknown): StorageError.Reason =>
  corruptState.test(codeOf(cause)) || cause instanceof UnknownSchema || cause instanceof SyntaxError
    ? new StorageError.Corrupt({ key, cause })
    : new StorageError.Unavailable({ cause })
