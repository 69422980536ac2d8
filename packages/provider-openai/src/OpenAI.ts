/**
 * Files and chat on OpenAI's wire: OpenAI itself, and every vendor whose API has the same shape.
 *
 * Shapes: https://platform.openai.com/docs/api-reference/files. A vendor that differs in a detail is
 * `make({ id: "vendor", ... })`.
 */
import * as MultipartBody from "@omnifile/core/MultipartBody"
import type { Provider, ProviderCall, RemoteFile } from "@omnifile/core/Provider"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** What a vendor may do otherwise than OpenAI. */
export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
  /** The most bytes that a file may have; OpenAI's is 512 MB. */
  readonly maxBytes?: number | null | undefined
  /** Whether uploads take `expires_after`. */
  readonly expiresAfter?: boolean | undefined
}

const FileObject = Schema.Struct({
  id: Schema.NonEmptyString,
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

const Refusal = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String,
    type: Schema.optionalKey(Schema.NullOr(Schema.String)),
    param: Schema.optionalKey(Schema.NullOr(Schema.String)),
    code: Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.String, Schema.Finite])))
  })
})

const decodeFileObject = Schema.decodeUnknownResult(FileObject)
const decodeFilePage = Schema.decodeUnknownResult(FilePage)
const decodeRefusalBody = Schema.decodeUnknownOption(Refusal)

const millis = (seconds: number | null | undefined): number | null =>
  seconds === null || seconds === undefined ? null : seconds * 1000

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

const bodiless = (name: string, method: "GET" | "DELETE", path: string): ProviderCall => ({
  name,
  method,
  path,
  headers: {},
  body: null,
  idempotent: true
})

/** A provider that speaks OpenAI's wire. */
export const make = ({ expiresAfter = true, id, maxBytes = 512_000_000 }: Options): Provider => ({
  id,
  authorize: (account) => ({ authorization: `Bearer ${Redacted.value(account.apiKey)}` }),
  files: {
    maxBytes,
    create: (upload) => {
      const fields: Array<readonly [string, string]> = [["purpose", upload.purpose]]
      if (expiresAfter && upload.expiresAfter !== null) {
        fields.push(["expires_after[anchor]", "created_at"], ["expires_after[seconds]", String(upload.expiresAfter)])
      }
      const form = MultipartBody.encode(fields, { name: "file", ...upload }, upload.nonce)
      return {
        name: "files.create",
        method: "POST",
        path: "/files",
        headers: { "content-type": form.contentType },
        body: form.body,
        idempotent: false
      }
    },
    retrieve: (file) => bodiless("files.retrieve", "GET", `/files/${encodeURIComponent(file)}`),
    content: (file) => bodiless("files.content", "GET", `/files/${encodeURIComponent(file)}/content`),
    remove: (file) => bodiless("files.delete", "DELETE", `/files/${encodeURIComponent(file)}`),
    list: (cursor) =>
      bodiless(
        "files.list",
        "GET",
        `/files?order=desc&limit=1000${cursor === null ? "" : `&after=${encodeURIComponent(cursor)}`}`
      ),
    decodeFile: (body) =>
      decodeFileObject(body).pipe(
        Result.map(remoteFile),
        Result.mapError(() => "no file object")
      ),
    decodePage: (body) =>
      decodeFilePage(body).pipe(
        Result.map((page) => ({
          files: page.data.map(remoteFile),
          next: page.has_more === true ? (page.data.at(-1)?.id ?? null) : null
        })),
        Result.mapError(() => "no list of file objects")
      )
  },
  chatCompletion: (body) => ({
    name: "chat.completions",
    method: "POST",
    path: "/chat/completions",
    headers: { "content-type": "application/json" },
    body,
    idempotent: false
  }),
  decodeRefusal: (body) =>
    Option.match(decodeRefusalBody(body), {
      onNone: () => null,
      onSome: ({ error }) => ({
        message: error.message,
        type: error.type ?? null,
        param: error.param ?? null,
        code: error.code === null || error.code === undefined ? null : String(error.code)
      })
    })
})

/** OpenAI. */
export const openai: Provider = make({ id: "openai" })
