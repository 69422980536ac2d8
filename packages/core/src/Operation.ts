/**
 * Every call that omnifile serves, as one union. Whoever handles operations switches over `_tag`, so that
 * a new operation does not compile until each of them has said what becomes of it.
 */
import type { BatchOperation, CreateBatch } from "./BatchOperation.ts"
import type { RangeRequest } from "./Bytes.ts"
import type { CreateFineTuningJob, FineTuningOperation } from "./FineTuningOperation.ts"
import type { Forward } from "./ForwardOperation.ts"
import type { Received } from "./Intake.ts"
import type { InputPurpose, Purpose } from "./ManagedFile.ts"
import type { CountTokens, CreateMessage } from "./MessageOperation.ts"
import type { ModelRequest } from "./ModelRequest.ts"
import type { CreateResponse, ResponseOperation } from "./ResponseOperation.ts"
import type { UploadOperation } from "./UploadOperation.ts"
import type { ReadUsage } from "./UsageOperation.ts"

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

/** A chat completion in OpenAI's wire format. */
export interface ChatCompletion extends ModelRequest {
  readonly _tag: "ChatCompletion"
}

export type FileOperation = CreateFile | ListFiles | RetrieveFile | FileContent | DeleteFile | ListReplicas | ListModels

/** Operations whose body goes to a deployment as the client wrote it, but for a few places. */
export type ModelOperation = ChatCompletion | CreateResponse | CreateMessage | CountTokens | Forward

/** Operations for which a deployment is chosen. */
export type RoutedOperation = ModelOperation | CreateBatch | CreateFineTuningJob

export type Operation =
  | FileOperation
  | ModelOperation
  | BatchOperation
  | FineTuningOperation
  | ResponseOperation
  | UploadOperation
  | ReadUsage
