/**
 * Together's Files API: https://docs.together.ai/reference/upload-file. An upload is asked for without the file and
 * answered by a redirect, whose address takes the bytes and needs no key; then the file is processed. It is there from the
 * redirect on, whether its bytes come or not.
 */
import type { Purpose } from "@omnifile/core/ManagedFile"
import type { FileProtocol, FileUpload, ProviderCall, RemoteFile, UploadStep } from "@omnifile/core/Provider"
import { bodiless } from "@omnifile/core/ProviderCalls"
import * as OpenAIFiles from "@omnifile/provider-openai/OpenAIFiles"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const FileObject = Schema.Struct({
  id: Schema.NonEmptyString.check(Schema.isPattern(/^(?!\.{1,2}$)/)),
  filename: Schema.optionalKey(Schema.NullOr(Schema.String)),
  bytes: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  created_at: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  Processed: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  processing_status: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const decodeFileObject = Schema.decodeUnknownResult(FileObject)
const decodeFilePage = Schema.decodeUnknownResult(Schema.Struct({ data: Schema.Array(FileObject) }))

const stateOf = ({ Processed, processing_status: status }: typeof FileObject.Type): RemoteFile["state"] => {
  if (status === "FAILED" || status === "INVALID_FORMAT") return "failed"
  return Processed === false ? "processing" : "ready"
}

const remoteFile = (file: typeof FileObject.Type): RemoteFile => ({
  id: file.id,
  filename: file.filename ?? null,
  bytes: file.bytes ?? null,
  createdAt: file.created_at === null || file.created_at === undefined ? null : file.created_at * 1000,
  expiresAt: null,
  state: stateOf(file)
})

const purposes: Readonly<Partial<Record<Purpose, string>>> = {
  batch: "batch-api",
  "fine-tune": "fine-tune",
  evals: "eval"
}

const types: ReadonlySet<string> = new Set(["csv", "jsonl", "parquet"])

const typeOf = (filename: string): string => filename.slice(filename.lastIndexOf(".") + 1).toLowerCase()

const encoder = new TextEncoder()

const pathOf = (id: string): string => `/files/${encodeURIComponent(id)}`

const decodeFile: FileProtocol["decodeFile"] = (body) =>
  decodeFileObject(body).pipe(
    Result.map(remoteFile),
    Result.mapError(() => "no file object")
  )

const retrieve = (id: string): ProviderCall => bodiless("files.retrieve", "GET", pathOf(id))

const describe = (id: string): UploadStep => ({
  _tag: "Call",
  call: retrieve(id),
  next: ({ body }) => Result.map(decodeFile(body), (file) => ({ _tag: "Made", file })),
  begun: id
})

const put = ({ bytes, length }: FileUpload, id: string, url: string): UploadStep => ({
  _tag: "Call",
  call: {
    name: "files.upload",
    method: "PUT",
    path: "",
    url,
    credentials: false,
    headers: { "content-type": "application/octet-stream" },
    body: { bytes, length },
    // Of the file that has the ID, the bytes are the same each time.
    idempotent: true
  },
  next: () => Result.succeed(describe(id)),
  begun: id
})

const textOf = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined

const ask = (upload: FileUpload): UploadStep => {
  const query = new URLSearchParams({
    file_name: upload.filename,
    file_type: typeOf(upload.filename),
    purpose: purposes[OpenAIFiles.inputPurpose(upload.purpose)] ?? "fine-tune"
  }).toString()
  return {
    _tag: "Call",
    call: {
      name: "files.create",
      method: "POST",
      path: `/files?${query}`,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: encoder.encode(query),
      accepts: [302],
      idempotent: false
    },
    next: ({ headers }) => {
      const url = textOf(headers["location"])
      const id = textOf(headers["x-together-file-id"])
      return url === undefined || id === undefined
        ? Result.fail("no address for the upload")
        : Result.succeed(put(upload, id, url))
    }
  }
}

export const files: FileProtocol = {
  maxBytes: 4_900_000_000,
  takes: ({ filename, purpose }) => purposes[purpose] !== undefined && types.has(typeOf(filename)),
  life: null,
  poll: { first: 500, most: 5_000 },
  create: ask,
  retrieve,
  content: (id) => bodiless("files.content", "GET", `${pathOf(id)}/content`),
  remove: (id) => bodiless("files.delete", "DELETE", pathOf(id)),
  list: () => bodiless("files.list", "GET", "/files"),
  decodeFile,
  decodePage: (body) =>
    decodeFilePage(body).pipe(
      Result.map(({ data }) => ({ files: data.map(remoteFile), next: null })),
      Result.mapError(() => "no list of file objects")
    )
}
