/** The Uploads API as operations: https://platform.openai.com/docs/api-reference/uploads */
import type { NamesJob } from "./JobOperation.ts"
import type { InputPurpose, ManagedFile } from "./ManagedFile.ts"
import type { Status, UploadPart, UploadSession } from "./UploadSession.ts"

export interface CreateUpload {
  readonly _tag: "CreateUpload"
  readonly filename: string
  /** How many bytes all parts have together. */
  readonly bytes: number
  readonly mimeType: string
  readonly purpose: InputPurpose
  /** Target model names, each once. */
  readonly models: ReadonlyArray<string>
  /** Seconds. */
  readonly expiresAfter: number | null
  readonly idempotencyKey: string | null
}

/** The content of a part, which is stored and belongs to no upload yet. */
export interface ReceivedPart {
  /** The key of the row and of the content. */
  readonly key: string
  readonly bytes: number
  /** Hex; null unless it was asked for. */
  readonly sha256: string | null
}

export interface AddUploadPart extends NamesJob {
  readonly _tag: "AddUploadPart"
  readonly part: ReceivedPart
  /** Only for content whose digest is known. */
  readonly idempotencyKey: string | null
}

export interface CompleteUpload extends NamesJob {
  readonly _tag: "CompleteUpload"
  /** Part IDs in the order of the content. */
  readonly parts: ReadonlyArray<string>
  /** Of the whole content, in hex, or null. */
  readonly md5: string | null
}

export interface CancelUpload extends NamesJob {
  readonly _tag: "CancelUpload"
}

export type UploadOperation = CreateUpload | AddUploadPart | CompleteUpload | CancelUpload

/** An upload as it is now. */
export interface Upload {
  readonly session: UploadSession
  readonly status: Status
  /** The file that was made of a completed upload, as long as it is there. */
  readonly file: ManagedFile | null
}

export interface UploadAnswers {
  readonly CreateUpload: { readonly _tag: "CreateUpload"; readonly upload: Upload }
  readonly AddUploadPart: { readonly _tag: "AddUploadPart"; readonly part: UploadPart }
  readonly CompleteUpload: { readonly _tag: "CompleteUpload"; readonly upload: Upload }
  readonly CancelUpload: { readonly _tag: "CancelUpload"; readonly upload: Upload }
}
