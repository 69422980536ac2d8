/** The Fine-tuning API, as effects: what each operation promises, whoever calls and over whatever wire. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Access from "./Access.ts"
import { type CallError, ContentUnavailable, invalid, RateLimited } from "./CallError.ts"
import { refusal } from "./Failover.ts"
import * as FineTuningCreation from "./FineTuningCreation.ts"
import type { FineTuningAnswers, FineTuningOperation, ListFineTuningJobs } from "./FineTuningOperation.ts"
import type { Call } from "./Hooks.ts"
import type { Job } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import { JobSync } from "./JobSync.ts"
import * as JobTerms from "./JobTerms.ts"
import * as LostJobs from "./LostJobs.ts"
import { isObject, type JsonObject, parseObject } from "./Json.ts"
import type { Principal } from "./Principal.ts"
import type { Decoded, FineTuningProtocol, ProviderCall } from "./Provider.ts"
import type { ProviderError } from "./ProviderError.ts"
import type { StorageError } from "./StorageError.ts"
import { Upstream } from "./Upstream.ts"

type Answer = FineTuningAnswers[FineTuningOperation["_tag"]]

export class FineTuning extends Context.Service<
  FineTuning,
  {
    readonly run: (call: Call<FineTuningOperation>) => Effect.Effect<Answer, CallError>
    /**
     * Asks the provider how an unfinished job stands, and records it. One that is still being created, and that
     * nobody has in hand, is looked for: it is then as it was found, or its row is gone.
     */
    readonly refresh: (job: Job) => Effect.Effect<Job, ProviderError | StorageError | ContentUnavailable>
  }
>()("@omnifile/core/FineTuning") {}

const kind = "fine_tuning_job"

/** What went wrong is said in the provider's words, which name files. */
const objectOf = (job: Job): JsonObject => {
  const object = parseObject(job.object) ?? {}
  const { error } = object
  if (!isObject(error) || typeof error["message"] !== "string") return object
  return { ...object, error: { ...error, message: JobTerms.text(JobTerms.ofJob(job), error["message"]) } }
}

/** Rows that are looked through at once when only some of them are wanted. */
const sieve = 100

interface RemoteList {
  readonly objects: ReadonlyArray<JsonObject>
  readonly hasMore: boolean
}

const decodeList = (body: unknown): Decoded<RemoteList> =>
  isObject(body) && Array.isArray(body["data"]) && body["data"].every(isObject)
    ? Result.succeed({ objects: body["data"], hasMore: body["has_more"] === true })
    : Result.fail("no list")

/** There is no other account to turn to. */
const refused = (error: ProviderError): CallError =>
  error.reason._tag === "Throttled"
    ? new RateLimited({ message: `The account ${error.account} is rate limited.`, retryAfter: error.reason.retryAfter })
    : refusal(error)

