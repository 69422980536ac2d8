/** OpenAI's Files API: https://platform.openai.com/docs/api-reference/files */
import { type InputPurpose, inputPurposes, type Purpose } from "@omnifile/core/ManagedFile"
import * as MultipartBody from "@omnifile/core/MultipartBody"
import { type CopyLife, type FileProtocol, oneCall, type RemoteFile } from "@omnifile/core/Provider"
import { bodiless } from "@omnifile/core/ProviderCalls"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Id, millis } from "./internal/wire.ts"
import * as OpenAIUploads from "./OpenAIUploads.ts"
import type { PartLimits } from "./OpenAIUploads.ts"

const FileObject = Schema.Struct({
  id: Id,
  filename: Schema.optionalKey(Schema.NullOr(Schema.String)),
  // Null in some answers to uploads.
  bytes: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  created_at: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  expires_at: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  // Deprecated, and left out by some vendors: a file without a status is there.
  status: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const FilePage = Schema.Struct({
  data: Schema.Array(FileObject),
  has_more: Schema.optionalKey(Schema.NullOr(Schema.Boolean))
})

const decodeFileObject = Schema.decodeUnknownResult(FileObject)
const decodeFilePage = Schema.decodeUnknownResult(FilePage)

const stateOf = (status: string | null | undefined): RemoteFile["state"] => {
  switch (status) {
    case "error":
    case "deleted":
      return "failed"
    case "pending":
    case "running":
      return "processing"
    default:
      return "ready"
  }
}

const remoteFile = (file: typeof FileObject.Type): RemoteFile => ({
  id: file.id,
  filename: file.filename ?? null,
  bytes: file.bytes ?? null,
  createdAt: millis(file.created_at),
  expiresAt: millis(file.expires_at),
  state: stateOf(file.status)
})

/** OpenAI's purposes. What a provider has made cannot be uploaded as such: elsewhere it is a file like those of a user. */
export const inputPurpose = (purpose: Purpose): InputPurpose =>
  inputPurposes.find((accepted) => accepted === purpose) ?? "user_data"

/** How uploads say for how long a copy is to be kept, and within which limits. */
export interface Expiry {
  /** As OpenAI's `expires_after[anchor]` and `expires_after[seconds]`, or as one number of seconds. */
  readonly form: "anchored" | "seconds"
  /** Seconds. */
  readonly shortest: number
  readonly longest: number
}

/** As OpenAI's. Longer lives are shortened, and shorter ones lengthened: a copy is deleted with its file in any case. */
export const openaiExpiry: Expiry = { form: "anchored", shortest: 3_600, longest: 2_592_000 }

/** What a vendor may do otherwise than OpenAI. */
export interface Options {
  /** The most bytes that a file may have, or null for no known limit. */
  readonly maxBytes: number | null
  /** Null: copies are kept until they are deleted. */
  readonly expiry: Expiry | null
  /** Whether and how larger files come in parts. */
  readonly parts: PartLimits | null
  /** The vendor's word for a purpose. */
  readonly purposeOf: (purpose: Purpose) => string
  /** Whether it is any use to upload such a file. */
  readonly takes: FileProtocol["takes"]
  /** How many files a page of a list may have, or null if all that there is comes at once. */
  readonly pageSize: number | null
}

const openai: Options = {
  maxBytes: 512_000_000,
  expiry: openaiExpiry,
  parts: null,
  purposeOf: inputPurpose,
  takes: () => true,
  pageSize: 1_000
}

const expiryFields = (form: Expiry["form"], seconds: number): ReadonlyArray<readonly [string, string]> =>
  form === "seconds"
    ? [["expires_after", String(seconds)]]
    : [
        ["expires_after[anchor]", "created_at"],
        ["expires_after[seconds]", String(seconds)]
      ]

const lifeOf = (expiry: Expiry | null): CopyLife | null =>
  expiry === null ? null : { _tag: "Settable", shortest: expiry.shortest, longest: expiry.longest }

const decodeFile: FileProtocol["decodeFile"] = (body) =>
  decodeFileObject(body).pipe(
    Result.map(remoteFile),
    Result.mapError(() => "no file object")
  )

export const make = (options: Partial<Options> = {}): FileProtocol => {
  const { expiry, maxBytes, pageSize, parts, purposeOf, takes } = { ...openai, ...options }
  return {
    maxBytes,
    parts: parts === null ? undefined : OpenAIUploads.make({ ...parts, expiresAfter: expiry !== null }, decodeFile),
    takes,
    life: lifeOf(expiry),
    poll: { first: 250, most: 5_000 },
    create: (upload) => {
      const { expiresAfter: seconds, nonce, purpose } = upload
      // Fields come before the file: some vendors do not see those that come after.
      const life = expiry === null || seconds === null ? [] : expiryFields(expiry.form, seconds)
      const form = MultipartBody.encode([["purpose", purposeOf(purpose)], ...life], { name: "file", ...upload }, nonce)
      const headers = { "content-type": form.contentType }
      const call = { name: "files.create", method: "POST", path: "/files", headers, body: form.body } as const
      return oneCall({ ...call, idempotent: false }, decodeFile)
    },
    retrieve: (file) => bodiless("files.retrieve", "GET", `/files/${encodeURIComponent(file)}`),
    content: (file) => bodiless("files.content", "GET", `/files/${encodeURIComponent(file)}/content`),
    remove: (file) => bodiless("files.delete", "DELETE", `/files/${encodeURIComponent(file)}`),
    list: (cursor) =>
      bodiless(
        "files.list",
        "GET",
        pageSize === null
          ? "/files"
          : `/files?order=desc&limit=${pageSize}${cursor === null ? "" : `&after=${encodeURIComponent(cursor)}`}`
      ),
    decodeFile,
    decodePage: (body) =>
      decodeFilePage(body).pipe(
        Result.map((page) => ({
          files: page.data.map(remoteFile),
          next: page.has_more === true ? (page.data.at(-1)?.id ?? null) : null
        })),
        Result.mapError(() => "no list of file objects")
      )
  }
}
