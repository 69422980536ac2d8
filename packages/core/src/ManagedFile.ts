/**
 * A file under a unified ID, with its replicas: the one row that upload, use, deletion and recovery change,
 * always by compare-and-set.
 *
 * ```
 * receiving -> creating -> ready -> deleting -> deleted (tombstone) -> gone
 *      \___________\________________/
 *       refused, failed, or found abandoned after a crash
 * ```
 *
 * Only `ready` files exist for clients.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Owner } from "./Access.ts"
import { BatchSummary } from "./BatchSummary.ts"

/** What OpenAI accepts as a purpose on upload. */
export const inputPurposes = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"] as const

/** What a file may be for, files that providers make included. */
export const purposes = [...inputPurposes, "assistants_output", "batch_output", "fine-tune-results"] as const

export type InputPurpose = (typeof inputPurposes)[number]
export type Purpose = (typeof purposes)[number]

/**
 * - `pending`: an upload may be under way
 * - `processing`: the provider has it but cannot use it yet
 * - `ready`: usable until `expiresAt`
 * - `failed`: not there; may be tried again
 * - `expired`: was there, and the provider dropped it
 * - `deleting`: to be deleted at the provider
 */
export const replicaStates = ["pending", "processing", "ready", "failed", "expired", "deleting"] as const
export type ReplicaState = (typeof replicaStates)[number]

/** The variant that holds the client's own bytes. */
export const originalVariant = "original"

/** The variant of a copy in a container of tools: the same bytes, but no call can name it. */
export const containerVariant = "container"

const Millis = Schema.Int

const none = Effect.succeed(null)

/** Rows from before the field was there lack it. */
const LaterText = Schema.NullOr(Schema.String).pipe(
  Schema.withDecodingDefaultKey(none),
  Schema.withConstructorDefault(none)
)
const LaterInt = Schema.NullOr(Schema.Int).pipe(
  Schema.withDecodingDefaultKey(none),
  Schema.withConstructorDefault(none)
)

/** A provider copy of a file, in one account. Times in milliseconds since 1970. */
export class Replica extends Schema.Class<Replica>("Replica")({
  account: Schema.String,
  variant: Schema.String,
  state: Schema.Literals(replicaStates),
  remoteId: Schema.NullOr(Schema.String),
  /** What bodies say for the copy; null where that is its ID. */
  reference: LaterText,
  /** The container of tools that holds the copy, in the provider's own words; null for the provider's Files API. */
  container: LaterText,
  /** The size of a variant; null for the original, which has the file's. */
  bytes: LaterInt,
  /** The instance whose upload this is while the copy is `pending`. */
  instance: Schema.NullOr(Schema.String),
  /** When the provider drops the copy by itself. */
  expiresAt: Schema.NullOr(Millis),
  /** When a call last named it, give or take an hour; null where that is not known. */
  usedAt: LaterInt,
  createdAt: Millis,
  updatedAt: Millis,
  /** Why it is not usable, in words that name no URL, key or provider ID. */
  error: Schema.NullOr(Schema.String)
}) {}

/**
 * An upload that left a copy, or may have left one, for which no replica stands: its answer was never read, or
 * the copy could not be recorded or used. Without an ID the copy is looked for in the account's list by name,
 * size and this window of time.
 */
export class LostUpload extends Schema.Class<LostUpload>("LostUpload")({
  account: Schema.String,
  variant: Schema.String.pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(originalVariant)),
    Schema.withConstructorDefault(Effect.succeed(originalVariant))
  ),
  /** The size of a variant; null for the original, which has the file's. */
  bytes: LaterInt,
  /** The copy, if it is known. */
  remoteId: Schema.NullOr(Schema.String),
  startedAt: Millis,
  endedAt: Millis
}) {}

export const fileStates = ["receiving", "creating", "ready", "deleting", "deleted"] as const
export type FileState = (typeof fileStates)[number]

export class ManagedFile extends Schema.Class<ManagedFile>("ManagedFile")({
  /** The key of the row and of the content: the UUID inside the unified ID, or one made of an imported ID. */
  key: Schema.String,
  /** The unified ID. It is there once the file was ready. */
  id: Schema.NullOr(Schema.String),
  state: Schema.Literals(fileStates),
  owner: Owner,
  filename: Schema.String,
  bytes: Schema.Int,
  /** Of the client's bytes, in hex. */
  sha256: Schema.String,
  /** What the client said the content is, if it did: what providers are told. */
  declaredType: Schema.NullOr(Schema.String),
  /** What the content is, as far as it can be told. */
  contentType: Schema.String,
  purpose: Schema.Literals(purposes),
  createdAt: Millis,
  expiresAt: Schema.NullOr(Millis),
  /** The model names that the file was uploaded for; none means any. */
  models: Schema.Array(Schema.String),
  /** Whether our own store keeps the bytes. */
  kept: Schema.Boolean,
  replicas: Schema.Array(Replica),
  lostUploads: Schema.Array(LostUpload),
  /** What the lines of a batch's input say, once it has been read for that. */
  lines: Schema.NullOr(BatchSummary).pipe(Schema.withDecodingDefaultKey(none), Schema.withConstructorDefault(none)),
  /** The instance that works on the row while it is `receiving` or `creating`. */
  instance: Schema.NullOr(Schema.String),
  /** The idempotency record that this create holds. */
  idempotency: Schema.NullOr(Schema.String),
  /** When background work on this row is next due. */
  dueAt: Schema.NullOr(Millis),
  /** How often background work has failed in a row. */
  attempts: Schema.Int
}) {}

