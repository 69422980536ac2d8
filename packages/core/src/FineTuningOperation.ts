/** The Fine-tuning API as operations: https://platform.openai.com/docs/api-reference/fine-tuning */
import type { NamesJob, ObjectAnswer, PageAnswer, PageQuery } from "./JobOperation.ts"
import type { JsonObject } from "./Json.ts"

/** The fields of a request that name files. */
export type DataField = "training_file" | "validation_file"

export interface CreateFineTuningJob {
  readonly _tag: "CreateFineTuningJob"
  /** The request; fields that omnifile does not know go on as they are. */
  readonly body: JsonObject
  readonly model: string
  /** The files that the request names, with the field of each as `param`. */
  readonly files: ReadonlyArray<{ readonly id: string; readonly param: DataField }>
  readonly idempotencyKey: string | null
}

export interface RetrieveFineTuningJob extends NamesJob {
  readonly _tag: "RetrieveFineTuningJob"
}

export interface CancelFineTuningJob extends NamesJob {
  readonly _tag: "CancelFineTuningJob"
}

export interface PauseFineTuningJob extends NamesJob {
  readonly _tag: "PauseFineTuningJob"
}

export interface ResumeFineTuningJob extends NamesJob {
  readonly _tag: "ResumeFineTuningJob"
}

export interface ListFineTuningJobs extends PageQuery {
  readonly _tag: "ListFineTuningJobs"
  /** Pairs that a job's metadata must have, or null for any. */
  readonly metadata: ReadonlyArray<readonly [string, string]> | null
}

/** Events and checkpoints are the provider's own lists: the query goes on as it is. */
export interface ListFineTuningEvents extends NamesJob {
  readonly _tag: "ListFineTuningEvents"
  readonly query: string
}

export interface ListFineTuningCheckpoints extends NamesJob {
  readonly _tag: "ListFineTuningCheckpoints"
  readonly query: string
}

export type FineTuningOperation =
  | CreateFineTuningJob
  | RetrieveFineTuningJob
  | CancelFineTuningJob
  | PauseFineTuningJob
  | ResumeFineTuningJob
  | ListFineTuningJobs
  | ListFineTuningEvents
  | ListFineTuningCheckpoints

export interface FineTuningAnswers {
  readonly CreateFineTuningJob: ObjectAnswer<"CreateFineTuningJob">
  readonly RetrieveFineTuningJob: ObjectAnswer<"RetrieveFineTuningJob">
  readonly CancelFineTuningJob: ObjectAnswer<"CancelFineTuningJob">
  readonly PauseFineTuningJob: ObjectAnswer<"PauseFineTuningJob">
  readonly ResumeFineTuningJob: ObjectAnswer<"ResumeFineTuningJob">
  readonly ListFineTuningJobs: PageAnswer<"ListFineTuningJobs">
  readonly ListFineTuningEvents: PageAnswer<"ListFineTuningEvents">
  readonly ListFineTuningCheckpoints: PageAnswer<"ListFineTuningCheckpoints">
}
