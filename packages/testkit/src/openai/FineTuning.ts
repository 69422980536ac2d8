/**
 * `/v1/fine_tuning/jobs`: create, retrieve, list, cancel, pause, resume, events, checkpoints. A job makes one step
 * whenever a test advances its account; what it trains on is read from the account's own files, and its result file
 * tells their digests: so one sees that the files really are in that account.
 */
import * as Account from "./Account.ts"
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import { isRecord, missing, wrongType } from "./Chat.ts"
import { integer } from "./Files.ts"
import type { StoredFile } from "./FileStore.ts"
import { advanceJob, type Job, newEvent, statusesThatEnd } from "./FineTuningJob.ts"
import type { Exchange } from "./Http.ts"
import { newId } from "./Ids.ts"
import { requireModel } from "./Models.ts"
import { bodiless, withJson } from "./Receiving.ts"
import type { Route } from "./Route.ts"

interface State {
  /** Oldest first. */
  readonly jobs: Map<string, Job>
  stepsWhenAsked: boolean
}

const key: Account.StateKey<State> = {
  symbol: Symbol("fine-tuning"),
  make: () => ({ jobs: new Map(), stepsWhenAsked: false })
}
const jobsOf = (account: Account.Account): Map<string, Job> => Account.of(account, key).jobs

const step = (job: Job, account: Account.Account): void => advanceJob(job, account, Math.floor(account.now() / 1000))

/** Every unfinished job of the account makes one step. */
export const advance = (account: Account.Account): void => {
  for (const job of jobsOf(account).values()) step(job, account)
}

/** From now on a job makes a step whenever it is asked for, too. */
export const stepWhenAsked = (account: Account.Account): void => {
  Account.of(account, key).stepsWhenAsked = true
}

const refused = (message: string, param: string | null, code?: string): ApiError =>
  new ApiError(400, message, { ...(param === null ? {} : { param }), ...(code === undefined ? {} : { code }) })

const dataFile = (account: Account.Account, id: unknown, param: string): StoredFile => {
  if (typeof id !== "string") throw wrongType(param, "a string")
  const file = account.files.get(id)
  if (file === undefined) throw refused(`File '${id}' does not exist.`, param)
  if (file.purpose !== "fine-tune") {
    throw refused(`File '${id}' has purpose '${file.purpose}'; expected 'fine-tune'.`, param, "invalid_purpose")
  }
  return file
}

const mostPairs = 16

const metadataOf = (value: unknown): Readonly<Record<string, string>> | null => {
  if (value === undefined || value === null) return null
  if (!isRecord(value)) throw wrongType("metadata", "an object")
  const pairs = Object.entries(value)
  if (pairs.length > mostPairs) {
    throw refused(`Invalid 'metadata': too many properties. Expected at most ${mostPairs}.`, "metadata")
  }
  const checked: Record<string, string> = {}
  for (const [name, text] of pairs) {
    if (typeof text !== "string") throw wrongType(`metadata.${name}`, "a string")
    if (name.length > 64 || text.length > 512) throw refused(`Invalid 'metadata.${name}': too long.`, "metadata")
    checked[name] = text
  }
  return checked
}

const makeJob = ({ account, now }: Exchange, body: unknown): Job => {
  if (!isRecord(body)) throw new ApiError(400, "The request body must be a JSON object.")
  const { metadata, method, model, seed, suffix, training_file: training, validation_file: validation } = body
  if (model === undefined) throw missing("model")
  if (typeof model !== "string") throw wrongType("model", "a string")
  requireModel(account, model)
  if (training === undefined) throw missing("training_file")
  const trainingFile = dataFile(account, training, "training_file")
  const validationFile =
    validation === undefined || validation === null ? null : dataFile(account, validation, "validation_file")
  if (suffix !== undefined && suffix !== null && typeof suffix !== "string") throw wrongType("suffix", "a string")
  const createdAt = Math.floor(now() / 1000)
  const id = newId("ftjob-")
  return {
    id,
    model,
    createdAt,
    suffix: suffix ?? "",
    seed: typeof seed === "number" ? seed : 42,
    method: isRecord(method) ? method : { type: "supervised", supervised: { hyperparameters: { n_epochs: "auto" } } },
    metadata: metadataOf(metadata),
    trainingFile: trainingFile.id,
    validationFile: validationFile?.id ?? null,
    status: "validating_files",
    finishedAt: null,
    fineTunedModel: null,
    resultFiles: [],
    trainedTokens: null,
    error: null,
    events: [newEvent(createdAt, `Created fine-tuning job: ${id}`)],
    checkpoints: []
  }
}

const toObject = (job: Job): Record<string, unknown> => ({
  object: "fine_tuning.job",
  id: job.id,
  model: job.model,
  created_at: job.createdAt,
  finished_at: job.finishedAt,
  fine_tuned_model: job.fineTunedModel,
  organization_id: "org-emulated",
  result_files: job.resultFiles,
  status: job.status,
  validation_file: job.validationFile,
  training_file: job.trainingFile,
  hyperparameters: { n_epochs: 1, batch_size: 1, learning_rate_multiplier: 1 },
  trained_tokens: job.trainedTokens,
  error: job.error,
  integrations: [],
  seed: job.seed,
  estimated_finish: null,
  method: job.method,
  metadata: job.metadata
})

