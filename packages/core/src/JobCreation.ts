/**
 * Making a job at a provider, once. The row is there before the provider is asked, and says what it reads; the
 * provider is told its key. So whatever breaks, the job and the row find each other again, or neither is left.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Access from "./Access.ts"
import type { Deployment } from "./Account.ts"
import { AccountFailure, type CallError } from "./CallError.ts"
import * as CopyCheck from "./CopyCheck.ts"
import { Failover } from "./Failover.ts"
import { batchesOf, snapshotOf } from "./ForeignBatchEnd.ts"
import type { Call } from "./Hooks.ts"
import { type Holder, Idempotency } from "./Idempotency.ts"
import { Instance } from "./Instance.ts"
import { draft, type Job, type JobInput, type JobKind, update } from "./Job.ts"
import * as JobProtocol from "./JobProtocol.ts"
import * as JobRecovery from "./JobRecovery.ts"
import { Jobs } from "./Jobs.ts"
import { JobSync, metadataKey } from "./JobSync.ts"
import { isObject, type JsonObject } from "./Json.ts"
import type { ManagedFile } from "./ManagedFile.ts"
import type { CreateBatch } from "./BatchOperation.ts"
import type { CreateFineTuningJob } from "./FineTuningOperation.ts"
import type { ProviderCall, RemoteJob } from "./Provider.ts"
import { ProviderError } from "./ProviderError.ts"
import { idempotencyChange } from "./RegistryRecords.ts"
import { Settings } from "./Settings.ts"
import { isConflict, StorageError } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"
import * as Uuid from "./Uuid.ts"

/** A file that the job is to read. */
export interface Read {
  readonly file: ManagedFile
  /** The unified ID under which the client named it, and where. */
  readonly id: string
  readonly param: string
  readonly role: (typeof JobInput.Type)["role"]
}

/** What a deployment is asked. */
export interface Prepared {
  /** The request in OpenAI's form, without our metadata. */
  readonly body: JsonObject
  /** The request in the provider's own form, with the metadata that it is to have, if that is another. */
  readonly call?:
    | ((metadata: Readonly<Record<string, string>>) => Effect.Effect<ProviderCall, StorageError, Scope.Scope>)
    | undefined
  /** What is known of the job before its provider says anything. */
  readonly object?: JsonObject | undefined
  readonly reads: ReadonlyArray<JobInput>
}

export interface Plan {
  readonly kind: Extract<JobKind, "batch" | "fine_tuning_job">
  readonly model: string
  readonly reads: ReadonlyArray<Read>
  readonly idempotencyKey: string | null
  /** For a part of a batch: its row's key, the batch's, and the deployment that is to be asked first. */
  readonly part?: { readonly key: string; readonly parent: string; readonly first: string | undefined } | undefined
  /** Asked before any account is, and not for a request whose job is there already. */
  readonly admit?: Effect.Effect<void, CallError> | undefined
  /** Everything by which two requests differ. */
  readonly fingerprint: ReadonlyArray<unknown>
  /** Makes an account ready for the job, whose row has this key. */
  readonly prepare: (
    deployment: Deployment,
    target: ProviderAccount,
    key: string
  ) => Effect.Effect<Prepared, CallError | AccountFailure, Scope.Scope>
}

/** The request was refused, and some of the copies that it named are not there any more. */
class CopiesLost extends Data.TaggedError("CopiesLost")<{ readonly error: ProviderError }> {}

/** How far a create has come. */
interface Progress {
  readonly key: string
  /** Whether a provider may have taken the job, though we do not know it. */
  maybeThere: boolean
}

const tags = { batch: "Batch", fine_tuning_job: "FineTuningJob" } as const

/** OpenAI takes so many pairs of metadata. */
const mostMetadata = 16

/** The request with the pair by which the job is found again, if there is room for it. */
const marked = (body: JsonObject, key: string): JsonObject => {
  const metadata = isObject(body["metadata"]) ? body["metadata"] : {}
  return Object.keys(metadata).length >= mostMetadata
    ? body
    : { ...body, metadata: { ...metadata, [metadataKey]: key } }
}

/** The metadata of a request, where it has any. */
const metadataOf = ({ metadata }: JsonObject): Readonly<Record<string, string>> =>
  isObject(metadata)
    ? Object.fromEntries(
        Object.entries(metadata).flatMap(([name, text]) => (typeof text === "string" ? [[name, text]] : []))
      )
    : {}

