/**
 * Responses that a provider keeps, as effects: what each operation promises, whoever calls and over whatever wire. They
 * are asked for where they lie; what we keep is whose they are.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { responsePaths } from "./AnswerIds.ts"
import * as AnswerTranslation from "./AnswerTranslation.ts"
import { type CallError, ContentUnavailable, NotFound, ProviderRefused, RateLimited } from "./CallError.ts"
import type { Catalog } from "./Catalog.ts"
import { refusal } from "./Failover.ts"
import type { Call } from "./Hooks.ts"
import type { Idempotency } from "./Idempotency.ts"
import type { Job } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import type { ModelCalls, Send } from "./ModelCalls.ts"
import type { OutputFiles } from "./OutputFiles.ts"
import type { ProviderCall, ResponseProtocol } from "./Provider.ts"
import type { ProviderError } from "./ProviderError.ts"
import * as ResponseCreation from "./ResponseCreation.ts"
import type { CreateResponse, ResponseAnswers, ResponseOperation } from "./ResponseOperation.ts"
import type { ServedAnswer } from "./ServedAnswer.ts"
import type { Sha256 } from "./Sha256.ts"
import type { UnifiedIds } from "./UnifiedId.ts"
import { Upstream } from "./Upstream.ts"

type Answer = ResponseAnswers[ResponseOperation["_tag"]]

export class Responses extends Context.Service<
  Responses,
  {
    /**
     * The response of a deployment, recorded with its owner unless it is not to be stored. Under an idempotency key that
     * has been used for the same request, the response of that time. `send` makes the call to the provider, unless it
     * is given by `Upstream`.
     */
    readonly create: (
      call: Call<CreateResponse>,
      send?: Send
    ) => Effect.Effect<ServedAnswer<"CreateResponse">, CallError, Scope.Scope>
    readonly run: (call: Call<ResponseOperation>) => Effect.Effect<Answer, CallError, Scope.Scope>
  }
>()("@omnifile/core/Responses") {}

/** Before a second try; each further one waits twice as long. */
const firstPause = Duration.millis(250)

const make = Effect.gen(function* () {
  const create = yield* ResponseCreation.make
  const jobs = yield* Jobs
  const translation = yield* AnswerTranslation.make
  const upstream = yield* Upstream

  /** Calls the account where the response lies: there is no other to turn to, so it is tried again. */
  const send = Effect.fnUntraced(function* (
    job: Job,
    callOf: (protocol: ResponseProtocol, remoteId: string) => ProviderCall
  ) {
    const target = yield* jobs.target(job)
    const { responses } = target.provider
    if (responses === null || job.remoteId === null) {
      const message = `The account ${job.account}, where this lies, has no responses.`
      return yield* new ContentUnavailable({ id: job.id ?? "", message })
    }
    return yield* Effect.retry(upstream.send(target, callOf(responses, job.remoteId)), {
      times: target.account.policy.attempts - 1,
      while: ({ reason, retryable }) => retryable && reason._tag !== "Throttled",
      schedule: Schedule.exponential(firstPause)
    })
  })

  const relayed = Effect.fnUntraced(function* (
    job: Job,
    callOf: (protocol: ResponseProtocol, remoteId: string) => ProviderCall
  ) {
    const response = yield* send(job, callOf).pipe(
      Effect.catchTag("ProviderError", (error) => Effect.fail(failureOf(job, error)))
    )
    return yield* translation.translate(response, responsePaths, {
      owner: job.owner,
      account: job.account,
      deployment: job.deployment,
      modelName: job.modelName,
      known: new Map([[job.remoteId ?? "", job.id ?? ""]]),
      store: false,
      row: null
    })
  })

  const remove = Effect.fnUntraced(function* (job: Job) {
    yield* Effect.scoped(send(job, ({ remove }, id) => remove(id))).pipe(
      Effect.catchTag("ProviderError", (error) => (error.absent ? Effect.void : Effect.fail(failureOf(job, error))))
    )
    yield* jobs.modify(job.key, () => null)
    return { id: job.id ?? "", object: "response", deleted: true }
  })

  const run = Effect.fnUntraced(function* ({ operation, principal }: Call<ResponseOperation>) {
    const job = yield* jobs.find(principal, "response", operation.id)
    const { _tag } = operation
    switch (_tag) {
      case "RetrieveResponse":
        return { _tag, response: yield* relayed(job, ({ retrieve }, id) => retrieve(id, operation.query)) }
      case "ListInputItems":
        return { _tag, response: yield* relayed(job, ({ inputItems }, id) => inputItems(id, operation.query)) }
      case "CancelResponse":
        return { _tag, response: yield* relayed(job, ({ cancel }, id) => cancel(id)) }
      case "DeleteResponse":
        return { _tag, object: yield* remove(job) }
    }
  })

  const replay: ResponseCreation.Replay = (job, stream) =>
    relayed(job, ({ retrieve }, id) => retrieve(id, stream ? "stream=true" : ""))

  return Responses.of({ run, create: (call, send) => create(call, send, replay) })
})

/** A provider's refusal or failure, in the client's terms. */
const failureOf = (job: Job, error: ProviderError): CallError => {
  if (error.absent) return new NotFound({ id: job.id ?? "", param: null, object: "Response" })
  if (error.reason._tag === "Throttled") {
    return new RateLimited({ message: "The provider asks to wait.", retryAfter: error.reason.retryAfter })
  }
  const failure = refusal(error)
  if (failure._tag !== "ProviderRefused" || job.remoteId === null || job.id === null) return failure
  return new ProviderRefused({ ...failure, message: failure.message.replaceAll(job.remoteId, job.id) })
}

export const layer: Layer.Layer<
  Responses,
  never,
  Catalog | Idempotency | Jobs | ModelCalls | OutputFiles | Sha256 | UnifiedIds | Upstream
> = Layer.effect(Responses, make)
