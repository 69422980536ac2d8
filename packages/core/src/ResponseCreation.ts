/**
 * Responses being made: the call to a deployment, and the row that says whose the response is, which stands before the
 * client reads its ID. Under an `Idempotency-Key` the row stands from before the call.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Access from "./Access.ts"
import { Deployment } from "./Account.ts"
import { responsePaths } from "./AnswerIds.ts"
import * as AnswerTranslation from "./AnswerTranslation.ts"
import type { CallError } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import type { Call } from "./Hooks.ts"
import type { TransportResponse } from "./HttpTransport.ts"
import { type Holder, Idempotency } from "./Idempotency.ts"
import { draft, type Job, update } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import { ModelCalls, type Send } from "./ModelCalls.ts"
import { idempotencyChange, type IdempotencyRecord } from "./RegistryRecords.ts"
import type { CreateResponse } from "./ResponseOperation.ts"
import type { Served, ServedAnswer } from "./ServedAnswer.ts"
import { Sha256 } from "./Sha256.ts"
import { isConflict, StorageError } from "./StorageError.ts"
import * as Uuid from "./Uuid.ts"

/** Gets a response again that an equal request has made. */
export type Replay = (job: Job, stream: boolean) => Effect.Effect<TransportResponse, CallError, Scope.Scope>

/** No provider takes longer to begin its answer. After it, a row without a response is of a process that has died. */
const creationTime = Duration.toMillis(Duration.minutes(15))

export const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const idempotency = yield* Idempotency
  const jobs = yield* Jobs
  const modelCalls = yield* ModelCalls
  const sha256 = yield* Sha256
  const translation = yield* AnswerTranslation.make

  /** `row` is the key of the row that waits for this response, if there is one. */
  const serve = Effect.fnUntraced(function* (call: Call<CreateResponse>, send: Send | undefined, row: string | null) {
    const answer = yield* modelCalls.serve(call, send)
    // It is kept nowhere: there is nothing to find again.
    if (answer.translated === true) return answer
    const { deployment, response } = answer
    const origin = AnswerTranslation.originOf(call, deployment, { store: call.operation.store, row })
    const served: Served = { deployment, response: yield* translation.translate(response, responsePaths, origin) }
    return served
  })

  const intent = Effect.fnUntraced(function* ({ operation, principal }: Call<CreateResponse>) {
    const now = yield* Clock.currentTimeMillis
    // The account is not known before a deployment has answered.
    const known = { kind: "response", owner: Access.ownerOf(principal), modelName: operation.model } as const
    return draft({ key: yield* Uuid.make, ...known }, now, now + creationTime)
  })

  const holder = Effect.fnUntraced(function* (key: string): Effect.fn.Return<Holder<Job>, StorageError> {
    const now = yield* Clock.currentTimeMillis
    const job = yield* jobs.read(key)
    if (job === undefined) return { _tag: "Gone" }
    if (job.state !== "creating") return { _tag: "Done", value: job }
    return { _tag: job.createdAt + creationTime > now ? "Working" : "Gone" }
  })

  const digest = (call: Call<CreateResponse>): string => {
    const hasher = sha256.hasher()
    for (const chunk of call.operation.body.chunks) hasher.update(chunk)
    return hasher.digest()
  }

  const claim = (call: Call<CreateResponse>, key: string, row: Job) =>
    idempotency.claim(call.principal, {
      collection: "jobs",
      row: row.key,
      key,
      fingerprint: ["response", digest(call)],
      holder,
      take: (record: IdempotencyRecord, replaces: number) =>
        jobs.create(update(row, { idempotency: record.key }), [], [idempotencyChange(replaces, record)]).pipe(
          Effect.as("Claimed" as const),
          Effect.catchIf(
            (error) => error instanceof StorageError && isConflict(error),
            () => Effect.succeed("Contended" as const)
          )
        )
    })

  /** What came to nothing frees its key. */
  const release = (key: string) =>
    jobs
      .modify(key, (current) => (current.state === "creating" ? null : undefined))
      .pipe(Effect.catch((error) => Effect.logWarning("An idempotency key will be freed later", error)))

  /** The deployment that made it, as far as it is still configured. */
  const deploymentOf = ({ account, deployment, modelName }: Job): Deployment =>
    catalog.deploymentsOf(modelName).find(({ id }) => id === deployment) ??
    new Deployment({ id: deployment, account, modelName, model: modelName, weight: 1 })

  const once = Effect.fnUntraced(function* (
    call: Call<CreateResponse>,
    send: Send | undefined,
    key: string,
    replay: Replay
  ) {
    const row = yield* intent(call)
    const made = yield* claim(call, key, row)
    if (made !== null) {
      const response = yield* replay(made, call.operation.stream)
      const served: Served = { deployment: deploymentOf(made), response, replayed: true }
      return served
    }
    yield* Scope.addFinalizer(yield* Effect.scope, release(row.key))
    return yield* serve(call, send, row.key)
  })

  return (
    call: Call<CreateResponse>,
    send: Send | undefined,
    replay: Replay
  ): Effect.Effect<ServedAnswer<"CreateResponse">, CallError, Scope.Scope> => {
    const { _tag, idempotencyKey, store } = call.operation
    // What nobody keeps cannot be given again.
    const served =
      idempotencyKey === null || !store ? serve(call, send, null) : once(call, send, idempotencyKey, replay)
    return Effect.map(served, (answer) => ({ _tag, ...answer }))
  }
})
