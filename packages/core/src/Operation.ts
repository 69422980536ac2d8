/**
 * Every call that omnifile serves, as one union. Whoever handles operations switches over `_tag`, so that
 * a new operation does not compile until each of them has said what becomes of it.
 */
import type { InMemory, RangeRequest } from "./Bytes.ts"
import type { Received } from "./Intake.ts"
import type { InputPurpose, Purpose } from "./ManagedFile.ts"

/** Makes a file of content that is received already. */
export interface CreateFile {
  readonly _tag: "CreateFile"
  readonly content: Received
  readonly filename: string
  /** What the client says the content is, or null. */
  readonly declaredType: string | null
  readonly purpose: InputPurpose
  /** Target model names, each once; none means every model that the caller may use. */
  readonly models: ReadonlyArray<string>
  /** Seconds. */
  readonly expiresAfter: number | null
  readonly idempotencyKey: string | null
}

export interface ListFiles {
  readonly _tag: "ListFiles"
  readonly purpose: Purpose | null
  readonly order: "asc" | "desc"
  readonly limit: number
  readonly after: string | null
}

export interface RetrieveFile {
  readonly _tag: "RetrieveFile"
  readonly id: string
}

export interface FileContent {
  readonly _tag: "FileContent"
  readonly id: string
  readonly range: RangeRequest | null
}

export interface DeleteFile {
  readonly _tag: "DeleteFile"
  readonly id: string
}

export interface ListReplicas {
  readonly _tag: "ListReplicas"
  readonly id: string
}

export interface ListModels {
  readonly _tag: "ListModels"
}

/** A file ID in a request body: where it stands, in bytes, and what it says. */
export interface FileReference {
  readonly id: string
  /** Such as `messages[2].content[0].file.file_id`. */
  readonly param: string
  readonly start: number
  readonly end: number
}

export interface ChatCompletion {
  readonly _tag: "ChatCompletion"
  /** The JSON body as the client sent it. */
  readonly body: InMemory
  readonly model: string
  /** Every place where the body says `model`, so that a deployment's own name can stand there. */
  readonly modelTokens: ReadonlyArray<{ readonly start: number; readonly end: number }>
  readonly files: ReadonlyArray<FileReference>
  readonly stream: boolean
}

export type Operation =
  | CreateFile
  | ListFiles
  | RetrieveFile
  | FileContent
  | DeleteFile
  | ListReplicas
  | ListModels
  | ChatCompletion

/** Operations that a deployment serves. */
export type ModelOperation = ChatCompletion
