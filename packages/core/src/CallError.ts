/**
 * Everything that a call can fail with, as one union. Nothing here is an HTTP status: the edge turns each
 * case into an answer by one total function.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { StorageError } from "./StorageError.ts"

/** The request is malformed or asks for something that is not possible; `param` names the field. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  message: Schema.String,
  param: Schema.NullOr(Schema.String),
  code: Schema.NullOr(Schema.String)
}) {}

/** No API key, or one that is not known. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {
  message: Schema.String
}) {}

/** The caller may not do this at all, whatever it names. */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", { message: Schema.String }) {}

/** There is no such thing, or it is not the caller's: the two are not told apart. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  /** The ID as the client wrote it. */
  id: Schema.String,
  /** Where in the request it stood, or null for the path. */
  param: Schema.NullOr(Schema.String),
  /** What kind of thing was looked for. */
  object: Schema.Literals(["File", "Batch", "FineTuningJob", "Response", "Upload", "Container"]).pipe(
    Schema.withConstructorDefault(Effect.succeed("File" as const))
  )
}) {}

/** No deployment of that name, or none that the key may use. */
export class ModelNotFound extends Schema.TaggedError<ModelNotFound>()("ModelNotFound", {
  model: Schema.String
}) {}

/** The file exists, but its bytes cannot be had any more from anywhere. */
export class ContentUnavailable extends Schema.TaggedError<ContentUnavailable>()("ContentUnavailable", {
  id: Schema.String,
  message: Schema.String
}) {}

/** The requested range lies outside of the content. */
export class RangeNotSatisfiable extends Schema.TaggedError<RangeNotSatisfiable>()("RangeNotSatisfiable", {
  bytes: Schema.Int
}) {}

/** The request collides with another one, or with the state of what it names. */
export class Conflicting extends Schema.TaggedError<Conflicting>()("Conflicting", {
  message: Schema.String,
  code: Schema.String
}) {}

/** More bytes than are allowed. */
export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", {
  message: Schema.String,
  param: Schema.NullOr(Schema.String)
}) {}

/** The body is of a type that this call does not take. */
export class UnsupportedMediaType extends Schema.TaggedError<UnsupportedMediaType>()("UnsupportedMediaType", {
  message: Schema.String
}) {}

/** All that could serve the call asks to wait. */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  message: Schema.String,
  /** Milliseconds. */
  retryAfter: Schema.NullOr(Schema.Finite)
}) {}

/** Why one account could not serve the call. */
export class AccountFailure extends Schema.Class<AccountFailure>("AccountFailure")({
  account: Schema.String,
  /** In words that name no URL, key or provider ID. */
  message: Schema.String,
  timedOut: Schema.Boolean
}) {}

/** Every account that could serve the call failed. */
export class ProvidersFailed extends Schema.TaggedError<ProvidersFailed>()("ProvidersFailed", {
  message: Schema.String,
  failures: Schema.Array(AccountFailure)
}) {}

/** The provider found the request itself wrong. `body` is its error answer, with our own IDs in it. */
export class ProviderRefused extends Schema.TaggedError<ProviderRefused>()("ProviderRefused", {
  account: Schema.String,
  status: Schema.Int,
  message: Schema.String,
  type: Schema.NullOr(Schema.String),
  param: Schema.NullOr(Schema.String),
  code: Schema.NullOr(Schema.String)
}) {}

export type CallError =
  | InvalidRequest
  | Unauthenticated
  | Forbidden
  | NotFound
  | ModelNotFound
  | ContentUnavailable
  | RangeNotSatisfiable
  | Conflicting
  | TooLarge
  | UnsupportedMediaType
  | RateLimited
  | ProvidersFailed
  | ProviderRefused
  | StorageError

/** A malformed request, naming the field. */
export const invalid = (message: string, param: string | null = null, code: string | null = null): InvalidRequest =>
  new InvalidRequest({ message, param, code })