const isInputPurpose = (purpose: Purpose): purpose is InputPurpose =>
  inputPurposes.some((candidate) => candidate === purpose)

/** What a copy is uploaded as: nobody may upload for the purposes of files that providers make. */
export const purposeOfCopy = ({ purpose }: ManagedFile): InputPurpose =>
  isInputPurpose(purpose) ? purpose : "user_data"

/** A copy of the row with some fields changed. */
export const update = (
  file: ManagedFile,
  changes: Partial<typeof ManagedFile.Type extends infer F ? { -readonly [K in keyof F]: F[K] } : never>
): ManagedFile => new ManagedFile({ ...file, ...changes })

export const findReplica = (
  file: ManagedFile,
  account: string,
  variant: string = originalVariant
): Replica | undefined => file.replicas.find((replica) => replica.account === account && replica.variant === variant)

/** The row with this replica in place of the one of the same account and variant. */
export const withReplica = (file: ManagedFile, replica: Replica): ManagedFile =>
  update(file, {
    replicas: [
      ...file.replicas.filter((other) => other.account !== replica.account || other.variant !== replica.variant),
      replica
    ]
  })

/** The row with uploads to deal with, due at once. A tombstone is raised for that. */
export const withLostUploads = (file: ManagedFile, lost: ReadonlyArray<LostUpload>, now: number): ManagedFile =>
  lost.length === 0
    ? file
    : update(file, {
        state: file.state === "deleted" ? "deleting" : file.state,
        lostUploads: [...file.lostUploads, ...lost],
        dueAt: file.dueAt === null ? now : Math.min(file.dueAt, now)
      })

const sameUpload = (a: LostUpload, b: LostUpload): boolean =>
  a.account === b.account &&
  a.variant === b.variant &&
  a.remoteId === b.remoteId &&
  a.startedAt === b.startedAt &&
  a.endedAt === b.endedAt

/** The row's lost uploads but for those that have been dealt with. */
export const openUploads = (file: ManagedFile, settled: ReadonlyArray<LostUpload>): ReadonlyArray<LostUpload> =>
  file.lostUploads.filter((lost) => !settled.some((other) => sameUpload(lost, other)))

/** What a copy leaves behind whose upload was given up by who began it. */
export const abandonedUpload = ({ account, bytes, createdAt, variant }: Replica, now: number): LostUpload =>
  new LostUpload({ account, variant, bytes, remoteId: null, startedAt: createdAt, endedAt: now })

/** How long before its end a copy is not begun to be used any more: so many milliseconds, or this share of its life. */
export interface Lead {
  readonly longest: number
  readonly share: number
}

/** What needs its files for longer than a call: the work of a batch begins within a day. */
export const jobLead: Lead = { longest: 25 * 60 * 60 * 1000, share: 0.5 }

export const leadOf = ({ createdAt, expiresAt }: Replica, { longest, share }: Lead): number =>
  expiresAt === null ? 0 : Math.max(0, Math.min(longest, (expiresAt - createdAt) * share))

/** When the copy was last of use to anybody, as far as is known. */
export const lastUse = ({ createdAt, usedAt }: Replica): number => usedAt ?? createdAt

/** Whether the provider has the copy now, and will have it for long enough. */
export const isUsable = (replica: Replica, now: number, lead: Lead): boolean =>
  isLive(replica, now + leadOf(replica, lead))

/** A copy that another takes the place of before its end: it is left to calls that have begun, and gone by then. */
export const outlived = ({ account, bytes, createdAt, expiresAt, remoteId, variant }: Replica): LostUpload =>
  new LostUpload({ account, variant, bytes, remoteId, startedAt: createdAt, endedAt: expiresAt ?? createdAt })

/** Whether the provider has the copy now. */
export const isLive = (replica: Replica, now: number): boolean =>
  replica.state === "ready" && replica.remoteId !== null && (replica.expiresAt === null || replica.expiresAt > now)

/** Whether the file exists for clients now. */
export const isVisible = (file: ManagedFile, now: number): boolean =>
  file.state === "ready" && (file.expiresAt === null || file.expiresAt > now)
