/** Batches of the Together API: a job in an object that may warn, states in capitals, and lists that are bare arrays. */
import type { Batch, Status } from "../openai/Batches.ts"
import * as Batches from "../openai/Batches.ts"
import * as Chat from "../openai/Chat.ts"
import type { Route } from "../openai/Route.ts"

const statuses: Readonly<Record<Status, string>> = {
  validating: "VALIDATING",
  in_progress: "IN_PROGRESS",
  completed: "COMPLETED",
  failed: "FAILED",
  expired: "EXPIRED",
  cancelling: "CANCELLED",
  cancelled: "CANCELLED"
}

const time = (seconds: number): string => new Date(seconds * 1000).toISOString()

const toObject = (batch: Batch): Readonly<Record<string, unknown>> => ({
  id: batch.id,
  user_id: "emulated",
  input_file_id: batch.inputFileId,
  file_size_bytes: 0,
  status: statuses[batch.status],
  progress: batch.status === "completed" ? 100 : 0,
  job_deadline: time(batch.createdAt + 86_400),
  created_at: time(batch.createdAt),
  endpoint: batch.endpoint,
  ...(batch.endedAt === null ? {} : { completed_at: time(batch.endedAt) }),
  ...(batch.errors.length === 0 ? {} : { error: batch.errors[0]?.message }),
  ...(batch.outputFileId === null ? {} : { output_file_id: batch.outputFileId }),
  ...(batch.errorFileId === null ? {} : { error_file_id: batch.errorFileId })
})

export const { control } = Batches

export const routes: ReadonlyArray<Route> = Batches.make({
  fields: ["input_file_id", "endpoint", "completion_window", "model_id", "priority"],
  required: ["input_file_id", "endpoint"],
  purpose: "batch-api",
  chat: Chat.withoutFiles,
  toObject,
  created: (job) => ({ job }),
  listed: (jobs) => jobs
})
