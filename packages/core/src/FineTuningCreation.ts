/**
 * Fine-tuning jobs being made: the files are brought to the account of a deployment, the provider is asked once, and
 * the row stands from before the first step until it is decided what became of it. A client that leaves does not end
 * it. After a crash, `LostJobs` decides.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Access from "./Access.ts"
import type { Deployment } from "./Account.ts"
import { AccountFailure, type CallError, invalid, ModelNotFound } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import { Failover } from "./Failover.ts"
import * as FineTuningBody from "./FineTuningBody.ts"
import type { CreateFineTuningJob } from "./FineTuningOperation.ts"
import type { Call } from "./Hooks.ts"
import { type Holder, Idempotency } from "./Idempotency.ts"
import { Instance } from "./Instance.ts"
import { Job, JobInput, update } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import { JobSync } from "./JobSync.ts"
import * as JobTerms from "./JobTerms.ts"
import { LostJobs } from "./LostJobs.ts"
import type { ManagedFile } from "./ManagedFile.ts"
import type { RemoteJob } from "./Provider.ts"
import { ProviderError } from "./ProviderError.ts"
import { idempotencyChange, type IdempotencyRecord } from "./RegistryRecords.ts"
import { Replication } from "./Replication.ts"
import { Settings } from "./Settings.ts"
import { isConflict, StorageError, Unavailable } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import * as Uuid from "./Uuid.ts"
import type { ProviderAccount } from "./Upstream.ts"
import { Upstream } from "./Upstream.ts"

export class FineTuningCreation extends Context.Service<
  FineTuningCreation,
  {
    /**
     * Succeeds with the job that the provider has taken. Under an idempotency key that has been used for the same
     * request, with the job of that time.
     */
    readonly create: (call: Call<CreateFineTuningJob>) => Effect.Effect<Job, CallError>
  }
>()("@omnifile/core/FineTuningCreation") {}

/** A managed file that the request names. */
interface NamedFile {
  readonly file: ManagedFile
  readonly id: string
  readonly param: FineTuningBody.FileField
}

/** How long the end of a create waits for what became of it. */
const lookPatience = Duration.seconds(5)

/** Another instance took this one for dead and undid the row. */
const givenUp = new StorageError({
  backend: "registry",
  method: "create",
  reason: new Unavailable({ cause: "the job was undone by another instance" })
})

