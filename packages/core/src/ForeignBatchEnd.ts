/**
 * The end of a batch in another provider's form: its results become an output and an error file of the batch's creator,
 * once, and the batch is over when both are stored. Until then it is `finalizing`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as BatchEnding from "./BatchEnding.ts"
import { BlobStore } from "./BlobStore.ts"
import type { Bytes } from "./Bytes.ts"
import type { ContentUnavailable } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import * as FailedAnswer from "./FailedAnswer.ts"
import * as Ledger from "./ForeignBatchLedger.ts"
import * as ForeignBatchRecall from "./ForeignBatchRecall.ts"
import { lines, Reader } from "./ForeignBatchResults.ts"
import type { ForeignBatches, ForeignJob } from "./ForeignBatches.ts"
import type { Instance } from "./Instance.ts"
import { type Job, type JobOutput, update } from "./Job.ts"
import * as JobLease from "./JobLease.ts"
import { Jobs } from "./Jobs.ts"
import { type JsonObject, parseObject } from "./Json.ts"
import { JobSync, type Snapshot } from "./JobSync.ts"
import { LostUpload } from "./ManagedFile.ts"
import { ProviderError, Unreachable } from "./ProviderError.ts"
import type { RemoteJob } from "./Provider.ts"
import type { Registry } from "./Registry.ts"
import type { Sha256 } from "./Sha256.ts"
import type { StorageError } from "./StorageError.ts"
import type { UnifiedIds } from "./UnifiedId.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"

/** Of a provider whose batches are its own; null for all others. */
export const batchesOf = (job: Pick<Job, "kind">, { provider }: ProviderAccount): ForeignBatches | null =>
  job.kind === "batch" && provider.batches === null ? provider.foreignBatches : null

const countsOf = (object: JsonObject): JsonObject => {
  const counts = object["request_counts"]
  return typeof counts === "object" && counts !== null && !Array.isArray(counts) ? (counts as JsonObject) : {}
}

type ResultPage = { readonly results: ReadonlyArray<JsonObject>; readonly next: string | null }

const numberOf = (value: unknown): number => (typeof value === "number" ? value : 0)

/** What is known of a batch that is not over for its client: the request, and what the provider says of it. */
export const snapshotOf = (job: Job, remote: RemoteJob & Partial<Pick<ForeignJob, "requests">>): Snapshot => {
  const known = parseObject(job.object) ?? {}
  const before = countsOf(known)
  const total = numberOf(before["total"])
  const { completed, failed } = countsOf(remote.object)
  // What was not sent has failed already.
  const refused = remote.requests === null || remote.requests === undefined ? 0 : Math.max(0, total - remote.requests)
  return {
    ...remote,
    ended: false,
    outputs: [],
    object: {
      ...known,
      ...remote.object,
      ...(remote.ended ? { status: "finalizing" } : {}),
      request_counts: {
        total,
        completed: numberOf(completed),
        failed: Math.max(numberOf(before["failed"]), numberOf(failed) + refused)
      }
    }
  }
}

/** For so long results stay at the provider, should somebody else have to read them again. Milliseconds. */
const resultsLife = 24 * 60 * 60 * 1000

/** The files of results, which are of no use to anybody once ours have been made of them. */
const leftOf = (
  { account, createdAt }: Job,
  { results }: ForeignBatches,
  remote: ForeignJob,
  now: number
): ReadonlyArray<LostUpload> =>
  results._tag === "Lines" && results.areFiles === true
    ? remote.results.map(
        (remoteId) =>
          new LostUpload({ account, remoteId, bytes: null, startedAt: createdAt, endedAt: now + resultsLife })
      )
    : []

const finalizing = (job: Job): Job =>
  update(job, { object: JSON.stringify({ ...parseObject(job.object), status: "finalizing" }) })

