/** What becomes of files and jobs, as events that others can follow. */
import * as Schema from "effect/Schema"
import { Owner } from "./Access.ts"
import type { Job } from "./Job.ts"
import type { ManagedFile } from "./ManagedFile.ts"
import type { IndexEntry } from "./RegistryBackend.ts"
import { instant } from "./RegistryIndexes.ts"

/** One event. Times in milliseconds since 1970. */
export class Event extends Schema.Class<Event>("Event")({
  /** The same at every delivery. */
  id: Schema.String,
  /** Such as `file.ready`. */
  type: Schema.String,
  owner: Owner,
  createdAt: Schema.Int,
  /** What it is about, with unified IDs only. */
  data: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Null]))
}) {}

/** An event without what its commit gives it. */
export type Draft = Pick<typeof Event.Type, "type" | "owner" | "data">

/** An event on its way to the installation's webhooks. */
export class OutboxRecord extends Schema.Class<OutboxRecord>("OutboxRecord")({
  /** The event's ID. */
  key: Schema.String,
  event: Event,
  /** The instance that delivers it. */
  instance: Schema.NullOr(Schema.String),
  attempts: Schema.Int,
  dueAt: Schema.Int
}) {}

export const outboxEntries = ({ dueAt }: OutboxRecord): ReadonlyArray<IndexEntry> => [
  { index: "due", partitions: ["all"], sort: instant(dueAt) }
]

/** What a change of a file's row means to others. */
export const ofFile = (_before: ManagedFile | undefined, _after: ManagedFile | null): ReadonlyArray<Draft> => []

/** What a change of a job's row means to others. */
export const ofJob = (_before: Job | undefined, _after: Job | null): ReadonlyArray<Draft> => []
