/**
 * A file that comes in parts, until it is one: the row of an upload, the rows of its parts, and how the row may
 * change.
 *
 * ```
 * pending -> completing -> completed
 *   |  ^________/
 *   |-> cancelled
 *   `-> expired
 * ```
 *
 * A row that has come to its end is remembered for a while, so that a client which asks again gets its answer
 * again.
 */
import * as Schema from "effect/Schema"
import { Owner } from "./Access.ts"
import { inputPurposes } from "./ManagedFile.ts"
import type { IndexEntry } from "./RegistryBackend.ts"
import { instant } from "./RegistryIndexes.ts"

/** The most bytes of a part. */
export const maxPartBytes = 67_108_864

/** How long parts may be added, in milliseconds. */
export const lifetime = 60 * 60 * 1000

const Millis = Schema.Int

/** One attempt to make the file of the parts. */
export class Completion extends Schema.Class<Completion>("UploadCompletion")({
  /** Tells this attempt from all others. */
  attempt: Schema.String,
  /** The instance that is at it. */
  instance: Schema.String,
  /** The keys of the parts, in their order. */
  parts: Schema.Array(Schema.String),
  /** What the client says that the MD5 is, in lower-case hex, or null. */
  md5: Schema.NullOr(Schema.String),
  /** The key of the file that is being made, once there is a row for it. */
  file: Schema.NullOr(Schema.String)
}) {}

export const sessionStates = ["pending", "completing", "completed", "cancelled", "expired"] as const

export class UploadSession extends Schema.Class<UploadSession>("UploadSession")({
  /** The UUID inside the unified ID. */
  key: Schema.String,
  id: Schema.String,
  state: Schema.Literals(sessionStates),
  owner: Owner,
  filename: Schema.String,
  /** Of the whole file, as announced. */
  bytes: Schema.Int,
  /** What the client says that the content is. */
  mimeType: Schema.String,
  purpose: Schema.Literals(inputPurposes),
  /** The model names that the file is for; none means any. */
  models: Schema.Array(Schema.String),
  /** Of the file, in seconds after its creation. */
  fileExpiresAfter: Schema.NullOr(Schema.Int),
  createdAt: Millis,
  /** When the upload ends by itself. */
  expiresAt: Millis,
  /** While the row is `completing` the attempt at hand; when it is `completed`, the one that succeeded. */
  completion: Schema.NullOr(Completion),
  /** When background work on this row is next due. */
  dueAt: Millis
}) {}

/** A part of an upload: `receiving` until all of it is stored, `removing` when it was left behind before that. */
export class UploadPart extends Schema.Class<UploadPart>("UploadPart")({
  /** The key of the row and of the content: the UUID inside the unified ID. */
  key: Schema.String,
  id: Schema.String,
  /** The key of the upload. */
  upload: Schema.String,
  state: Schema.Literals(["receiving", "stored", "removing"]),
  bytes: Schema.Int,
  createdAt: Millis,
  /** The instance that receives it. */
  instance: Schema.String,
  /** When somebody is to look after it; null once it is stored, when it lives as long as its upload. */
  dueAt: Schema.NullOr(Millis)
}) {}

export const sessionEntries = (session: UploadSession): ReadonlyArray<IndexEntry> => [
  { index: "due", partitions: ["all"], sort: instant(session.dueAt) }
]

export const partEntries = (part: UploadPart): ReadonlyArray<IndexEntry> => [
  { index: "upload", partitions: [part.upload], sort: instant(part.createdAt) },
  ...(part.dueAt === null ? [] : [{ index: "due", partitions: ["all"], sort: instant(part.dueAt) }])
]

/** What has become of an upload, as clients see it. */
export type Status = "pending" | "completed" | "cancelled" | "expired"

export const statusOf = ({ expiresAt, state }: UploadSession, now: number): Status =>
  state === "completing" ? "pending" : state === "pending" && expiresAt <= now ? "expired" : state

/** Whether parts may be added now, and the upload be completed or cancelled. */
export const isOpen = ({ expiresAt, state }: UploadSession, now: number): boolean =>
  state === "pending" && expiresAt > now

/** Whether nothing will change it any more. */
export const hasEnded = ({ state }: UploadSession): boolean =>
  state === "completed" || state === "cancelled" || state === "expired"

const update = (
  session: UploadSession,
  changes: Partial<Pick<UploadSession, "state" | "completion" | "dueAt">>
): UploadSession => new UploadSession({ ...session, ...changes })

/** Each of these answers the changed row, or undefined where the row does not allow it. */
type Transition<Args extends ReadonlyArray<unknown>> = (
  session: UploadSession,
  ...args: Args
) => UploadSession | undefined

/** `dueAt` is when somebody is to see whether the attempt is still alive. */
export const begin: Transition<[completion: Completion, now: number, dueAt: number]> = (
  session,
  completion,
  now,
  dueAt
) => (isOpen(session, now) ? update(session, { state: "completing", completion, dueAt }) : undefined)

const ifAtIt = (
  session: UploadSession,
  attempt: string,
  change: (completion: Completion) => UploadSession | undefined
): UploadSession | undefined =>
  session.state === "completing" && session.completion?.attempt === attempt ? change(session.completion) : undefined

/** The row names the file before there is one for clients, so that whatever happens then is known. */
export const withFile: Transition<[attempt: string, file: string]> = (session, attempt, file) =>
  ifAtIt(session, attempt, (completion) => update(session, { completion: new Completion({ ...completion, file }) }))

/** The file has come to be; the parts are to be removed from `now` on. */
export const complete: Transition<[attempt: string, now: number]> = (session, attempt, now) =>
  ifAtIt(session, attempt, ({ file }) =>
    file === null ? undefined : update(session, { state: "completed", dueAt: now })
  )

/**
 * The attempt came to nothing: there can be another one while the upload lives. `file` is what the row named when
 * that was found out; if it names another one by now, somebody is at it after all.
 */
export const reopen: Transition<[attempt: string, file: string | null]> = (session, attempt, file) =>
  ifAtIt(session, attempt, (completion) =>
    completion.file === file
      ? update(session, { state: "pending", completion: null, dueAt: session.expiresAt })
      : undefined
  )

/** Puts off the next look at an attempt. */
export const keepAlive: Transition<[attempt: string, dueAt: number]> = (session, attempt, dueAt) =>
  ifAtIt(session, attempt, () => update(session, { dueAt }))

export const cancel: Transition<[now: number]> = (session, now) =>
  isOpen(session, now) ? update(session, { state: "cancelled", dueAt: now }) : undefined

export const expire: Transition<[now: number]> = (session, now) =>
  session.state === "pending" && session.expiresAt <= now
    ? update(session, { state: "expired", dueAt: now })
    : undefined

/** For an upload that has ended: when its row is looked at next. */
export const rest: Transition<[dueAt: number]> = (session, dueAt) =>
  hasEnded(session) ? update(session, { dueAt }) : undefined
