/** The Batch API as operations: https://platform.openai.com/docs/api-reference/batch */
import type { NamesJob, ObjectAnswer, PageAnswer, PageQuery } from "./JobOperation.ts"
import type { JsonObject } from "./Json.ts"

export interface CreateBatch {
  readonly _tag: "CreateBatch"
  /** The request; fields that omnifile does not know go on as they are. */
  readonly body: JsonObject
  readonly inputFile: { readonly id: string; readonly param: string }
  /** The model that the request asks for beside its lines, or null. */
  readonly model: string | null
  /** Whether the lines may be dealt out over several deployments. Default: no. */
  readonly split?: boolean | undefined
  readonly idempotencyKey: string | null
}

export interface RetrieveBatch extends NamesJob {
  readonly _tag: "RetrieveBatch"
}

export interface CancelBatch extends NamesJob {
  readonly _tag: "CancelBatch"
}

export interface ListBatches extends PageQuery {
  readonly _tag: "ListBatches"
}

export type BatchOperation = CreateBatch | RetrieveBatch | CancelBatch | ListBatches

export interface BatchAnswers {
  readonly CreateBatch: ObjectAnswer<"CreateBatch">
  readonly RetrieveBatch: ObjectAnswer<"RetrieveBatch">
  readonly CancelBatch: ObjectAnswer<"CancelBatch">
  readonly ListBatches: PageAnswer<"ListBatches">
}