const make = Effect.gen(function* () {
  const creation = yield* FineTuningCreation.FineTuningCreation
  const jobs = yield* Jobs
  const lost = yield* LostJobs.LostJobs
  const sync = yield* JobSync
  const upstream = yield* Upstream

  /** Where the job lies, and what is spoken there. */
  const placeOf = Effect.fnUntraced(function* (job: Job) {
    const target = yield* jobs.target(job)
    const protocol = target.provider.fineTuning
    if (protocol !== null && job.remoteId !== null) return { target, protocol, remoteId: job.remoteId }
    const message = `The account ${job.account}, where this lies, speaks no fine-tuning any more.`
    return yield* new ContentUnavailable({ id: job.id ?? "", message })
  })

  type Ask = (protocol: FineTuningProtocol, remoteId: string) => ProviderCall

  const ask = Effect.fnUntraced(function* <A>(
    job: Job,
    call: Ask,
    decode: (protocol: FineTuningProtocol) => (body: unknown) => Decoded<A>
  ) {
    const { protocol, remoteId, target } = yield* placeOf(job)
    return yield* upstream
      .request(target, Effect.succeed(call(protocol, remoteId)), decode(protocol))
      .pipe(Effect.mapError((error) => JobTerms.error(JobTerms.ofJob(job), error)))
  })

  const snapshot = Effect.fnUntraced(function* (job: Job, call: Ask) {
    return yield* sync.apply(job, yield* ask(job, call, ({ decode }) => decode))
  })

  /** One whose create was left behind is looked for. */
  const recover = (job: Job) =>
    Effect.map(lost.settle(job), (settlement) => (settlement._tag === "Found" ? settlement.job : job))

  const refresh = (job: Job) =>
    job.state === "creating" ? recover(job) : snapshot(job, (protocol, id) => protocol.retrieve(id))

  const find = (principal: Principal, id: string) => jobs.find(principal, kind, id)

  /** As the provider has it now; as it was last seen, if the provider does not say. */
  const retrieve = Effect.fnUntraced(function* (principal: Principal, id: string) {
    const job = yield* find(principal, id)
    if (job.state === "ended") return job
    return yield* refresh(job).pipe(
      Effect.catchTag(["ProviderError", "ContentUnavailable"], (error) =>
        Effect.as(Effect.logWarning("A fine-tuning job is shown as it was last seen", error), job)
      )
    )
  })

  const act = Effect.fnUntraced(function* (principal: Principal, id: string, call: Ask) {
    const job = yield* find(principal, id)
    if (job.state === "ended") return yield* invalid(`The job ${id} has ended.`, null, "invalid_job_status")
    return yield* snapshot(job, call).pipe(
      Effect.catchTag("ProviderError", (error) =>
        // It may have been refused because the job has ended: then this is to be seen.
        (error.reason._tag === "Rejected" ? Effect.ignore(refresh(job)) : Effect.void).pipe(
          Effect.andThen(Effect.fail(refused(error)))
        )
      )
    )
  })

  const cursor = (principal: Principal, after: string | null) =>
    after === null
      ? Effect.succeed(null)
      : jobs
          .find(principal, kind, after, "after")
          .pipe(
            Effect.catchTag("NotFound", () =>
              Effect.fail(invalid("There is no such fine-tuning job to continue after.", "after"))
            )
          )

  const list = Effect.fnUntraced(function* (principal: Principal, { after, limit, metadata }: ListFineTuningJobs) {
    const scopes = Access.scopesOfPrincipal(principal)
    const isWanted = (object: JsonObject): boolean =>
      metadata === null ||
      metadata.every(([key, value]) => isObject(object["metadata"]) && object["metadata"][key] === value)
    const objects: Array<JsonObject> = []
    let last = yield* cursor(principal, after)
    while (objects.length <= limit) {
      const wanted = metadata === null ? limit + 1 : sieve
      const page = yield* jobs.list({ scopes, kind, after: last, limit: wanted })
      objects.push(...page.map(objectOf).filter(isWanted))
      last = page.at(-1) ?? null
      if (page.length < wanted) break
    }
    return { objects: objects.slice(0, limit), hasMore: objects.length > limit }
  })

  /** A list that the provider keeps of a job, item by item in the client's terms. */
  const listOf = Effect.fnUntraced(function* (
    principal: Principal,
    id: string,
    call: Ask,
    translate: (item: JsonObject, job: Job) => JsonObject
  ) {
    const job = yield* find(principal, id)
    const page = yield* ask(job, call, () => decodeList).pipe(
      Effect.catchTag("ProviderError", (error) => Effect.fail(refused(error)))
    )
    return { ...page, objects: page.objects.map((item) => translate(item, job)) }
  })

  /** Messages name the job and its files. */
  const eventOf = (event: JsonObject, job: Job): JsonObject => {
    const { message } = event
    return typeof message === "string" ? { ...event, message: JobTerms.text(JobTerms.ofJob(job), message) } : event
  }

  const run = ({ operation, principal, ...call }: Call<FineTuningOperation>): Effect.Effect<Answer, CallError> => {
    const { _tag } = operation
    const answer = (job: Effect.Effect<Job, CallError>) =>
      Effect.map(job, (found): Answer => ({ _tag, object: objectOf(found) }) as Answer)
    switch (_tag) {
      case "CreateFineTuningJob":
        return answer(creation.create({ ...call, operation, principal }))
      case "RetrieveFineTuningJob":
        return answer(retrieve(principal, operation.id))
      case "CancelFineTuningJob":
        return answer(act(principal, operation.id, (protocol, id) => protocol.cancel(id)))
      case "PauseFineTuningJob":
        return answer(act(principal, operation.id, (protocol, id) => protocol.pause(id)))
      case "ResumeFineTuningJob":
        return answer(act(principal, operation.id, (protocol, id) => protocol.resume(id)))
      case "ListFineTuningJobs":
        return Effect.map(list(principal, operation), (page) => ({ _tag, ...page }))
      case "ListFineTuningEvents":
        return Effect.map(
          listOf(principal, operation.id, (protocol, id) => protocol.events(id, operation.query), eventOf),
          (page) => ({ _tag, ...page })
        )
      case "ListFineTuningCheckpoints":
        return Effect.map(
          listOf(
            principal,
            operation.id,
            (protocol, id) => protocol.checkpoints(id, operation.query),
            (checkpoint) => ({ ...checkpoint, fine_tuning_job_id: operation.id })
          ),
          (page) => ({ _tag, ...page })
        )
    }
  }

  return FineTuning.of({ run, refresh })
})

export const layer = Layer.effect(FineTuning, make).pipe(
  Layer.provide(FineTuningCreation.layer),
  Layer.provide(LostJobs.layer)
)
