/** An upload that comes in parts, and each of its parts. */
import * as Schema from "effect/Schema"
import { Owner } from "./Access.ts"
import { inputPurposes } from "./ManagedFile.ts"
import type { IndexEntry } from "./RegistryBackend.ts"
import { instant } from "./RegistryIndexes.ts"

const Millis = Schema.Int

/** Times in milliseconds since 1970. */
export class UploadSession extends Schema.Class<UploadSession>("UploadSession")({
  /** The key of the row: the UUID inside the unified ID. */
  key: Schema.String,
  id: Schema.String,
  state: Schema.Literals(["pending", "completing", "completed", "cancelled", "expired"]),
  owner: Owner,
  filename: Schema.String,
  bytes: Schema.Int,
  mimeType: Schema.String,
  purpose: Schema.Literals(inputPurposes),
  models: Schema.Array(Schema.String),
  /** Seconds, of the file that is to be made. */
  expiresAfter: Schema.NullOr(Schema.Int),
  /** The parts of a completed upload, in the order of the content. */
  parts: Schema.Array(Schema.String),
  /** The key of the file that was made. */
  file: Schema.NullOr(Schema.String),
  /** The instance that completes it. */
  instance: Schema.NullOr(Schema.String),
  createdAt: Millis,
  expiresAt: Millis,
  dueAt: Schema.NullOr(Millis),
  idempotency: Schema.NullOr(Schema.String)
}) {}

/** A part of an upload. Its content has the same key. */
export class UploadPart extends Schema.Class<UploadPart>("UploadPart")({
  key: Schema.String,
  id: Schema.String,
  /** The key of the upload. */
  upload: Schema.String,
  state: Schema.Literals(["receiving", "stored"]),
  bytes: Schema.Int,
  /** The instance that receives it. */
  instance: Schema.NullOr(Schema.String),
  createdAt: Millis,
  dueAt: Schema.NullOr(Millis)
}) {}

const due = (dueAt: number | null): ReadonlyArray<IndexEntry> =>
  dueAt === null ? [] : [{ index: "due", partitions: ["all"], sort: instant(dueAt) }]

export const sessionEntries = ({ dueAt }: UploadSession): ReadonlyArray<IndexEntry> => due(dueAt)

export const partEntries = ({ createdAt, dueAt, upload }: UploadPart): ReadonlyArray<IndexEntry> => [
  { index: "upload", partitions: [upload], sort: instant(createdAt) },
  ...due(dueAt)
]
