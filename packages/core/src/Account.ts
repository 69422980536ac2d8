/** Accounts and the deployments that they serve. */
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

/** One set of credentials at one provider base URL. Files live in accounts. */
export class Account extends Schema.Class<Account>("Account")({
  id: Schema.String,
  /** The protocol family, such as `openai`. */
  provider: Schema.String,
  /** Without a trailing slash. */
  baseUrl: Schema.String,
  apiKey: Schema.Redacted(Schema.String),
  /** Headers that this account needs beside the credentials, such as `openai-organization`. */
  headers: Schema.Record(Schema.String, Schema.String),
  /**
   * Nobody else uses this account, so a file in it that we cannot account for is an orphan of ours and may
   * be deleted.
   */
  exclusive: Schema.Boolean,
  policy: CallPolicy
}) {}

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
