/** Rows of LiteLLM as rows of ours. */
import { Owner } from "@omnifile/core/Access"
import * as ContentType from "@omnifile/core/ContentType"
import { Job, JobInput, JobOutput } from "@omnifile/core/Job"
import { isObject, type Json, type JsonObject } from "@omnifile/core/Json"
import * as LitellmId from "@omnifile/core/LitellmId"
import { ManagedFile, originalVariant, type Purpose, purposes, Replica } from "@omnifile/core/ManagedFile"
import * as Option from "effect/Option"
import type { FileRow, ObjectRow } from "./LitellmDatabase.ts"

/** Why a row stays where it is. */
export interface Skipped {
  readonly _tag: "Skipped"
  readonly reason: string
}

export const skipped = (reason: string): Skipped => ({ _tag: "Skipped", reason })

/** The account of a deployment; undefined if it is on none of ours. */
export type AccountOf = (deployment: string, models: ReadonlyArray<string>) => string | undefined

const keyOwner = "key:"

/** LiteLLM stamps what a key without user and team makes with the key's digest, which is the same as ours. */
export const ownerOf = ({ createdBy, team }: { readonly createdBy: string | null; readonly team: string | null }) =>
  createdBy?.startsWith(keyOwner) === true
    ? new Owner({ user: null, team, keyHash: createdBy.slice(keyOwner.length) })
    : new Owner({ user: createdBy, team, keyHash: null })

const secondsOf = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.round(value * 1_000) : null

const purposeOf = (value: unknown): Purpose => purposes.find((purpose) => purpose === value) ?? "user_data"

const field = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : undefined)

/** Copies beyond the first of an account: known, so that they are deleted with the file, and used by no call. */
const spareVariant = (deployment: string): string => `litellm:${encodeURIComponent(deployment)}`

const replicasOf = (
  copies: ReadonlyArray<{ readonly deployment: string; readonly account: string; readonly remoteId: string }>,
  createdAt: number,
  expiresAt: number | null,
  now: number
): ReadonlyArray<Replica> => {
  const seen = new Set<string>()
  const known = new Set<string>()
  return copies.flatMap(({ account, deployment, remoteId }) => {
    if (seen.has(`${account} ${remoteId}`)) return []
    seen.add(`${account} ${remoteId}`)
    const variant = known.has(account) ? spareVariant(deployment) : originalVariant
    known.add(account)
    const common = { container: null, instance: null, error: null, createdAt, updatedAt: now, expiresAt }
    return [new Replica({ account, variant, state: "ready", remoteId, ...common })]
  })
}

export interface PlannedFile {
  readonly _tag: "File"
  readonly file: ManagedFile
  /** Deployments that are on no account of ours. */
  readonly unknown: ReadonlyArray<string>
  /** The row with the content, if LiteLLM keeps it in its database. */
  readonly content: string | null
}

const storedContent = /^litellm_db:\/\/(.+)$/

/** What becomes of a file. `keyOf` makes the key of a row. */
export const planFile = (
  row: FileRow,
  accountOf: AccountOf,
  keyOf: (id: string) => string,
  now: number
): PlannedFile | Skipped => {
  const identity = Option.getOrUndefined(LitellmId.recognise(row.unifiedId))
  if (identity?._tag !== "File") return skipped("its ID is none of a managed file")
  const mappings = isObject(row.mappings) ? Object.entries(row.mappings) : []
  const isStored = row.storageBackend !== null
  const url = mappings.map(([, value]) => value).find((value) => typeof value === "string")
  const content = isStored && typeof url === "string" ? (storedContent.exec(url)?.[1] ?? null) : null
  if (isStored && content === null) return skipped(`its content lies in ${row.storageBackend}, which is not read`)
  const expiresAt = secondsOf(field(row.object, "expires_at"))
  if (expiresAt !== null && expiresAt <= now) return skipped("it has expired")
  const createdAt = secondsOf(field(row.object, "created_at")) ?? Math.round(row.createdAt)
  const copies = isStored
    ? []
    : mappings.flatMap(([deployment, remoteId]) => {
        const account = accountOf(deployment, identity.models)
        return typeof remoteId !== "string" || remoteId === "" ? [] : [{ deployment, remoteId, account }]
      })
  const unknown = copies.flatMap(({ account, deployment }) => (account === undefined ? [deployment] : []))
  const ours = copies.flatMap(({ account, ...copy }) => (account === undefined ? [] : [{ ...copy, account }]))
  if (!isStored && ours.length === 0) {
    return skipped(copies.length === 0 ? "it has no copy anywhere" : "none of its copies is on an account of ours")
  }
  const given = field(row.object, "filename")
  const filename = typeof given === "string" && given !== "" ? given : identity.uuid
  const bytes = field(row.object, "bytes")
  const file = new ManagedFile({
    key: keyOf(row.unifiedId),
    id: row.unifiedId,
    state: "ready",
    owner: ownerOf(row),
    filename,
    bytes: typeof bytes === "number" && Number.isInteger(bytes) && bytes >= 0 ? bytes : 0,
    sha256: "",
    declaredType: identity.contentType === "" ? null : identity.contentType,
    contentType: ContentType.detect(identity.contentType || null, filename, new Uint8Array(0)),
    purpose: purposeOf(field(row.object, "purpose")),
    createdAt,
    expiresAt,
    models: [...identity.models],
    kept: false,
    replicas: [...replicasOf(ours, createdAt, expiresAt, now)],
    lostUploads: [],
    instance: null,
    idempotency: null,
    dueAt: expiresAt,
    attempts: 0
  })
  return { _tag: "File", file, unknown, content }
}

