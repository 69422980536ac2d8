/**
 * A fine-tuning job and the steps that it makes: `validating_files`, `queued`, `running`, `succeeded`. Data that are
 * gone, or are no JSONL, fail it at the first.
 */
import type { Account } from "./Account.ts"
import type { StoredFile } from "./FileStore.ts"
import { newId } from "./Ids.ts"
import * as MadeContent from "./MadeContent.ts"

export type Status = "validating_files" | "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled"

export const statusesThatEnd: ReadonlySet<Status> = new Set<Status>(["succeeded", "failed", "cancelled"])

export interface JobEvent {
  readonly id: string
  /** Unix seconds, here and below. */
  readonly createdAt: number
  readonly message: string
  readonly type: "message" | "metrics"
  readonly data: Readonly<Record<string, unknown>> | null
}

export interface Checkpoint {
  readonly id: string
  readonly createdAt: number
  readonly step: number
}

export interface Job {
  readonly id: string
  readonly model: string
  readonly createdAt: number
  readonly suffix: string
  readonly seed: number
  readonly method: Readonly<Record<string, unknown>>
  readonly metadata: Readonly<Record<string, string>> | null
  readonly trainingFile: string
  readonly validationFile: string | null
  status: Status
  finishedAt: number | null
  fineTunedModel: string | null
  resultFiles: ReadonlyArray<string>
  trainedTokens: number | null
  error: { readonly code: string; readonly message: string; readonly param: string | null } | null
  /** Oldest first, and so the checkpoints. */
  readonly events: Array<JobEvent>
  readonly checkpoints: Array<Checkpoint>
}

export const newEvent = (
  createdAt: number,
  message: string,
  data: Readonly<Record<string, unknown>> | null = null
): JobEvent => ({ id: newId("ftevent-"), createdAt, message, type: data === null ? "message" : "metrics", data })

const bytesPerToken = 4
const steps = [1, 2, 3]

const isJsonLines = ({ content }: StoredFile): boolean => {
  // Content that is too large to be kept is believed.
  if (content === undefined) return true
  const lines = Buffer.from(content).toString("utf8").split("\n")
  try {
    return lines.filter((line) => line.trim() !== "").every((line) => typeof JSON.parse(line) === "object")
  } catch {
    return false
  }
}

/** What is wrong with a data file, if anything is. */
const faultOf = (account: Account, id: string | null, param: string): Job["error"] => {
  if (id === null) return null
  const file = account.files.get(id)
  const message =
    file === undefined ? `The file ${id} is gone.` : isJsonLines(file) ? null : `The file ${id} is no valid JSONL.`
  return message === null ? null : { code: `invalid_${param}`, message, param }
}

const end = (job: Job, status: "succeeded" | "failed", now: number, message: string): void => {
  job.status = status
  job.finishedAt = now
  job.events.push(newEvent(now, message))
}

const train = (job: Job, account: Account, now: number): void => {
  const files = [job.trainingFile, job.validationFile].flatMap((id) =>
    id === null ? [] : (account.files.get(id) ?? [])
  )
  const digests = files.map(({ sha256 }) => sha256)
  const content = Buffer.from(
    [
      "step,train_loss",
      ...steps.map((step) => `${step},${1 / step}`),
      ...digests.map((digest) => `# ${digest}`),
      ""
    ].join("\n")
  )
  const result = account.files.add({
    filename: "step_metrics.csv",
    contentType: "text/csv",
    purpose: "fine-tune-results",
    ...MadeContent.fieldsOf(content),
    livesSeconds: undefined,
    made: true
  })
  job.fineTunedModel = `ft:${job.model}:emulated:${job.suffix}:${job.id.slice(-8)}`
  job.resultFiles = [result.id]
  job.trainedTokens = Math.ceil((files[0]?.bytes ?? 0) / bytesPerToken)
  for (const step of steps) {
    job.checkpoints.push({ id: newId("ftckpt_"), createdAt: now, step })
    job.events.push(newEvent(now, `Step ${step}/${steps.length}`, { step, train_loss: 1 / step }))
  }
  end(job, "succeeded", now, "The job has successfully completed")
}

/** One step of a job that is neither paused nor over. `now` in Unix seconds. */
export const advanceJob = (job: Job, account: Account, now: number): void => {
  switch (job.status) {
    case "validating_files": {
      job.error =
        faultOf(account, job.trainingFile, "training_file") ?? faultOf(account, job.validationFile, "validation_file")
      if (job.error !== null) return end(job, "failed", now, job.error.message)
      job.status = "queued"
      return
    }
    case "queued":
      job.status = "running"
      job.events.push(newEvent(now, "Fine-tuning job started"))
      return
    case "running":
      return train(job, account, now)
    case "paused":
    case "succeeded":
    case "failed":
    case "cancelled":
      return
  }
}
