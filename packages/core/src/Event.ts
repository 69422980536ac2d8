/** What becomes of files and jobs, as events that others can follow. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Owner } from "./Access.ts"
import type { Job } from "./Job.ts"
import { type JsonObject, parseObject } from "./Json.ts"
import { findReplica, type ManagedFile, type Replica } from "./ManagedFile.ts"
import type { IndexEntry } from "./RegistryBackend.ts"
import { instant } from "./RegistryIndexes.ts"

/** What can become of a file, of a copy of it, of a batch, and of a fine-tuning job. */
export const eventTypes = [
  "file.created",
  "file.ready",
  "file.failed",
  "file.deleted",
  "replica.ready",
  "replica.expired",
  "replica.repaired",
  "replica.failed",
  "batch.created",
  "batch.in_progress",
  "batch.finalizing",
  "batch.completed",
  "batch.failed",
  "batch.expired",
  "batch.cancelling",
  "batch.cancelled",
  "fine_tuning.job.created",
  "fine_tuning.job.queued",
  "fine_tuning.job.running",
  "fine_tuning.job.paused",
  "fine_tuning.job.succeeded",
  "fine_tuning.job.failed",
  "fine_tuning.job.cancelled"
] as const

export type EventType = (typeof eventTypes)[number]

/** One event. Times in milliseconds since 1970. */
export class Event extends Schema.Class<Event>("Event")({
  /** The same at every delivery. */
  id: Schema.String,
  type: Schema.Literals(eventTypes),
  owner: Owner,
  createdAt: Schema.Int,
  /** What it is about: always `id`, the unified ID (null if there never was one), and no ID of a provider. */
  data: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Null]))
}) {}

/** An event without what its commit gives it. */
export type Draft = Pick<typeof Event.Type, "type" | "owner" | "data">

/** An event on its way to the installation's webhooks. */
export class OutboxRecord extends Schema.Class<OutboxRecord>("OutboxRecord")({
  /** The event's ID. */
  key: Schema.String,
  event: Event,
  /** The webhooks that have taken it, by digests of their URLs. */
  delivered: Schema.Array(Schema.String).pipe(Schema.withConstructorDefault(Effect.succeed([]))),
  /** The instance that delivers it. */
  instance: Schema.NullOr(Schema.String),
  attempts: Schema.Int,
  dueAt: Schema.Int
}) {}

export const outboxEntries = ({ dueAt }: OutboxRecord): ReadonlyArray<IndexEntry> => [
  { index: "due", partitions: ["all"], sort: instant(dueAt) }
]

const draft = (type: EventType, { owner }: { readonly owner: Owner }, data: Draft["data"]): Draft => ({
  type,
  owner,
  data
})

/** Every copy of the file that there is to be is usable. */
const isWhole = ({ replicas, state }: ManagedFile): boolean =>
  state === "ready" && replicas.every((replica) => replica.state === "ready" || replica.state === "expired")

/** A copy that was there before, or that could not be made before, and is made again. */
const isRepair = (before: Replica | undefined): boolean =>
  before !== undefined &&
  (before.state === "failed" || before.state === "expired" || (before.state === "pending" && before.error !== null))

/** What a change of a copy means; null if nothing that others need to know. */
const ofReplica = (before: Replica | undefined, after: Replica): EventType | null => {
  if (after.state === "ready") {
    if (before?.state === "ready" && before.remoteId === after.remoteId) return null
    return isRepair(before) ? "replica.repaired" : "replica.ready"
  }
  if (before?.state === after.state) return null
  // A copy whose time was over, as was seen when it was needed.
  if (before?.state === "ready" && after.state === "pending") return "replica.expired"
  return after.state === "expired" ? "replica.expired" : after.state === "failed" ? "replica.failed" : null
}

const ofReplicas = (before: ManagedFile | undefined, after: ManagedFile): ReadonlyArray<Draft> =>
  after.replicas.flatMap((replica) => {
    const { account, error, variant } = replica
    // Of what was tried before the file was there, only how it has ended counts.
    const known = before?.state === "ready" ? findReplica(before, account, variant) : undefined
    const type = ofReplica(known, replica)
    const kind = variant.split(":", 1)[0] ?? variant
    return type === null ? [] : [draft(type, after, { id: after.id, account, variant: kind, error })]
  })

const fileData = ({ bytes, filename, id, purpose }: ManagedFile) => ({ id, filename, bytes, purpose })

/** Why a file came to nothing, in the words of the accounts. */
const reasonsOf = ({ replicas }: ManagedFile): string | null => {
  const reasons = replicas.flatMap(({ account, error }) => (error === null ? [] : [`${account} ${error}`]))
  return reasons.length === 0 ? null : reasons.join("; ")
}

/**
 * What a change of a file's row means to others. A file is `created` when it exists for clients, and `ready` when none
 * of its copies is missing: together with `created` or later, and again after one was missing. It has `failed` if it
 * never came to exist.
 */
export const ofFile = (before: ManagedFile | undefined, after: ManagedFile | null): ReadonlyArray<Draft> => {
  const was = before?.state
  if (after?.state === "ready") {
    const created = was === "ready" ? [] : [draft("file.created", after, fileData(after))]
    const isReady = isWhole(after) && !(before !== undefined && isWhole(before))
    const ready = isReady ? [draft("file.ready", after, fileData(after))] : []
    return [...created, ...ofReplicas(before, after), ...ready]
  }
  if (before === undefined) return []
  if (was === "ready") return [draft("file.deleted", before, fileData(before))]
  return was === "creating" && after?.state !== "creating"
    ? [draft("file.failed", before, { ...fileData(before), error: reasonsOf(before) })]
    : []
}

const jobPrefixes = { batch: "batch", fine_tuning_job: "fine_tuning.job" } as const

const isEventType = (type: string): type is EventType => (eventTypes as ReadonlyArray<string>).includes(type)

/** The fields of a job's object that an event repeats. */
const jobFields = ["status", "model", "input_file_id", "output_file_id", "error_file_id", "training_file"] as const

const objectOf = (job: Job | undefined): JsonObject => (job === undefined ? {} : (parseObject(job.object) ?? {}))

/** What a change of a job's row means to others: it was created, or its status is another one. */
export const ofJob = (before: Job | undefined, after: Job | null): ReadonlyArray<Draft> => {
  if (after === null || after.id === null || after.parent !== undefined) return []
  const { account, id, kind } = after
  if (kind !== "batch" && kind !== "fine_tuning_job") return []
  const object = objectOf(after)
  const isNew = before === undefined || before.id === null
  if (!isNew && before.object === after.object) return []
  const fields = jobFields.flatMap((name) => {
    const value = object[name]
    return typeof value === "string" ? [[name, value] as const] : []
  })
  // A batch of several parts is at no account of its own.
  const data = { ...Object.fromEntries(fields), id, account: after.parts === undefined ? account : null }
  const prefix = jobPrefixes[kind]
  const changed = `${prefix}.${String(object["status"])}`
  const isOther = isNew || objectOf(before)["status"] !== object["status"]
  return [
    ...(isNew ? [draft(`${prefix}.created`, after, data)] : []),
    ...(isOther && isEventType(changed) ? [draft(changed, after, data)] : [])
  ]
}