const callOf = (
  { call }: Prepared,
  create: ((body: JsonObject) => ProviderCall) | null,
  body: JsonObject
): Effect.Effect<ProviderCall, StorageError, Scope.Scope> => {
  if (call !== undefined) return call(metadataOf(body))
  return create === null ? Effect.die(new TypeError("The provider has no such job.")) : Effect.sync(() => create(body))
}

const encoder = new TextEncoder()

/** The body of a request as it is sent. */
export const encodeBody = (body: JsonObject): Uint8Array => encoder.encode(JSON.stringify(body))

export const make = Effect.gen(function* () {
  const copies = yield* CopyCheck.make
  const failover = yield* Failover
  const idempotency = yield* Idempotency
  const ids = yield* UnifiedIds
  const instance = yield* Instance
  const jobs = yield* Jobs
  const recovery = yield* JobRecovery.make
  const settings = yield* Settings
  const sync = yield* JobSync
  const upstream = yield* Upstream

  const rowOf = (call: Call, { kind, model, part, reads }: Plan, key: string, now: number) =>
    draft(
      {
        key,
        kind,
        owner: Access.ownerOf(call.principal),
        modelName: model,
        reads: reads.map(({ file, id, role }) => ({ file: file.key, id, role, remoteId: null })),
        instance: instance.id,
        ...(part === undefined ? {} : { parent: part.parent })
      },
      now,
      now + settings.instanceTtl
    )

  const holderOf = Effect.fnUntraced(function* (key: string): Effect.fn.Return<Holder<Job>, StorageError> {
    const job = yield* jobs.read(key)
    if (job === undefined) return { _tag: "Gone" }
    return job.state === "creating" ? { _tag: "Working" } : { _tag: "Done", value: job }
  })

  /** Writes the row; or answers the job that an equal request has made. */
  const begin = Effect.fnUntraced(function* (
    call: Call,
    plan: Pick<Plan, "fingerprint" | "idempotencyKey" | "kind" | "reads">,
    row: Job
  ) {
    const { fingerprint, idempotencyKey, kind, reads } = plan
    if (idempotencyKey === null) {
      yield* jobs.create(row, reads)
      return null
    }
    return yield* idempotency.claim(call.principal, {
      collection: "jobs",
      row: row.key,
      key: idempotencyKey,
      fingerprint: [kind, ...fingerprint],
      holder: holderOf,
      take: (record, replaces) =>
        jobs.create(update(row, { idempotency: record.key }), reads, [idempotencyChange(replaces, record)]).pipe(
          Effect.as("Claimed" as const),
          Effect.catchIf(
            (error) => error instanceof StorageError && isConflict(error),
            () => Effect.succeed("Contended" as const)
          )
        )
    })
  })

  const identified = (job: Job, kind: Plan["kind"], remoteId: string): Job => {
    const identity = { uuid: job.key, deployment: job.deployment, providerId: remoteId }
    return update(job, { id: ids.encode({ _tag: tags[kind], ...identity }), remoteId })
  }

  /** What the row is to say before an account is asked, so that it is known where the job may be. */
  const aim = Effect.fnUntraced(function* (
    key: string,
    deployment: Deployment,
    reads: ReadonlyArray<JobInput>,
    { metadata = null }: JsonObject,
    known: JsonObject | undefined
  ) {
    const now = yield* Clock.currentTimeMillis
    const { account, id } = deployment
    const object = JSON.stringify({ ...known, metadata })
    const row = yield* jobs.modify(key, (current) =>
      current.state === "creating" && current.instance === instance.id
        ? update(current, { account, deployment: id, reads, object, updatedAt: now })
        : undefined
    )
    // Another instance has taken this one for dead, and looks after the row.
    const isOurs = row?.instance === instance.id
    return isOurs ? row : yield* Effect.fail(new AccountFailure({ account, message: "was not asked", timedOut: false }))
  })

  const record = (row: Job, target: ProviderAccount, remote: RemoteJob) =>
    sync.apply(row, batchesOf(row, target) === null ? remote : snapshotOf(row, remote))

  /** One request, with copies made ready for it. */
  const ask = Effect.fnUntraced(function* (
    plan: Plan,
    progress: Progress,
    deployment: Deployment,
    target: ProviderAccount
  ) {
    const protocol = JobProtocol.of(plan.kind, target.provider)
    if (protocol === null) return yield* Effect.die(new TypeError(`${target.provider.id} has no such job`))
    const prepared = yield* plan.prepare(deployment, target, progress.key)
    const { reads } = prepared
    const body = marked(prepared.body, progress.key)
    const row = yield* aim(progress.key, deployment, reads, body, prepared.object)
    const create = JobProtocol.creatorOf(plan.kind, target.provider)
    progress.maybeThere = true
    const request = upstream.request(target, callOf(prepared, create, body), protocol.decode).pipe(
      Effect.catchTag("ProviderError", (error) =>
        isFault(error) && recovery.canTell(row, target)
          ? Effect.flatMap(recovery.look(row, target, protocol), (found) =>
              found === undefined ? Effect.fail(settled(error)) : Effect.succeed(found)
            )
          : Effect.fail(error)
      ),
      Effect.tapError((error) =>
        Effect.sync(() => {
          progress.maybeThere = error instanceof ProviderError && error.maybeAccepted
        })
      ),
      Effect.catchTag("ProviderError", (error) =>
        Effect.flatMap(copies.forgetLost(target, error, row.reads), (lost) =>
          Effect.fail(lost ? new CopiesLost({ error }) : JobProtocol.translate(row)(error))
        )
      )
    )
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(request), (remote) =>
        Effect.mapError(record(identified(row, plan.kind, remote.id), target, remote), unrecorded)
      )
    )
  })

  /** A request that is refused because copies were lost at the provider is made once more, with new ones. */
  const attempt = (plan: Plan, progress: Progress, deployment: Deployment, target: ProviderAccount) =>
    ask(plan, progress, deployment, target).pipe(
      Effect.catchTag("CopiesLost", () => ask(plan, progress, deployment, target)),
      Effect.catchTag("CopiesLost", ({ error }) => Effect.fail(error))
    )

  /** After a failure: a job that may be there all the same is looked for, now and later; else the row goes. */
  const conclude = Effect.fnUntraced(function* ({ key, maybeThere }: Progress) {
    const row = maybeThere ? yield* recovery.release(key) : yield* jobs.read(key)
    if (row === undefined || row.state !== "creating") return row
    return yield* maybeThere ? recovery.recover(row) : recovery.forget(row)
  })

  return {
    begin,

    /**
     * The job, as the provider first describes it. Under an idempotency key that has been used for the same request,
     * the job of that time, as it is known.
     */
    create: Effect.fn("JobCreation.create")(function* (
      call: Call<CreateBatch | CreateFineTuningJob>,
      plan: Plan
    ): Effect.fn.Return<Job, CallError, Scope.Scope> {
      const key = plan.part?.key ?? (yield* Uuid.make)
      const now = yield* Clock.currentTimeMillis
      yield* instance.hold(JobRecovery.creationOf(key))
      const progress: Progress = { key, maybeThere: false }
      return yield* Effect.gen(function* () {
        const earlier = yield* begin(call, plan, rowOf(call, plan, key, now))
        if (earlier !== null) return earlier
        if (plan.admit !== undefined) yield* plan.admit
        const run = (deployment: Deployment, target: ProviderAccount) => attempt(plan, progress, deployment, target)
        return yield* failover.run(call, plan.model, run, { once: true, first: plan.part?.first })
      }).pipe(
        Effect.catch((error) =>
          conclude(progress).pipe(
            Effect.catch((cause) => Effect.as(Effect.logWarning("A job will be looked for later", cause), undefined)),
            Effect.flatMap((job) => (job?.state === "active" ? Effect.succeed(job) : Effect.fail(error)))
          )
        ),
        Effect.onInterrupt(() => Effect.ignore(recovery.release(key)))
      )
    })
  }
})

/** The provider answered that something went wrong, perhaps after it had taken the job. */
const isFault = ({ maybeAccepted, reason }: ProviderError): boolean => maybeAccepted && reason._tag === "Faulty"

/** Looked into: it is not there. */
const settled = ({ account, call, reason }: ProviderError): ProviderError =>
  new ProviderError({ account, call, reason, maybeAccepted: false })

/** The job is there, but what it has made already could not be recorded: recovery's work, not another deployment's. */
const unrecorded = (error: CallError | ProviderError): CallError | ProviderError =>
  error instanceof ProviderError
    ? new ProviderError({ account: error.account, call: error.call, reason: error.reason, maybeAccepted: true })
    : error