const namedFiles = ({ files, operation }: Call<CreateFineTuningJob>): ReadonlyArray<NamedFile> =>
  operation.files.flatMap(({ id, param }) => {
    const file = files.get(id)
    return file === undefined || !FineTuningBody.isFileField(param) ? [] : [{ file, id, param }]
  })

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const failover = yield* Failover
  const idempotency = yield* Idempotency
  const ids = yield* UnifiedIds
  const instance = yield* Instance
  const jobs = yield* Jobs
  const lost = yield* LostJobs
  const replication = yield* Replication
  const sync = yield* JobSync
  const upstream = yield* Upstream
  const { claimTtl } = (yield* Settings).jobs
  const scope = yield* Effect.scope

  const checkPurposes = (named: ReadonlyArray<NamedFile>) => {
    const wrong = named.find(({ file }) => file.purpose !== "fine-tune")
    if (wrong === undefined) return Effect.void
    const message = `The file ${wrong.id} has the purpose ${wrong.file.purpose}; fine-tuning takes \`fine-tune\`.`
    return Effect.fail(invalid(message, wrong.param, "invalid_purpose"))
  }

  /** The row before anything is done, on the account that is most likely; the attempts say which it is. */
  const intent = Effect.fnUntraced(function* (
    { operation, principal }: Call<CreateFineTuningJob>,
    named: ReadonlyArray<NamedFile>
  ) {
    const [likely] = catalog.deployments(operation.model, principal)
    if (likely === undefined) return yield* new ModelNotFound({ model: operation.model })
    const now = yield* Clock.currentTimeMillis
    return new Job({
      key: yield* Uuid.make,
      kind: "fine_tuning_job",
      id: null,
      state: "creating",
      owner: Access.ownerOf(principal),
      account: likely.account,
      deployment: likely.id,
      modelName: operation.model,
      remoteId: null,
      reads: readsOf(named, new Map()),
      outputs: [],
      object: JSON.stringify(operation.body),
      usage: null,
      instance: instance.id,
      claimedUntil: now + claimTtl,
      createdAt: now,
      updatedAt: now,
      dueAt: now + claimTtl,
      attempts: 0,
      idempotency: null
    })
  })

  const holderOf = Effect.fnUntraced(function* (key: string): Effect.fn.Return<Holder<Job>, StorageError> {
    const job = yield* jobs.read(key)
    if (job === undefined) return { _tag: "Gone" }
    return job.state === "creating" ? { _tag: "Working" } : { _tag: "Done", value: job }
  })

  /** Writes the intent; or answers the job that an equal request has made. */
  const begin = (
    { operation, principal }: Call<CreateFineTuningJob>,
    named: ReadonlyArray<NamedFile>,
    intended: Job
  ): Effect.Effect<Job | null, CallError> => {
    const { body, idempotencyKey } = operation
    if (idempotencyKey === null) return Effect.as(jobs.create(intended, named), null)
    const insert = (record: IdempotencyRecord, replaces: number) =>
      jobs.create(update(intended, { idempotency: record.key }), named, [idempotencyChange(replaces, record)]).pipe(
        Effect.as("Claimed" as const),
        Effect.catchIf(
          (error) => error instanceof StorageError && isConflict(error),
          () => Effect.succeed("Contended" as const)
        )
      )
    return idempotency.claim(principal, {
      collection: "jobs",
      row: intended.key,
      key: idempotencyKey,
      fingerprint: ["fine_tuning_job", body],
      holder: holderOf,
      take: insert
    })
  }

  /** Everything at one deployment. Only the last step is seen by the provider as a job. */
  const attempt = Effect.fnUntraced(function* (
    { operation }: Call<CreateFineTuningJob>,
    named: ReadonlyArray<NamedFile>,
    { key }: Job,
    deployment: Deployment,
    target: ProviderAccount
  ) {
    const { account } = deployment
    const protocol = target.provider.fineTuning
    if (protocol === null) {
      return yield* Effect.fail(new AccountFailure({ account, message: "speaks no fine-tuning", timedOut: false }))
    }
    const copies = new Map(
      yield* Effect.forEach(
        named,
        ({ file, param }) =>
          Effect.map(replication.ensure(file, account), ({ remoteId }) => [param, remoteId ?? ""] as const),
        { concurrency: "unbounded" }
      )
    )
    const now = yield* Clock.currentTimeMillis
    const reads = readsOf(named, copies)
    const row = yield* jobs.modify(key, (current) =>
      update(current, {
        account,
        deployment: deployment.id,
        reads,
        updatedAt: now,
        claimedUntil: now + claimTtl,
        dueAt: now + claimTtl
      })
    )
    if (row === undefined) return yield* givenUp
    const terms = { model: deployment.model, fileIds: Object.fromEntries(copies), job: key }
    const call = protocol.create(FineTuningBody.forAccount(operation.body, terms))
    const remote = yield* upstream
      .request(target, Effect.succeed(call), protocol.decode)
      .pipe(Effect.mapError((error) => JobTerms.error(JobTerms.ofJob(row), error)))
    return { row, remote }
  })

  /** The provider has taken the job: so says the row from now on. */
  const settle = (row: Job, { id: providerId, ...remote }: RemoteJob) => {
    const identity = { _tag: "FineTuningJob", uuid: row.key, deployment: row.deployment, providerId } as const
    return sync.apply(update(row, { id: ids.encode(identity), remoteId: providerId }), remote).pipe(
      // Nothing is asked of the provider for a job that has made nothing yet.
      Effect.catchTag("ProviderError", () => Effect.fail(givenUp))
    )
  }

  const undo = (key: string) =>
    jobs
      .modify(key, (current) => (current.state === "creating" ? null : undefined))
      .pipe(Effect.catch((error) => Effect.logWarning("A job that came to nothing will be removed later", error)))

  /** As long as this goes on, no other instance takes the row for left behind. */
  const keep = (key: string) =>
    Effect.gen(function* () {
      yield* Effect.sleep(Duration.millis(claimTtl / 3))
      const until = (yield* Clock.currentTimeMillis) + claimTtl
      yield* jobs.modify(key, (current) =>
        current.state === "creating" && current.instance === instance.id
          ? update(current, { claimedUntil: until, dueAt: until })
          : undefined
      )
    }).pipe(
      Effect.catch((error) => Effect.logWarning("A claim could not be renewed", error)),
      Effect.forever,
      Effect.forkScoped
    )

  /** The provider may have taken the job although it did not say so: then this is the job, as far as it is known now. */
  const lookFor = Effect.fnUntraced(
    function* (key: string) {
      const row = yield* jobs.read(key)
      if (row === undefined) return undefined
      const found = yield* lost.settle(row)
      return found._tag === "Found" ? found.job : undefined
    },
    (looking) =>
      looking.pipe(
        Effect.timeoutOption(lookPatience),
        Effect.map(Option.getOrUndefined),
        Effect.catch((error) =>
          Effect.as(Effect.logWarning("A job whose fate is not known is looked for later", error), undefined)
        )
      )
  )

  const perform = Effect.fnUntraced(function* (
    call: Call<CreateFineTuningJob>,
    named: ReadonlyArray<NamedFile>,
    intended: Job
  ) {
    const { key } = intended
    let unclear = false
    const made = yield* begin(call, named, intended)
    if (made !== null) return made
    yield* keep(key)
    const taken = yield* failover
      .run(
        call,
        call.operation.model,
        (deployment, target) =>
          attempt(call, named, intended, deployment, target).pipe(
            Effect.tapError((error) =>
              Effect.sync(() => {
                unclear = error instanceof ProviderError && error.maybeAccepted
              })
            )
          ),
        { once: true }
      )
      .pipe(Effect.result)
    if (Result.isSuccess(taken)) return yield* settle(taken.success.row, taken.success.remote)
    if (!unclear) yield* undo(key)
    const found = unclear ? yield* lookFor(key) : undefined
    return found ?? (yield* Effect.fail(taken.failure))
  }, Effect.scoped)

  return FineTuningCreation.of({
    create: Effect.fn("FineTuningCreation.create")(function* (call) {
      const named = namedFiles(call)
      yield* checkPurposes(named)
      const intended = yield* intent(call, named)
      return yield* Fiber.join(yield* Effect.forkIn(perform(call, named, intended), scope))
    })
  })
})

const readsOf = (named: ReadonlyArray<NamedFile>, copies: ReadonlyMap<string, string>): ReadonlyArray<JobInput> =>
  named.map(
    ({ file, id, param }) =>
      new JobInput({ file: file.key, id, role: FineTuningBody.fileFields[param], remoteId: copies.get(param) ?? null })
  )

export const layer: Layer.Layer<
  FineTuningCreation,
  never,
  Catalog | Failover | Idempotency | Instance | Jobs | JobSync | LostJobs | Replication | UnifiedIds | Upstream
> = Layer.effect(FineTuningCreation, make)