const over = ["completed", "complete", "failed", "expired", "cancelled", "succeeded"]

/** The fields of a job's object that name what it has made. */
const outputFields = ["output_file_id", "error_file_id"] as const
const inputFields = [
  ["input_file_id", "input"],
  ["training_file", "training"],
  ["validation_file", "validation"]
] as const

/** A file that a job names: by its unified ID, or by the provider's. */
export type FindFile = (account: string, id: string) => ManagedFile | undefined

export interface PlannedJob {
  readonly _tag: "Job"
  readonly job: Job
}

/** Where a job lies, as far as its ID says it. */
export const placeOf = (row: ObjectRow) => {
  const identity = Option.getOrUndefined(LitellmId.recognise(row.unifiedId))
  if (identity?._tag === "Batch") return { kind: "batch" as const, deployment: identity.deployment, identity }
  if (identity?._tag === "GenericJob") {
    return { kind: "fine_tuning_job" as const, deployment: identity.deployment, identity }
  }
  return skipped(
    identity?._tag === "Response"
      ? "it is a stored response, whose provider may have dropped it"
      : "its ID is none of a batch or a fine-tuning job"
  )
}

/** The IDs of files in a job's object. */
export const filesOf = (object: unknown): ReadonlyArray<string> =>
  [...inputFields.map(([name]) => name), ...outputFields]
    .map((name) => field(object, name))
    .filter((value) => typeof value === "string" && value !== "") as ReadonlyArray<string>

/** Fields that are LiteLLM's own begin with an underscore. */
const publicFields = (object: JsonObject): Record<string, Json | undefined> =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !name.startsWith("_")))

/**
 * What becomes of a batch or a fine-tuning job on an account of ours. One that is not over, or whose outputs are not
 * known here, is asked about at its provider as soon as a server runs.
 */
export const planJob = (
  row: ObjectRow,
  place: Exclude<ReturnType<typeof placeOf>, Skipped>,
  at: { readonly account: string; readonly deployment: string; readonly modelName: string },
  findFile: FindFile,
  keyOf: (id: string) => string,
  now: number
): PlannedJob => {
  const object = publicFields(isObject(row.object) ? row.object : {})
  const reads: Array<JobInput> = []
  const outputs: Array<JobOutput> = []
  for (const [name, role] of inputFields) {
    const named = object[name]
    if (typeof named !== "string" || named === "") continue
    const file = findFile(at.account, named)
    object[name] = file?.id ?? null
    if (file === undefined || file.id === null) continue
    const copy = file.replicas.find(({ account }) => account === at.account)
    reads.push(new JobInput({ file: file.key, id: file.id, role, remoteId: copy?.remoteId ?? null }))
  }
  let isWhole = true
  for (const role of outputFields) {
    const named = object[role]
    if (typeof named !== "string" || named === "") continue
    const file = findFile(at.account, named)
    const copy = file?.replicas.find(({ account }) => account === at.account)
    object[role] = file?.id ?? null
    if (file?.id === undefined || file.id === null || copy?.remoteId === undefined || copy.remoteId === null) {
      isWhole = false
      continue
    }
    outputs.push(new JobOutput({ role, remoteId: copy.remoteId, file: file.key, id: file.id }))
  }
  // Those of fine-tuning are a list of the provider's own IDs.
  const results = object["result_files"]
  if (Array.isArray(results) && results.length > 0) {
    isWhole = false
    object["result_files"] = []
  }
  const status = typeof object["status"] === "string" ? object["status"] : row.status
  const ended = status !== null && over.includes(status) && isWhole
  const createdAt = secondsOf(object["created_at"]) ?? Math.round(row.createdAt)
  const job = new Job({
    key: keyOf(row.unifiedId),
    kind: place.kind,
    id: row.unifiedId,
    state: ended ? "ended" : "active",
    owner: ownerOf(row),
    account: at.account,
    deployment: at.deployment,
    modelName: at.modelName,
    remoteId: place.identity.providerId,
    reads,
    outputs,
    object: JSON.stringify({ ...object, id: row.unifiedId }),
    usage: null,
    instance: null,
    claimedUntil: null,
    createdAt,
    updatedAt: now,
    dueAt: ended ? null : now,
    attempts: 0,
    idempotency: null
  })
  return { _tag: "Job", job }
}
