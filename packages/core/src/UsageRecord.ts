/** What was used, by whom and of what, in a span of time. */
import * as Schema from "effect/Schema"
import { Owner, scopesOfOwner } from "./Access.ts"
import type { Job } from "./Job.ts"
import type { IndexEntry } from "./RegistryBackend.ts"
import { instant } from "./RegistryIndexes.ts"
import { Tokens } from "./Usage.ts"

export class UsageRecord extends Schema.Class<UsageRecord>("UsageRecord")({
  /** `job/` and the job's key, for what a job has used; otherwise what tells the bucket from others. */
  key: Schema.String,
  /** When the span begins, or when the job ended, in milliseconds since 1970. */
  at: Schema.Int,
  owner: Owner,
  /** The name that clients use. */
  model: Schema.String,
  account: Schema.String,
  calls: Schema.Int,
  tokens: Tokens
}) {}

const hour = 60 * 60 * 1000

/** When the bucket begins in which something is counted. */
export const hourOf = (millis: number): number => millis - (millis % hour)

export const entries = ({ at, owner }: UsageRecord): ReadonlyArray<IndexEntry> => [
  { index: "list", partitions: scopesOfOwner(owner), sort: instant(at) }
]

/** What a job has used, under a key that only one record can have. */
export const ofJob = (job: Job, tokens: typeof Tokens.Type, now: number): UsageRecord =>
  new UsageRecord({
    key: `job/${job.key}`,
    at: now,
    owner: job.owner,
    model: job.modelName,
    account: job.account,
    calls: 1,
    tokens
  })
