/** Files that come in parts, as the façade has them: plain values in the place of the core's own. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type CallError, invalid } from "./CallError.ts"
import { run } from "./FacadeCall.ts"
import { contentOf, type FileInfo, infoOf, nameOf, type NewFile } from "./FacadeValues.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { Caller, Principal } from "./Principal.ts"
import type { Upload } from "./UploadOperation.ts"
import { Uploads } from "./Uploads.ts"
import type { Status } from "./UploadSession.ts"

/** A file whose content comes later, in parts. */
export interface NewUpload extends Omit<NewFile, "content"> {
  /** How many bytes all parts have together. */
  readonly bytes: number
}

export interface NewUploadPart {
  /** The upload's ID. */
  readonly upload: string
  readonly content: NewFile["content"]
  /** The same key and the same content again answer the first part. */
  readonly idempotencyKey?: string | undefined
}

export interface UploadEnd {
  /** The upload's ID. */
  readonly upload: string
  /** The IDs of the parts, in the order of the content. */
  readonly parts: ReadonlyArray<string>
  /** Of the whole content, in hex: it is compared. */
  readonly md5?: string | undefined
}

/** An upload as it is now. Times in milliseconds since 1970. */
export interface UploadInfo {
  readonly id: string
  readonly filename: string
  readonly bytes: number
  readonly status: Status
  readonly createdAt: number
  /** Until then parts may be added. */
  readonly expiresAt: number
  /** The file that was made of it, as long as it is there. */
  readonly file: FileInfo | null
}

export interface UploadPartInfo {
  readonly id: string
  readonly bytes: number
}

export interface UploadCalls {
  readonly create: (upload: NewUpload, caller?: Caller) => Promise<UploadInfo>
  /** Parts may come side by side, at most 64 MiB each. */
  readonly addPart: (part: NewUploadPart, caller?: Caller) => Promise<UploadPartInfo>
  /** Makes the file. The same again answers the same file. */
  readonly complete: (end: UploadEnd, caller?: Caller) => Promise<UploadInfo>
  readonly cancel: (id: string, caller?: Caller) => Promise<UploadInfo>
}

const uploadOf = ({ file, session, status }: Upload): UploadInfo => {
  const { bytes, createdAt, expiresAt, filename, id } = session
  return { id, filename, bytes, status, createdAt, expiresAt, file: file === null ? null : infoOf(file) }
}

type Call<A> = Effect.Effect<A, CallError, Pipeline | Scope.Scope>

export const create = (upload: NewUpload, principal: Principal): Call<UploadInfo> =>
  Effect.gen(function* () {
    const { bytes, contentType, expiresAfter, idempotencyKey, models, purpose } = upload
    const filename = yield* nameOf(upload.filename)
    if (!Number.isSafeInteger(bytes) || bytes < 1) {
      return yield* invalid("`bytes` must be a whole number, 1 or more.", "bytes")
    }
    const operation = {
      _tag: "CreateUpload",
      filename,
      bytes,
      mimeType: contentType ?? "application/octet-stream",
      purpose: purpose ?? "user_data",
      models: [...new Set(models)],
      expiresAfter: expiresAfter ?? null,
      idempotencyKey: idempotencyKey ?? null
    } as const
    return uploadOf((yield* run(operation, principal)).upload)
  })

export const addPart = (
  { content, idempotencyKey, upload }: NewUploadPart,
  principal: Principal
): Effect.Effect<UploadPartInfo, CallError, Pipeline | Scope.Scope | Uploads> =>
  Effect.gen(function* () {
    const uploads = yield* Uploads
    const digest = idempotencyKey !== undefined
    const received = yield* uploads.receive(principal, upload, contentOf(content), { digest })
    const key = idempotencyKey ?? null
    const operation = { _tag: "AddUploadPart", id: upload, part: received, idempotencyKey: key } as const
    const { part } = yield* run(operation, principal)
    return { id: part.id, bytes: part.bytes }
  })

export const complete = ({ md5 = "", parts, upload }: UploadEnd, principal: Principal): Call<UploadInfo> =>
  Effect.gen(function* () {
    if (md5 !== "" && !/^[0-9a-f]{32}$/i.test(md5)) {
      return yield* invalid("`md5` must be a checksum of 32 hexadecimal digits.", "md5")
    }
    const sum = md5 === "" ? null : md5.toLowerCase()
    return uploadOf((yield* run({ _tag: "CompleteUpload", id: upload, parts, md5: sum }, principal)).upload)
  })

export const cancel = (id: string, principal: Principal): Call<UploadInfo> =>
  Effect.map(run({ _tag: "CancelUpload", id }, principal), ({ upload }) => uploadOf(upload))