const requested = ({ account, params }: Exchange): Job => {
  const id = params["id"] ?? ""
  const job = jobsOf(account).get(id)
  if (job !== undefined) return job
  throw new ApiError(404, `Could not find fine tune: ${id}`, { param: "fine_tune_id", code: "fine_tune_not_found" })
}

const base = "/v1/fine_tuning/jobs"

const create: Route = {
  name: "fine_tuning.create",
  method: "POST",
  path: base,
  receive: withJson((exchange, parse) => {
    const job = makeJob(exchange, parse())
    jobsOf(exchange.account).set(job.id, job)
    return Answer.json(200, toObject(job))
  })
}

const retrieve: Route = {
  name: "fine_tuning.retrieve",
  method: "GET",
  path: `${base}/:id`,
  receive: bodiless((exchange) => {
    const job = requested(exchange)
    if (Account.of(exchange.account, key).stepsWhenAsked) step(job, exchange.account)
    return Answer.json(200, toObject(job))
  })
}

/** A page, newest first, of what is given oldest first. */
const page = <A extends { readonly id: string }>(
  { query }: Exchange,
  items: ReadonlyArray<A>,
  write: (item: A) => Record<string, unknown>,
  defaultLimit: number
): Answer.Answer => {
  const limit = integer("limit", query.get("limit") ?? String(defaultLimit), 1, 100)
  const after = query.get("after")
  const newestFirst = items.toReversed()
  const place = after === null ? -1 : newestFirst.findIndex(({ id }) => id === after)
  if (after !== null && place < 0) throw refused(`There is nothing called ${after} to continue after.`, "after")
  const rest = newestFirst.slice(place + 1)
  return Answer.json(200, {
    object: "list",
    data: rest.slice(0, limit).map(write),
    has_more: rest.length > limit
  })
}

const list: Route = {
  name: "fine_tuning.list",
  method: "GET",
  path: base,
  receive: bodiless((exchange) => {
    const wanted = [...exchange.query].flatMap(([name, value]) => {
      const key = /^metadata\[(.+)\]$/.exec(name)?.[1]
      return key === undefined ? [] : [[key, value] as const]
    })
    const chosen = [...jobsOf(exchange.account).values()].filter(({ metadata }) =>
      wanted.every(([key, value]) => metadata?.[key] === value)
    )
    return page(exchange, chosen, toObject, 20)
  })
}

/** A route that changes a job which has not ended. */
const action = (name: "cancel" | "pause" | "resume", perform: (job: Job, now: number) => void): Route => ({
  name: `fine_tuning.${name}`,
  method: "POST",
  path: `${base}/:id/${name}`,
  receive: bodiless((exchange) => {
    const job = requested(exchange)
    if (statusesThatEnd.has(job.status)) {
      throw refused(`Job has already completed: ${job.id} (${job.status}).`, null, "invalid_job_status")
    }
    perform(job, Math.floor(exchange.now() / 1000))
    return Answer.json(200, toObject(job))
  })
})

const cancel = action("cancel", (job, now) => {
  job.status = "cancelled"
  job.finishedAt = now
  job.events.push(newEvent(now, "Fine-tuning job was cancelled"))
})

const pause = action("pause", (job, now) => {
  if (job.status !== "running") throw refused("Only a running job can be paused.", null, "invalid_job_status")
  job.status = "paused"
  job.events.push(newEvent(now, "Fine-tuning job was paused"))
})

const resume = action("resume", (job, now) => {
  if (job.status !== "paused") throw refused("Only a paused job can be resumed.", null, "invalid_job_status")
  job.status = "queued"
  job.events.push(newEvent(now, "Fine-tuning job was resumed"))
})

const events: Route = {
  name: "fine_tuning.events",
  method: "GET",
  path: `${base}/:id/events`,
  receive: bodiless((exchange) =>
    page(
      exchange,
      requested(exchange).events,
      ({ createdAt, data, id, message, type }) => ({
        object: "fine_tuning.job.event",
        id,
        created_at: createdAt,
        level: "info",
        message,
        type,
        data
      }),
      20
    )
  )
}

const checkpoints: Route = {
  name: "fine_tuning.checkpoints",
  method: "GET",
  path: `${base}/:id/checkpoints`,
  receive: bodiless((exchange) => {
    const job = requested(exchange)
    return page(
      exchange,
      job.checkpoints,
      ({ createdAt, id, step }) => ({
        object: "fine_tuning.job.checkpoint",
        id,
        created_at: createdAt,
        fine_tuned_model_checkpoint: `${job.fineTunedModel ?? job.model}:ckpt-step-${step}`,
        fine_tuning_job_id: job.id,
        metrics: { step, train_loss: 1 / step, train_mean_token_accuracy: 1 - 1 / step },
        step_number: step
      }),
      10
    )
  })
}

export const routes: ReadonlyArray<Route> = [create, retrieve, list, cancel, pause, resume, events, checkpoints]
