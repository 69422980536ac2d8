/** Accounts and the deployments that they serve. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Retries and limits of the calls to one account. Times in milliseconds. */
export class CallPolicy extends Schema.Class<CallPolicy>("CallPolicy")({
  /** Until the connection is made. */
  connectTimeout: Schema.Int,
  /** Until the head of an answer is there, counted from the last byte that was sent. */
  headersTimeout: Schema.Int,
  /** Between two chunks of an answer. */
  idleTimeout: Schema.Int,
  /** For one whole upload. */
  uploadTimeout: Schema.Int,
  /** How often an upload, a deletion or a look-up is tried in all. */
  attempts: Schema.Int,
  /** How many uploads run at once. */
  concurrentUploads: Schema.Int
}) {}

export const defaultPolicy: CallPolicy = new CallPolicy({
  connectTimeout: 10_000,
  headersTimeout: 600_000,
  idleTimeout: 300_000,
  uploadTimeout: 3_600_000,
  attempts: 3,
  concurrentUploads: 16
})

/** What an account has room for, as far as the operator says; null for no limit. */
export class Quota extends Schema.Class<Quota>("Quota")({
  bytes: Schema.NullOr(Schema.Int),
  files: Schema.NullOr(Schema.Int)
}) {}

/**
 * How calls get the files that they name: by the ID of a copy, within the call, or by ID where the provider has that and
 * within the call elsewhere.
 */
export const filePolicies = ["auto", "reference", "inline"] as const
export type FilePolicy = (typeof filePolicies)[number]

/** What authenticates an account: a key of the provider's own, or what an identity service gives out. */
export const authKinds = ["api_key", "entra", "aws", "google"] as const

/** Where an account's copies lie, if its provider has no other place for files than the customer's own storage. */
export class Bucket extends Schema.Class<Bucket>("Bucket")({
  name: Schema.String,
  /** Before the name of every object, such as `omnifile/`. */
  prefix: Schema.String,
  /** What the paths of calls about its objects come after, without a trailing slash. */
  baseUrl: Schema.String
}) {}

const none = Effect.succeed(null)

const inspect = Symbol.for("nodejs.util.inspect.custom")

/** One set of credentials at one provider base URL. Files live in accounts. */
export class Account extends Schema.Class<Account>("Account")({
  id: Schema.String,
  /** The protocol family, such as `openai`. */
  provider: Schema.String,
  /** Without a trailing slash. */
  baseUrl: Schema.String,
  apiKey: Schema.Redacted(Schema.String),
  /**
   * Headers that this account needs beside the credentials, such as `openai-organization`. They may hold a secret, and
   * are not shown where an account is written out.
   */
  headers: Schema.Record(Schema.String, Schema.String),
  /**
   * Nobody else uses this account, so a file in it that we cannot account for is an orphan of ours and may
   * be deleted.
   */
  exclusive: Schema.Boolean,
  policy: CallPolicy,
  files: Schema.Literals(filePolicies).pipe(Schema.withConstructorDefault(Effect.succeed("auto" as const))),
  /**
   * With the policy `auto`: a file of at most so many bytes that has no copy goes within the call, which is faster than
   * to make one. Null: only where there is no other way.
   */
  inlineBelow: Schema.NullOr(Schema.Int).pipe(Schema.withConstructorDefault(none)),
  /** The version of the provider's API, where it has several; null for the provider's default. */
  apiVersion: Schema.NullOr(Schema.String).pipe(Schema.withConstructorDefault(none)),
  auth: Schema.Literals(authKinds).pipe(Schema.withConstructorDefault(Effect.succeed("api_key" as const))),
  quota: Schema.NullOr(Quota).pipe(Schema.withConstructorDefault(none)),
  /** For signatures that name one. */
  region: Schema.NullOr(Schema.String).pipe(Schema.withConstructorDefault(none)),
  bucket: Schema.NullOr(Bucket).pipe(Schema.withConstructorDefault(none))
}) {
  toJSON(): unknown {
    const headers = Object.fromEntries(Object.keys(this.headers).map((name) => [name, "<redacted>"]))
    return { ...this, apiKey: "<redacted>", headers }
  }

  override toString(): string {
    return `Account(${JSON.stringify(this)})`
  }

  [inspect](): unknown {
    return this.toJSON()
  }
}

/** A model that an account serves, under the model name that clients use. */
export class Deployment extends Schema.Class<Deployment>("Deployment")({
  id: Schema.String,
  account: Schema.String,
  /** The name that clients use. Several deployments may share it. */
  modelName: Schema.String,
  /** The provider's own name for the model. */
  model: Schema.String,
  /** The share of calls among the deployments of one model name; 0 takes only what others cannot. */
  weight: Schema.Finite
}) {}
