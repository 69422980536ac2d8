/**
 * Gemini's Files API: https://ai.google.dev/api/files. An upload is two calls: the first names the file and is answered
 * by the address for the second, and only the second makes a copy. Copies live two days.
 */
import type { FileProtocol, FileUpload, RemoteFile, UploadAnswer, UploadStep } from "@omnifile/core/Provider"
import { bodiless } from "@omnifile/core/ProviderCalls"
import { millis } from "@omnifile/core/Rfc3339"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const FileObject = Schema.Struct({
  name: Schema.String.check(Schema.isPattern(/^files\/[^./][^/]*$/)),
  // What bodies say for the file: not its name.
  uri: Schema.optionalKey(Schema.NonEmptyString),
  displayName: Schema.optionalKey(Schema.String),
  // 64-bit numbers are strings in this API.
  sizeBytes: Schema.optionalKey(Schema.Union([Schema.String, Schema.Finite])),
  createTime: Schema.optionalKey(Schema.String),
  expirationTime: Schema.optionalKey(Schema.String),
  state: Schema.optionalKey(Schema.String)
})

// What is empty is left out.
const FilePage = Schema.Struct({
  files: Schema.optionalKey(Schema.Array(FileObject)),
  nextPageToken: Schema.optionalKey(Schema.String)
})

const decodeFileObject = Schema.decodeUnknownResult(FileObject)
const decodeUploaded = Schema.decodeUnknownResult(Schema.Struct({ file: FileObject }))
const decodeFilePage = Schema.decodeUnknownResult(FilePage)

const states: Readonly<Record<string, RemoteFile["state"]>> = { PROCESSING: "processing", FAILED: "failed" }

const remoteFile = (file: typeof FileObject.Type): RemoteFile => {
  const bytes = file.sizeBytes === undefined ? Number.NaN : Number(file.sizeBytes)
  return {
    id: file.name,
    reference: file.uri,
    filename: file.displayName ?? null,
    bytes: Number.isSafeInteger(bytes) ? bytes : null,
    createdAt: millis(file.createTime),
    expiresAt: millis(file.expirationTime),
    state: states[file.state ?? ""] ?? "ready"
  }
}

const version = "/v1beta"

/** `files/abc`, of which only what comes after the slash can lead elsewhere. */
const pathOf = (id: string): string => `${version}/files/${encodeURIComponent(id.replace(/^files\//, ""))}`

/** The API counts characters, and refuses a longer name. */
const longestName = 512

const displayName = (filename: string): string => [...filename].slice(0, longestName).join("")

const encoder = new TextEncoder()

const noFile = "no file object"

const send = ({ bytes, length }: FileUpload, url: string): UploadStep => ({
  _tag: "Call",
  call: {
    name: "files.upload",
    method: "POST",
    path: "",
    url,
    headers: { "x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0" },
    body: { bytes, length },
    idempotent: false
  },
  next: ({ body }) =>
    decodeUploaded(body).pipe(
      Result.map(({ file }) => ({ _tag: "Made" as const, file: remoteFile(file) })),
      Result.mapError(() => noFile)
    )
})

const begin = (upload: FileUpload): UploadStep => ({
  _tag: "Call",
  call: {
    name: "files.create",
    method: "POST",
    path: `/upload${version}/files`,
    headers: {
      "content-type": "application/json",
      "x-goog-upload-protocol": "resumable",
      "x-goog-upload-command": "start",
      "x-goog-upload-header-content-length": String(upload.length),
      "x-goog-upload-header-content-type": upload.mediaType
    },
    body: encoder.encode(JSON.stringify({ file: { displayName: displayName(upload.filename) } })),
    // It makes no file yet; what is begun and not ended is forgotten.
    idempotent: true
  },
  next: ({ headers }: UploadAnswer) => {
    const url = headers["x-goog-upload-url"]
    return typeof url === "string" ? Result.succeed(send(upload, url)) : Result.fail("no address for the upload")
  }
})

export const files: FileProtocol = {
  maxBytes: 2_000_000_000,
  takes: () => true,
  life: { _tag: "Fixed", seconds: 48 * 3600 },
  // A video is processed for minutes.
  poll: { first: 250, most: 5_000 },
  create: begin,
  retrieve: (id) => bodiless("files.retrieve", "GET", pathOf(id)),
  content: null,
  remove: (id) => bodiless("files.delete", "DELETE", pathOf(id)),
  list: (cursor) =>
    bodiless(
      "files.list",
      "GET",
      `${version}/files?pageSize=100${cursor === null ? "" : `&pageToken=${encodeURIComponent(cursor)}`}`
    ),
  decodeFile: (body) =>
    decodeFileObject(body).pipe(
      Result.map(remoteFile),
      Result.mapError(() => noFile)
    ),
  decodePage: (body) =>
    decodeFilePage(body).pipe(
      Result.map((page) => ({ files: (page.files ?? []).map(remoteFile), next: page.nextPageToken ?? null })),
      Result.mapError(() => "no list of file objects")
    )
}
