/**
 * Work that a provider does for a client beyond one call: a batch, a fine-tuning job, a stored response, a container
 * of tools. One row each, changed by compare-and-set.
 *
 * ```
 * creating -> active -> ended
 *     \_________________/ the provider never took it: the row goes
 * ```
 */
import * as Schema from "effect/Schema"
import { Owner, scopesOfOwner, type Scope } from "./Access.ts"
import type { IndexEntry, Position } from "./RegistryBackend.ts"
import { instant, remotePartition } from "./RegistryIndexes.ts"
import { Tokens } from "./Usage.ts"

export const jobKinds = ["batch", "fine_tuning_job", "response", "container"] as const
export type JobKind = (typeof jobKinds)[number]

const Millis = Schema.Int

/** A file that the job reads, and must not lose while it runs. */
export class JobInput extends Schema.Class<JobInput>("JobInput")({
  /** The key of the file's row. */
  file: Schema.String,
  /** The unified ID under which the client named it. */
  id: Schema.String,
  role: Schema.Literals(["input", "line", "training", "validation"]),
  /** The provider copy that the job was given; null for one that is named only inside another file. */
  remoteId: Schema.NullOr(Schema.String)
}) {}

/** A file that the job has made. It stays here when the file is deleted, so that it does not come back. */
export class JobOutput extends Schema.Class<JobOutput>("JobOutput")({
  /** The field of the job's object that names it, such as `output_file_id` or `result_files[0]`. */
  role: Schema.String,
  remoteId: Schema.String,
  /** The key of the file's row. */
  file: Schema.String,
  /** Its unified ID. */
  id: Schema.String
}) {}

/** A stretch of a batch's lines that runs as a batch of its own. */
export class JobPart extends Schema.Class<JobPart>("JobPart")({
  /** The key of that batch's row. */
  key: Schema.String,
  /** The first of its lines, counted from 0 without blank ones. */
  from: Schema.Int,
  /** The line after its last. */
  to: Schema.Int,
  /** The deployment that is asked first. */
  deployment: Schema.optionalKey(Schema.String),
  /** What another provider has found wrong with these lines as a batch, and in which account. */
  fault: Schema.optionalKey(Schema.Struct({ account: Schema.String, code: Schema.String, message: Schema.String })),
  /** Why no provider takes it; null for a part that is at one, or is still to come to one. */
  refusal: Schema.NullOr(Schema.String)
}) {}

/** Times in milliseconds since 1970. */
export class Job extends Schema.Class<Job>("Job")({
  /** The key of the row: the UUID inside the unified ID, or one made of an imported ID. */
  key: Schema.String,
  kind: Schema.Literals(jobKinds),
  /** The unified ID. It is there once the provider has taken the job. */
  id: Schema.NullOr(Schema.String),
  state: Schema.Literals(["creating", "active", "ended"]),
  owner: Owner,
  account: Schema.String,
  deployment: Schema.String,
  modelName: Schema.String,
  /** The provider's own ID. */
  remoteId: Schema.NullOr(Schema.String),
  reads: Schema.Array(JobInput),
  outputs: Schema.Array(JobOutput),
  /** The last known object in the client's terms, as JSON. */
  object: Schema.String,
  usage: Schema.NullOr(Tokens),
  /** The instance that works on the row: creates it, or asks for its state. */
  instance: Schema.NullOr(Schema.String),
  claimedUntil: Schema.NullOr(Millis),
  createdAt: Millis,
  updatedAt: Millis,
  /** When background work on this row is next due. */
  dueAt: Schema.NullOr(Millis),
  /** How often background work has failed in a row. */
  attempts: Schema.Int,
  /** The idempotency record that the create of this job holds. */
  idempotency: Schema.NullOr(Schema.String),
  /** The parts of a batch that runs on several deployments at once: it is at no provider itself. */
  parts: Schema.optionalKey(Schema.Array(JobPart)),
  /** What the client asked for, as JSON, where parts may have to be made of it later. */
  request: Schema.optionalKey(Schema.String),
  /** The key of the batch that this is a part of. Clients know nothing of parts. */
  parent: Schema.optionalKey(Schema.String)
}) {}

type Fields = typeof Job.Type extends infer J ? { -readonly [K in keyof J]: J[K] } : never

/** A row as it begins: nothing of it is known, or done, but what is given. */
export const draft = (
  known: Pick<Job, "key" | "kind" | "owner" | "modelName"> & Partial<Fields>,
  now: number,
  dueAt: number
): Job =>
  new Job({
    id: null,
    state: "creating",
    account: "",
    deployment: "",
    remoteId: null,
    reads: [],
    outputs: [],
    object: "{}",
    usage: null,
    instance: null,
    claimedUntil: null,
    createdAt: now,
    updatedAt: now,
    dueAt,
    attempts: 0,
    idempotency: null,
    ...known
  })

/** A copy of the row with some fields changed. */
export const update = (job: Job, changes: Partial<Fields>): Job => new Job({ ...job, ...changes })

/** What lists tell apart: the parts of a batch are in none that a client sees. */
export const listedKinds = [...jobKinds, "batch_part"] as const
export type ListedKind = (typeof listedKinds)[number]

/** Whose the files are that the job makes: those of a part are nobody's, and go when they have been put together. */
export const ownerOfOutputs = ({ owner, parent }: Job): Owner =>
  parent === undefined ? owner : new Owner({ user: null, team: null, keyHash: null })

/** The files of a part go by themselves after so many milliseconds, should nobody have taken them away. */
export const partFileLife = 30 * 24 * 60 * 60 * 1000

/** The partition of the `list` index for the jobs of one kind in one scope. */
export const listPartition = (scope: Scope, kind: ListedKind): string => `${scope}?${kind}`

/** Where a job stands in lists. */
export const listPosition = (job: Job): Position => ({ sort: instant(job.createdAt), key: job.key })

/** Under which index entries a job is found. */
export const entries = (job: Job): ReadonlyArray<IndexEntry> => {
  const { account, createdAt, dueAt, id, kind, owner, parent, reads, remoteId, state } = job
  const found: Array<IndexEntry> = []
  if (id !== null) {
    const partitions = scopesOfOwner(owner).map((scope) =>
      listPartition(scope, parent === undefined ? kind : "batch_part")
    )
    found.push({ index: "list", partitions, sort: instant(createdAt) })
  }
  if (dueAt !== null) found.push({ index: "due", partitions: ["all"], sort: instant(dueAt) })
  if (state !== "ended" && reads.length > 0) {
    found.push({ index: "reads", partitions: [...new Set(reads.map(({ file }) => file))], sort: instant(createdAt) })
  }
  if (remoteId !== null) found.push({ index: "remote", partitions: [remotePartition(account, remoteId)], sort: "" })
  return found
}
