/** The kinds of records that the Registry keeps beside files. */
import * as Event from "./Event.ts"
import * as Job from "./Job.ts"
import { define, type RecordStore } from "./Records.ts"
import type { RegistryBackend } from "./RegistryBackend.ts"
import * as UploadSession from "./UploadSession.ts"
import * as UsageRecord from "./UsageRecord.ts"

export interface RegistryStores {
  readonly jobs: RecordStore<Job.Job>
  readonly uploads: RecordStore<UploadSession.UploadSession>
  readonly parts: RecordStore<UploadSession.UploadPart>
  readonly outbox: RecordStore<Event.OutboxRecord>
  readonly usage: RecordStore<UsageRecord.UsageRecord>
}

const jobs = define({ collection: "jobs", schema: Job.Job, key: ({ key }) => key, entries: Job.entries })
const uploads = define({
  collection: "uploads",
  schema: UploadSession.UploadSession,
  key: ({ key }) => key,
  entries: UploadSession.sessionEntries
})
const parts = define({
  collection: "upload_parts",
  schema: UploadSession.UploadPart,
  key: ({ key }) => key,
  entries: UploadSession.partEntries
})
const outbox = define({
  collection: "events",
  schema: Event.OutboxRecord,
  key: ({ key }) => key,
  entries: Event.outboxEntries
})
const usage = define({
  collection: "usage",
  schema: UsageRecord.UsageRecord,
  key: ({ key }) => key,
  entries: UsageRecord.entries
})

export const open = (backend: RegistryBackend["Service"]): RegistryStores => ({
  jobs: jobs(backend),
  uploads: uploads(backend),
  parts: parts(backend),
  outbox: outbox(backend),
  usage: usage(backend)
})
