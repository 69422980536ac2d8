/** The section `jobs` of a configuration: how work is followed that providers do beyond one call. */
import { defaults, type JobSettings } from "@omnifile/core/Settings"
import * as Schema from "effect/Schema"
import * as Field from "./Field.ts"

export const Jobs = Schema.Struct({
  poll_interval: Schema.optional(Field.timeout),
  poll_concurrency: Schema.optional(Field.integer(1, 1000)),
  claim_ttl: Schema.optional(Field.timeout),
  response_ttl: Schema.optional(Field.retention)
})

export const toSettings = (fields: (typeof Jobs)["Type"]): JobSettings => ({
  pollInterval: fields.poll_interval ?? defaults.jobs.pollInterval,
  pollConcurrency: fields.poll_concurrency ?? defaults.jobs.pollConcurrency,
  claimTtl: fields.claim_ttl ?? defaults.jobs.claimTtl,
  responseTtl: fields.response_ttl ?? defaults.jobs.responseTtl
})
