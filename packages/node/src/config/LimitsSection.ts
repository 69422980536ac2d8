/** The section `limits` of a configuration, and the limits of a key: how much may be done in a span of time. */
import type { Allowance as Amounts } from "@omnifile/core/Limits"
import * as Schema from "effect/Schema"
import * as Field from "./Field.ts"
import * as StorageLocation from "./StorageLocation.ts"

const most = 1_000_000_000_000

export const Allowance = Schema.Struct({
  requests_per_minute: Schema.optional(Field.integer(1, most)),
  upload_bytes_per_day: Schema.optional(Field.size),
  files_per_day: Schema.optional(Field.integer(1, most)),
  batch_lines_per_day: Schema.optional(Field.integer(1, most))
})

export const Limits = Schema.Struct({
  store: Schema.optional(Field.fromSecretText(StorageLocation.readLimitStore)),
  key: Schema.optional(Allowance),
  teams: Schema.optional(Schema.Record(Schema.String, Allowance))
})

/** What an installation limits, beside what its keys say themselves. */
export interface LimitSettings {
  /** For every key that has no limits of its own. */
  readonly everyKey: Amounts
  /** By the name of the team. */
  readonly teams: ReadonlyMap<string, Amounts>
  /** Where it is counted. Default: in memory, by each process for itself. */
  readonly store?: StorageLocation.LimitLocation | undefined
}

export const toAllowance = (fields: (typeof Allowance)["Type"]): Amounts => ({
  requests: fields.requests_per_minute,
  uploadBytes: fields.upload_bytes_per_day,
  files: fields.files_per_day,
  batchLines: fields.batch_lines_per_day
})

export const toSettings = ({ key = {}, store, teams = {} }: (typeof Limits)["Type"]): LimitSettings => ({
  everyKey: toAllowance(key),
  teams: new Map(Object.entries(teams).map(([team, allowance]) => [team, toAllowance(allowance)])),
  ...(store === undefined ? {} : { store })
})
