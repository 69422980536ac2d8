/** What a batch of several parts is for its client, as one batch, by what its parts are. */
import type { Job, JobPart } from "./Job.ts"
import { isObject, type Json, type JsonObject, parseObject } from "./Json.ts"

/** A part, and its row if it has one. */
export interface PartState {
  readonly part: JobPart
  readonly job: Job | undefined
}

/** Why lines were never run. */
export interface Reason {
  readonly code: string
  readonly message: string
}

export const objectOf = (job: Pick<Job, "object">): JsonObject => parseObject(job.object) ?? {}

const numberOf = (value: Json | undefined): number => (typeof value === "number" ? value : 0)

const statusOf = ({ job }: PartState): string => (job === undefined ? "failed" : String(objectOf(job)["status"]))

export const isRunning = ({ job }: PartState): boolean => job !== undefined && job.state !== "ended"

/** Why no line of a part was run, where that is so; null for all others. */
export const reasonOf = (state: PartState): Reason | null => {
  const { job, part } = state
  if (job === undefined) {
    const message = part.refusal ?? "The creation of the batch broke off before these lines were given to a provider."
    return { code: part.refusal === null ? "batch_interrupted" : "batch_part_refused", message }
  }
  if (job.state !== "ended" || statusOf(state) !== "failed") return null
  const { errors } = objectOf(job)
  const list = isObject(errors) && Array.isArray(errors["data"]) ? errors["data"] : []
  const first = list.find(isObject)
  const { code, message } = first ?? {}
  return {
    code: typeof code === "string" ? code : "batch_failed",
    message: typeof message === "string" ? message : "The provider found fault with the batch as a whole."
  }
}

const countsOf = (state: PartState) => {
  const { job, part } = state
  if (reasonOf(state) !== null) return { completed: 0, failed: part.to - part.from }
  const counts = job === undefined ? undefined : objectOf(job)["request_counts"]
  const { completed, failed } = isObject(counts) ? counts : {}
  return { completed: numberOf(completed), failed: numberOf(failed) }
}

const requestCounts = (states: ReadonlyArray<PartState>): JsonObject => {
  const counts = states.map(countsOf)
  return {
    total: states.reduce((sum, { part }) => sum + part.to - part.from, 0),
    completed: counts.reduce((sum, { completed }) => sum + completed, 0),
    failed: counts.reduce((sum, { failed }) => sum + failed, 0)
  }
}

const seconds = (now: number): number => Math.floor(now / 1000)

/** Whether its client has asked for it to be cancelled. */
export const isCancelling = (batch: Pick<Job, "object">): boolean => objectOf(batch)["cancelling_at"] !== undefined

/** The batch while a part of it runs. */
export const progress = (batch: Job, states: ReadonlyArray<PartState>, now: number): JsonObject => {
  const known = objectOf(batch)
  const running = states.filter(isRunning)
  const isBegun = running.length < states.length || running.some((state) => statusOf(state) !== "validating")
  const started = isBegun && known["in_progress_at"] === undefined ? { in_progress_at: seconds(now) } : {}
  const status = isCancelling(batch) ? "cancelling" : isBegun ? "in_progress" : "validating"
  return { ...known, ...started, status, request_counts: requestCounts(states) }
}

/** The batch from the moment on at which its client wants it to stop. */
export const cancelling = (batch: Job, now: number): JsonObject => ({
  ...objectOf(batch),
  status: "cancelling",
  cancelling_at: seconds(now)
})

const endStatus = (batch: Job, states: ReadonlyArray<PartState>): "completed" | "failed" | "cancelled" | "expired" => {
  const ran = states.filter((state) => reasonOf(state) === null).map(statusOf)
  if (ran.length === 0) return "failed"
  if (ran.includes("cancelled") && isCancelling(batch)) return "cancelled"
  if (ran.includes("completed")) return "completed"
  return ran.includes("cancelled") ? "cancelled" : "expired"
}

/** Why the batch failed as a whole, one reason a part. */
const errorsOf = (states: ReadonlyArray<PartState>): JsonObject => ({
  object: "list",
  data: states.flatMap((state) => {
    const reason = reasonOf(state)
    return reason === null ? [] : [{ ...reason, line: null, param: null }]
  })
})

/** The batch when no part of it runs any more, but for its files. */
export const ended = (batch: Job, states: ReadonlyArray<PartState>, now: number): JsonObject => {
  const status = endStatus(batch, states)
  return {
    ...objectOf(batch),
    status,
    [`${status}_at`]: seconds(now),
    errors: status === "failed" ? errorsOf(states) : null,
    request_counts: requestCounts(states)
  }
}