export class ForeignBatchEnd extends Context.Service<
  ForeignBatchEnd,
  {
    /**
     * Ends a batch that its provider has ended: stores and records its files, and answers the row as it then is. Callers
     * at the same moment share the work, which goes on when they leave; while another instance is at it, the row is
     * answered as it is.
     */
    readonly finish: (
      job: Job,
      target: ProviderAccount,
      batches: ForeignBatches,
      remote: ForeignJob
    ) => Effect.Effect<Job, ContentUnavailable | ProviderError | StorageError>
    /** Removes what only a batch that goes on needs, given the key of its row. */
    readonly discard: (job: string) => Effect.Effect<void>
    /** The same for a batch that is over; it stays due for that until it is done. */
    readonly tidy: (job: Job) => Effect.Effect<Job | undefined>
  }
>()("@omnifile/core/ForeignBatchEnd") {}

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const { fileKey, record, storeOnce } = yield* BatchEnding.make
  const catalog = yield* Catalog
  const jobs = yield* Jobs
  const lease = yield* JobLease.make
  const recall = yield* ForeignBatchRecall.make
  const scope = yield* Effect.scope
  const sync = yield* JobSync
  const upstream = yield* Upstream
  /** The batches that this process ends now. */
  const running = new Map<string, Fiber.Fiber<Job, ContentUnavailable | ProviderError | StorageError>>()

  /** All results, one after the other. */
  const resultsOf = Effect.fnUntraced(function* (target: ProviderAccount, batches: ForeignBatches, remote: ForeignJob) {
    const scope = yield* Effect.scope
    const run = yield* FiberSet.makeRuntimePromise<never, unknown, ProviderError>()
    const { results } = batches
    return async function* (): AsyncGenerator<JsonObject, void, void> {
      if (results._tag === "Lines") {
        for (const call of results.calls(remote)) {
          const response = await run(Scope.provide(upstream.send(target, call), scope))
          yield* lines(response.body)
        }
        return
      }
      for (let cursor: string | null = null; ;) {
        const call = Effect.succeed(results.page(remote.id, cursor))
        const page: ResultPage = await run(upstream.request(target, call, results.decode))
        yield* page.results
        cursor = page.next
        if (cursor === null) return
      }
    }
  })

  const failed = (target: ProviderAccount, error: StorageError): ProviderError | StorageError => {
    const { reason } = error
    if (reason._tag !== "SourceFailed") return error
    const { cause } = reason
    return cause instanceof ProviderError
      ? cause
      : FailedAnswer.failed(
          target,
          { name: "batches.results", idempotent: true },
          new Unreachable({ timedOut: false, cause })
        )
  }

  /** How a batch ends whose results belong to nobody knows which lines. */
  const unreadable = Effect.fnUntraced(function* (job: Job, remote: ForeignJob) {
    yield* Effect.logError("The results of a batch cannot be told apart: its input is lost")
    const known = parseObject(job.object) ?? {}
    const { total } = countsOf(known)
    const message = "The input of the batch was lost before its results were read, so that no line has one."
    const snapshot: Snapshot = {
      ...remote,
      outputs: [],
      made: [],
      object: {
        ...known,
        status: "failed",
        failed_at: Math.floor((yield* Clock.currentTimeMillis) / 1000),
        errors: { object: "list", data: [{ code: "input_lost", message, line: null, param: "input_file_id" }] },
        request_counts: { total: numberOf(total), completed: 0, failed: numberOf(total) }
      }
    }
    return snapshot
  })

  const collect = Effect.fnUntraced(function* (
    job: Job,
    target: ProviderAccount,
    batches: ForeignBatches,
    remote: ForeignJob
  ) {
    const translator = target.provider.chatCompletion === null ? target.provider.chat : null
    const ledger = yield* recall.ledgerOf(job, translator !== null)
    const object = parseObject(job.object) ?? {}
    const deployment = catalog.deploymentsOf(job.modelName).find(({ id }) => id === job.deployment)
    const reader = new Reader(
      {
        batches,
        translator,
        endpoint: String(object["endpoint"]),
        model: deployment?.model ?? job.modelName,
        modelName: job.modelName,
        job: job.key,
        createdAt: job.createdAt
      },
      ledger
    )
    const results = yield* resultsOf(target, batches, remote)
    const status = String(remote.object["status"])
    const output: Bytes = { [Symbol.asyncIterator]: () => reader.output(results()) }
    // What an earlier try has stored stays, and what the results say of the lines is learned again.
    const known = (stored: Bytes): Bytes => ({
      async *[Symbol.asyncIterator]() {
        for await (const _ of output);
        yield* stored
      }
    })
    const written = yield* storeOnce(fileKey(job, "output_file_id"), output, known)
    const counts = reader.counts(status)
    const made: Array<JobOutput> = []
    const left = leftOf(job, batches, remote, yield* Clock.currentTimeMillis)
    if (written.bytes === 0) yield* blobs.remove(fileKey(job, "output_file_id"))
    else made.push(yield* record(job, "output_file_id", written, ledger.outputLife, left))
    // A batch that failed as a whole says so itself.
    if (status !== "failed" && counts.failed > 0) {
      const stored = yield* storeOnce(fileKey(job, "error_file_id"), reader.errors(status), (content) => content)
      const still = made.length === 0 ? left : []
      made.push(yield* record(job, "error_file_id", stored, ledger.outputLife, still))
    }
    const named = Object.fromEntries(made.map(({ id, role }) => [role, id]))
    const total = ledger.size
    const snapshot: Snapshot = {
      ...remote,
      outputs: [],
      made,
      tokens: reader.tokens,
      object: { ...object, ...remote.object, ...named, request_counts: { total, ...counts } }
    }
    return snapshot
  }, Effect.scoped)

  const remove = (job: string) =>
    Effect.andThen(blobs.remove(Ledger.ledgerKey(job)), blobs.remove(Ledger.inputKey(job)))

  const unremoved = (error: StorageError) => Effect.logWarning("The input of a batch could not be removed", error)

  const tidy = (job: Job) =>
    Effect.andThen(
      remove(job.key),
      jobs.modify(job.key, (current) => (current.state === "ended" ? update(current, { dueAt: null }) : undefined))
    ).pipe(Effect.catch((error) => Effect.as(unremoved(error), job)))

  const end = Effect.fn("ForeignBatchEnd.end")(function* (
    job: Job,
    target: ProviderAccount,
    batches: ForeignBatches,
    remote: ForeignJob
  ) {
    const after = yield* lease.during(job.key, finalizing, (taken) =>
      collect(taken, target, batches, remote).pipe(
        Effect.catchTag("InputLost", () => unreadable(taken, remote)),
        Effect.mapError((error) => (error instanceof ProviderError ? error : failed(target, error))),
        Effect.flatMap((snapshot) => sync.apply(taken, snapshot))
      )
    )
    if (after?.state !== "ended") return after ?? job
    return (yield* tidy(after)) ?? after
  })

  return ForeignBatchEnd.of({
    finish: Effect.fnUntraced(function* (job, target, batches, remote) {
      const known = running.get(job.key)
      if (known !== undefined) return yield* Fiber.join(known)
      const started = yield* end(job, target, batches, remote).pipe(
        Effect.ensuring(Effect.sync(() => running.delete(job.key))),
        Effect.forkIn(scope)
      )
      // A fiber that ended at once has been taken from the map before it got there.
      if (started.pollUnsafe() === undefined) running.set(job.key, started)
      return yield* Fiber.join(started)
    }),
    discard: (job) => Effect.catch(remove(job), unremoved),
    tidy
  })
})

export const layer: Layer.Layer<
  ForeignBatchEnd,
  never,
  BlobStore | Catalog | Instance | Jobs | JobSync | Registry | Sha256 | UnifiedIds | Upstream
> = Layer.effect(ForeignBatchEnd, make)
