/**
 * The one error of every storage backend. What went wrong is in `reason`; how it is answered is not
 * decided here.
 */
import * as Schema from "effect/Schema"

/** Nothing is stored under the key. */
export class Missing extends Schema.TaggedError<Missing>()("Missing", { key: Schema.String }) {}

/** Something is stored under the key already, or it changed since it was read. */
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", { key: Schema.String }) {}

/** The backend could not be reached, is closed, or is out of a resource such as disk space. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", { cause: Schema.Defect() }) {}

/** What is stored cannot be understood. */
export class Corrupt extends Schema.TaggedError<Corrupt>()("Corrupt", {
  key: Schema.String,
  cause: Schema.Defect()
}) {}

/** The bytes that were to be stored ended in an error of their own: `cause` is that error, unchanged. */
export class SourceFailed extends Schema.TaggedError<SourceFailed>()("SourceFailed", {
  key: Schema.String,
  cause: Schema.Defect()
}) {}

export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  /** The backend's name, such as `sqlite`. */
  backend: Schema.String,
  /** The operation that failed, such as `commit`. */
  method: Schema.String,
  reason: Schema.Union([Missing, Conflict, Unavailable, Corrupt, SourceFailed])
}) {
  override get message(): string {
    return `${this.backend}.${this.method}: ${this.reason._tag}`
  }
}

export type Reason = StorageError["reason"]

/** The error constructor of one backend: `const fail = StorageError.of("sqlite")`. */
export const of =
  (backend: string) =>
  (method: string, reason: Reason): StorageError =>
    new StorageError({ backend, method, reason })

export const isConflict = (error: StorageError): boolean => error.reason._tag === "Conflict"
