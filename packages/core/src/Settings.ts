/** How an installation treats files. Each setting has a default that suits a single machine. */
import * as Context from "effect/Context"
import type { Redacted } from "effect/Redacted"
import type { Lead } from "./ManagedFile.ts"

export interface FileSettings {
  /**
   * When some accounts refuse a new file: `all` undoes the rest and fails the upload; `any` keeps the file as
   * long as one account took it, and makes the missing copies later.
   */
  readonly onPartialFailure: "all" | "any"
  /** Where copies may be made on demand: in any account, or only in those of the file's target models. */
  readonly replicate: "any" | "targets"
  /** Whether clients may name a provider's own file IDs. Everyone on an account would share all of its files. */
  readonly allowProviderIds: boolean
  /** Whether our own store keeps the bytes. Without them there is no copy on demand and no healing. */
  readonly keepContent: boolean
  /** Bytes. */
  readonly maxFileSize: number
  /** Of a file that comes in parts, in bytes. */
  readonly maxUploadSize: number
  /**
   * A copy that its provider drops within this time is made again before a call uses it; milliseconds, and at most a
   * tenth of the copy's life.
   */
  readonly renewBefore: number
  /**
   * Copies of files that a call has named within this time are made again before they expire, without a call that waits
   * for it; milliseconds, 0 for none.
   */
  readonly prefetchWindow: number
  /** How long the result of a create under an `Idempotency-Key` is kept, in milliseconds. */
  readonly idempotencyTtl: number
  /** How long a deleted file is remembered, so that a cursor that names it still works, in milliseconds. */
  readonly tombstoneTtl: number
  /** How long an instance counts as alive after it last said so, in milliseconds. */
  readonly instanceTtl: number
  /** Between two rounds of recovery and clean-up, in milliseconds. */
  readonly maintenanceInterval: number
  /** How long the files of a team are kept, in milliseconds. Those of other teams stay. */
  readonly retention: ReadonlyMap<string, number>
  readonly jobs: JobSettings
  readonly events: EventSettings
  /** Whether what calls and jobs use is counted. */
  readonly usage: boolean
}

/** Work that providers do beyond one call. Times in milliseconds. */
export interface JobSettings {
  /** Between two looks at a job that is not over. */
  readonly pollInterval: number
  /** How many jobs are looked at at once. */
  readonly pollConcurrency: number
  /** How long one instance has a job to itself before another may take it over. */
  readonly claimTtl: number
  /** How long a stored response can be found. */
  readonly responseTtl: number
}

export interface EventSettings {
  /** Whether events are kept until they have been delivered, for webhooks. */
  readonly outbox: boolean
  readonly webhooks: ReadonlyArray<Webhook>
}

/** Where events are sent. */
export interface Webhook {
  readonly url: string
  readonly secret: Redacted<string>
  /** The types that are sent; none means all. */
  readonly events: ReadonlyArray<string>
}

/** When a copy is too near its end for a call. */
export const callLead = ({ renewBefore }: FileSettings): Lead => ({ longest: renewBefore, share: 0.1 })

const day = 24 * 60 * 60 * 1000

export const defaults: FileSettings = {
  onPartialFailure: "all",
  replicate: "any",
  allowProviderIds: false,
  keepContent: true,
  maxFileSize: 512_000_000,
  maxUploadSize: 8_589_934_592,
  renewBefore: 10 * 60 * 1000,
  prefetchWindow: 0,
  idempotencyTtl: day,
  tombstoneTtl: day,
  instanceTtl: 6_000,
  maintenanceInterval: 1_000,
  retention: new Map(),
  jobs: { pollInterval: 15_000, pollConcurrency: 8, claimTtl: 60_000, responseTtl: 30 * day },
  events: { outbox: false, webhooks: [] },
  usage: true
}

export const Settings: Context.Reference<FileSettings> = Context.Reference<FileSettings>("@omnifile/core/Settings", {
  defaultValue: () => defaults
})
