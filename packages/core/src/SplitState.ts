/** What a batch of several parts is for its client, as one batch, by what its parts are. */
import * as ForeignBatchResults from "./ForeignBatchResults.ts"
import { type Job, JobPart } from "./Job.ts"
import { isObject, type Json, type JsonObject, parseObject } from "./Json.ts"

/** A part, and its row if it has one. */
export interface PartState {
  readonly part: JobPart
  readonly job: Job | undefined
}

/** Why a line has no result. */
export interface Reason {
  readonly code: string
  readonly message: string
}

export const objectOf = (job: Pick<Job, "object">): JsonObject => parseObject(job.object) ?? {}

const numberOf = (value: Json | undefined): number => (typeof value === "number" ? value : 0)

const statusOf = ({ job }: PartState): string => (job === undefined ? "" : String(objectOf(job)["status"]))

/** Whether its client has asked for it to be cancelled. */
export const isCancelling = (batch: Pick<Job, "object">): boolean => objectOf(batch)["cancelling_at"] !== undefined

const isUnmade = ({ job, part }: PartState): boolean => job === undefined && part.refusal === null

/** Whether the part is still to come to a provider. */
export const isPending = (batch: Job, state: PartState): boolean => isUnmade(state) && !isCancelling(batch)

/** Whether something may yet come of the part. */
export const isRunning = (batch: Job, state: PartState): boolean =>
  state.job === undefined ? isPending(batch, state) : state.job.state !== "ended"

/** Whether no line of the part was run, nor ever will be. */
const isRefused = (state: PartState): boolean => {
  const { job, part } = state
  if (job === undefined) return part.refusal !== null
  return job.state === "ended" && statusOf(state) === "failed" && job.outputs.length === 0
}

/** Why a provider found fault with a batch as a whole. */
const faultOf = (job: Job): Reason => {
  const { errors } = objectOf(job)
  const list = isObject(errors) && Array.isArray(errors["data"]) ? errors["data"] : []
  const { code, message } = list.find(isObject) ?? {}
  return {
    code: typeof code === "string" ? code : "batch_failed",
    message: typeof message === "string" ? message : "The provider found fault with the batch as a whole."
  }
}

const { cancelled = ForeignBatchResults.lost } = ForeignBatchResults.missing

/**
 * A part that its provider has found faulty before it ran a line, as another one is to have it, under this key. Null for
 * all others: each stretch of lines gets a second chance, and no third.
 */
export const secondOf = (batch: Job, state: PartState, key: string): JobPart | null => {
  const { job, part } = state
  if (job === undefined || part.fault !== undefined || isCancelling(batch) || !isRefused(state)) return null
  const { from, to } = part
  return new JobPart({ key, from, to, fault: { account: job.account, ...faultOf(job) }, refusal: null })
}

/** Why those lines of a part that is over have no result which have none. */
export const reasonOf = (state: PartState): Reason => {
  const { job, part } = state
  if (job === undefined) {
    if (part.refusal === null) return cancelled
    const { code, message } = part.fault ?? { code: "batch_part_refused", message: part.refusal }
    return { code, message }
  }
  const status = statusOf(state)
  return status === "failed" ? faultOf(job) : (ForeignBatchResults.missing[status] ?? ForeignBatchResults.lost)
}

/** Requests that have a result, and that have none and never will. */
export interface Counts {
  readonly completed: number
  readonly failed: number
}

/** By what the provider says of the part. */
const countsOf = (state: PartState): Counts => {
  const { job, part } = state
  if (isRefused(state)) return { completed: 0, failed: part.to - part.from }
  const counts = job === undefined ? undefined : objectOf(job)["request_counts"]
  const { completed, failed } = isObject(counts) ? counts : {}
  return { completed: numberOf(completed), failed: numberOf(failed) }
}

const requestCounts = (states: ReadonlyArray<PartState>, { completed, failed }: Counts): JsonObject => ({
  total: states.reduce((sum, { part }) => sum + part.to - part.from, 0),
  completed,
  failed
})

const told = (states: ReadonlyArray<PartState>): Counts => {
  const counts = states.map(countsOf)
  return {
    completed: counts.reduce((sum, { completed }) => sum + completed, 0),
    failed: counts.reduce((sum, { failed }) => sum + failed, 0)
  }
}

const seconds = (now: number): number => Math.floor(now / 1000)

/** The batch while a part of it runs. */
export const progress = (batch: Job, states: ReadonlyArray<PartState>, now: number): JsonObject => {
  const known = objectOf(batch)
  const isBegun = states.some(
    (state) => state.job !== undefined && state.job.state !== "creating" && statusOf(state) !== "validating"
  )
  const started = isBegun && known["in_progress_at"] === undefined ? { in_progress_at: seconds(now) } : {}
  const isOn = isBegun || known["in_progress_at"] !== undefined
  const status = isCancelling(batch) ? "cancelling" : isOn ? "in_progress" : "validating"
  return { ...known, ...started, status, request_counts: requestCounts(states, told(states)) }
}

/** The batch from the moment on at which its client wants it to stop. */
export const cancelling = (batch: Job, now: number): JsonObject => ({
  ...objectOf(batch),
  status: "cancelling",
  cancelling_at: seconds(now)
})

/** The batch while its files are put together. */
export const finalizing = (batch: Job, now: number): JsonObject => {
  const known = objectOf(batch)
  return { ...known, finalizing_at: known["finalizing_at"] ?? seconds(now), status: "finalizing" }
}

type EndStatus = "completed" | "failed" | "cancelled" | "expired"

/** As what the batch ends whose parts are over: by the part that was stopped first, if any was. */
export const endStatus = (states: ReadonlyArray<PartState>): EndStatus => {
  const statuses = states.filter((state) => !isRefused(state)).map(statusOf)
  if (statuses.length === 0) return "failed"
  if (statuses.includes("cancelled") || states.some(isUnmade)) return "cancelled"
  return statuses.includes("expired") ? "expired" : "completed"
}

/** Why the batch failed as a whole, one reason a part. */
const errorsOf = (states: ReadonlyArray<PartState>): JsonObject => ({
  object: "list",
  data: states.map((state) => ({ ...reasonOf(state), line: null, param: null }))
})

/** The batch when all is over; `counts` are those of its files, where it has any. */
export const ended = (batch: Job, states: ReadonlyArray<PartState>, counts: Counts | null, now: number): JsonObject => {
  const status = endStatus(states)
  return {
    ...objectOf(batch),
    status,
    [`${status}_at`]: seconds(now),
    errors: status === "failed" ? errorsOf(states) : null,
    request_counts: requestCounts(states, counts ?? told(states))
  }
}
