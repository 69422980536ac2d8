/** The Fine-tuning API, as effects: what each operation promises, whoever calls and over whatever wire. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Access from "./Access.ts"
import { type CallError, ContentUnavailable, invalid } from "./CallError.ts"
import type { Catalog } from "./Catalog.ts"
import * as Failover from "./Failover.ts"
import * as FineTuningCreation from "./FineTuningCreation.ts"
import type { FineTuningAnswers, FineTuningOperation, ListFineTuningJobs } from "./FineTuningOperation.ts"
import type { Call } from "./Hooks.ts"
import type { ForeignBatchEnd } from "./ForeignBatchEnd.ts"
import type { Idempotency } from "./Idempotency.ts"
import type { Instance } from "./Instance.ts"
import type { Job } from "./Job.ts"
import * as JobProtocol from "./JobProtocol.ts"
import * as JobRefresh from "./JobRefresh.ts"
import { Jobs } from "./Jobs.ts"
import type { JobSync } from "./JobSync.ts"
import { isObject, type JsonObject, parseObject } from "./Json.ts"
import type { Principal } from "./Principal.ts"
import type { Decoded, FineTuningProtocol, ProviderCall } from "./Provider.ts"
import type { Registry } from "./Registry.ts"
import type { Replication } from "./Replication.ts"
import type { SplitEnd } from "./SplitEnd.ts"
import type { UnifiedIds } from "./UnifiedId.ts"
import { Upstream } from "./Upstream.ts"

type Answer = FineTuningAnswers[FineTuningOperation["_tag"]]

export class FineTuning extends Context.Service<
  FineTuning,
  {
    /**
     * A job that is over is answered from its record; of any other the provider is asked, and while it does not answer
     * the last that is known stands. A list of jobs asks nobody; events and checkpoints are the provider's own.
     */
    readonly run: (call: Call<FineTuningOperation>) => Effect.Effect<Answer, CallError, Scope.Scope>
  }
>()("@omnifile/core/FineTuning") {}

const kind = "fine_tuning_job"

/** What went wrong is said in the provider's words, which may name files. */
const objectOf = (job: Job): JsonObject => {
  const object = parseObject(job.object) ?? {}
  const { error } = object
  if (!isObject(error) || typeof error["message"] !== "string") return object
  return { ...object, error: { ...error, message: JobProtocol.inOurTerms(job, error["message"]) } }
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

/** Messages name the job and its files. */
const eventOf = (event: JsonObject, job: Job): JsonObject => {
  const { message } = event
  return typeof message === "string" ? { ...event, message: JobProtocol.inOurTerms(job, message) } : event
}

const checkpointOf = (checkpoint: JsonObject, { id }: Job): JsonObject => ({ ...checkpoint, fine_tuning_job_id: id })

const make = Effect.gen(function* () {
  const creation = yield* FineTuningCreation.make
  const jobs = yield* Jobs
  const { act, current, refresh } = yield* JobRefresh.make
  const upstream = yield* Upstream

  const find = (principal: Principal, id: string) => jobs.find(principal, kind, id)

  /** Where the job lies, and what is spoken there. */
  const placeOf = Effect.fnUntraced(function* (job: Job) {
    const target = yield* jobs.target(job)
    const protocol = target.provider.fineTuning
    if (protocol !== null && job.remoteId !== null) return { target, protocol, remoteId: job.remoteId }
    const message = `The account ${job.account}, where this lies, speaks no fine-tuning any more.`
    return yield* new ContentUnavailable({ id: job.id ?? "", message })
  })

  const change = Effect.fnUntraced(function* (principal: Principal, id: string, name: "cancel" | "pause" | "resume") {
    const job = yield* find(principal, id)
    if (job.state === "ended") {
      const message = `The job ${id} cannot be changed any more: its status is ${String(objectOf(job)["status"])}.`
      return yield* invalid(message, null, "invalid_job_status")
    }
    const { protocol } = yield* placeOf(job)
    return yield* act(job, (_, remoteId) => protocol[name](remoteId)).pipe(
      // It may have been refused because the job has ended: then this is to be seen.
      Effect.tapErrorTag("ProviderRefused", () => Effect.ignore(refresh(job)))
    )
  })

  const cursor = (principal: Principal, after: string | null) =>
    after === null
      ? Effect.succeed(null)
      : jobs
          .find(principal, kind, after)
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
    callOf: (protocol: FineTuningProtocol, remoteId: string) => ProviderCall,
    translate: (item: JsonObject, job: Job) => JsonObject
  ) {
    const job = yield* find(principal, id)
    const { protocol, remoteId, target } = yield* placeOf(job)
    const page = yield* upstream
      .request(target, Effect.succeed(callOf(protocol, remoteId)), decodeList)
      .pipe(Effect.mapError((error) => Failover.refusal(JobProtocol.translate(job)(error))))
    return { ...page, objects: page.objects.map((item) => translate(item, job)) }
  })

  return FineTuning.of({
    run: ({ operation, ...call }) => {
      const { principal } = call
      switch (operation._tag) {
        case "CreateFineTuningJob":
          return Effect.map(creation.create({ ...call, operation }), (job) => ({
            _tag: operation._tag,
            object: objectOf(job)
          }))
        case "RetrieveFineTuningJob":
          return find(principal, operation.id).pipe(
            Effect.flatMap(current),
            Effect.map((job) => ({ _tag: operation._tag, object: objectOf(job) }))
          )
        case "CancelFineTuningJob":
          return Effect.map(change(principal, operation.id, "cancel"), (job) => ({
            _tag: operation._tag,
            object: objectOf(job)
          }))
        case "PauseFineTuningJob":
          return Effect.map(change(principal, operation.id, "pause"), (job) => ({
            _tag: operation._tag,
            object: objectOf(job)
          }))
        case "ResumeFineTuningJob":
          return Effect.map(change(principal, operation.id, "resume"), (job) => ({
            _tag: operation._tag,
            object: objectOf(job)
          }))
        case "ListFineTuningJobs":
          return Effect.map(list(principal, operation), (page) => ({ _tag: operation._tag, ...page }))
        case "ListFineTuningEvents":
          return Effect.map(
            listOf(principal, operation.id, (protocol, id) => protocol.events(id, operation.query), eventOf),
            (page) => ({ _tag: operation._tag, ...page })
          )
        case "ListFineTuningCheckpoints":
          return Effect.map(
            listOf(principal, operation.id, (protocol, id) => protocol.checkpoints(id, operation.query), checkpointOf),
            (page) => ({ _tag: operation._tag, ...page })
          )
      }
    }
  })
})

export const layer: Layer.Layer<
  FineTuning,
  never,
  | Catalog
  | Failover.Failover
  | ForeignBatchEnd
  | Idempotency
  | Instance
  | Jobs
  | JobSync
  | Registry
  | Replication
  | SplitEnd
  | UnifiedIds
  | Upstream
> = Layer.effect(FineTuning, make)
