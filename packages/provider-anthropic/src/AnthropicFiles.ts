/**
 * Anthropic's Files API. Its wire has two shapes, by whether a call carries the header of the beta; what differs is
 * only how lists are paged, and both are understood.
 */
import * as MultipartBody from "@omnifile/core/MultipartBody"
import { type FileProtocol, oneCall, type ProviderCall, type RemoteFile } from "@omnifile/core/Provider"
import { bodiless } from "@omnifile/core/ProviderCalls"
import { millis } from "@omnifile/core/Rfc3339"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The version of the API that calls of our own are made in. */
export const ownVersion = "2023-06-01"

/** Servers from before files were generally available want it, and later ones still take it. */
const headers = { "anthropic-version": ownVersion, "anthropic-beta": "files-api-2025-04-14" } as const

const FileObject = Schema.Struct({
  id: Schema.NonEmptyString,
  filename: Schema.optionalKey(Schema.NullOr(Schema.String)),
  size_bytes: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  created_at: Schema.optionalKey(Schema.NullOr(Schema.String)),
  expires_at: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const FilePage = Schema.Struct({
  data: Schema.Array(FileObject),
  next_page: Schema.optionalKey(Schema.NullOr(Schema.String)),
  has_more: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  last_id: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const decodeFileObject = Schema.decodeUnknownResult(FileObject)
const decodeFilePage = Schema.decodeUnknownResult(FilePage)

const remoteFile = (file: typeof FileObject.Type): RemoteFile => ({
  id: file.id,
  filename: file.filename ?? null,
  bytes: file.size_bytes ?? null,
  createdAt: millis(file.created_at),
  expiresAt: millis(file.expires_at),
  state: "ready"
})

/** How to ask for the next page, or null at the end. */
const nextOf = ({ data, has_more, last_id, next_page }: typeof FilePage.Type): string | null => {
  if (typeof next_page === "string") return `page=${encodeURIComponent(next_page)}`
  const last = last_id ?? data.at(-1)?.id
  return has_more === true && last !== undefined ? `after_id=${encodeURIComponent(last)}` : null
}

const call = (name: string, method: "GET" | "DELETE", path: string): ProviderCall =>
  bodiless(name, method, path, headers)

const pathOf = (id: string): string => `/v1/files/${encodeURIComponent(id)}`

const decodeFile: FileProtocol["decodeFile"] = (body) =>
  decodeFileObject(body).pipe(
    Result.map(remoteFile),
    Result.mapError(() => "no file object")
  )

export const files: FileProtocol = {
  maxBytes: 500_000_000,
  takes: () => true,
  life: { _tag: "Settable", shortest: 3_600, longest: 7_776_000 },
  poll: { first: 250, most: 5_000 },
  create: (upload) => {
    const fields: Array<readonly [string, string]> = []
    if (upload.expiresAfter !== null) {
      fields.push(["expires_in_seconds", String(upload.expiresAfter)])
    }
    // By its type the API decides what the file is good for, so it has to be told what the file really is.
    const form = MultipartBody.encode(fields, { name: "file", ...upload, contentType: upload.mediaType }, upload.nonce)
    const call = { name: "files.create", method: "POST", path: "/v1/files", body: form.body } as const
    return oneCall(
      { ...call, headers: { ...headers, "content-type": form.contentType }, idempotent: false },
      decodeFile
    )
  },
  retrieve: (id) => call("files.retrieve", "GET", pathOf(id)),
  content: (id) => call("files.content", "GET", `${pathOf(id)}/content`),
  remove: (id) => call("files.delete", "DELETE", pathOf(id)),
  list: (cursor) => call("files.list", "GET", `/v1/files?limit=1000${cursor === null ? "" : `&${cursor}`}`),
  decodeFile,
  decodePage: (body) =>
    decodeFilePage(body).pipe(
      Result.map((page) => ({ files: page.data.map(remoteFile), next: nextOf(page) })),
      Result.mapError(() => "no list of file objects")
    )
}
