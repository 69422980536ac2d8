/**
 * The end of a batch in another provider's form: its results become an output and an error file of the batch's creator,
 * once, and the batch is over when both are stored. Until then it is `finalizing`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
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
import { Instance } from "./Instance.ts"
import { type Job, type JobOutput, update } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import { type JsonObject, parseObject } from "./Json.ts"
import { JobSync, type Snapshot } from "./JobSync.ts"
import { ProviderError, Unreachable } from "./ProviderError.ts"
import type { RemoteJob } from "./Provider.ts"
import type { Registry } from "./Registry.ts"
import { backoff } from "./Removal.ts"
import type { Sha256 } from "./Sha256.ts"
import type { StorageError } from "./StorageError.ts"
import type { UnifiedIds } from "./UnifiedId.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"

/** For so long nobody else begins to read the same results. */
const patience = Duration.toMillis(Duration.minutes(10))

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
  }
>()("@omnifile/core/ForeignBatchEnd") {}

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const { fileKey, record, store } = yield* BatchEnding.make
  const catalog = yield* Catalog
  const instance = yield* Instance
  const jobs = yield* Jobs
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
    const known = parseObject(job.object) ?? {}
    const deployment = catalog.deploymentsOf(job.modelName).find(({ id }) => id === job.deployment)
    const reader = new Reader(
      {
        batches,
        translator,
        endpoint: String(known["endpoint"]),
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
    const written = yield* store(fileKey(job, "output_file_id"), output)
    const counts = reader.counts(status)
    const made: Array<JobOutput> = []
    if (written.bytes === 0) yield* blobs.remove(fileKey(job, "output_file_id"))
    else made.push(yield* record(job, "output_file_id", written, ledger.outputLife))
    // A batch that failed as a whole says so itself.
    if (status !== "failed" && counts.failed > 0) {
      const stored = yield* store(fileKey(job, "error_file_id"), reader.errors(status))
      made.push(yield* record(job, "error_file_id", stored, ledger.outputLife))
    }
    const named = Object.fromEntries(made.map(({ id, role }) => [role, id]))
    const total = ledger.size
    const snapshot: Snapshot = {
      ...remote,
      outputs: [],
      made,
      tokens: reader.tokens,
      object: { ...known, ...remote.object, ...named, request_counts: { total, ...counts } }
    }
    return snapshot
  }, Effect.scoped)

  /** Takes the row for as long as the results may take; undefined while somebody else has it. */
  const claim = Effect.fnUntraced(function* (job: Job) {
    const now = yield* Clock.currentTimeMillis
    let claimed = false
    const row = yield* jobs.modify(job.key, (current) => {
      const isHeld = current.instance !== instance.id && (current.claimedUntil ?? 0) > now
      claimed = current.state === "active" && !isHeld
      const until = now + patience
      const object = JSON.stringify({ ...parseObject(current.object), status: "finalizing" })
      return claimed
        ? update(current, { object, instance: instance.id, claimedUntil: until, dueAt: until, updatedAt: now })
        : undefined
    })
    return claimed ? row : undefined
  })

  /** Gives the row back to whoever is next, after a failure. */
  const release = (job: Job) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      jobs.modify(job.key, (current) =>
        current.state === "active" && current.instance === instance.id
          ? update(current, {
              instance: null,
              claimedUntil: null,
              dueAt: now + backoff(current.attempts),
              attempts: current.attempts + 1
            })
          : undefined
      )
    ).pipe(Effect.ignore)

  const discard = (job: string) =>
    Effect.andThen(blobs.remove(Ledger.ledgerKey(job)), blobs.remove(Ledger.inputKey(job))).pipe(
      Effect.catch((error) => Effect.logWarning("The input of a batch could not be removed", error))
    )

  const end = Effect.fn("ForeignBatchEnd.end")(function* (
    job: Job,
    target: ProviderAccount,
    batches: ForeignBatches,
    remote: ForeignJob
  ) {
    const claimed = yield* claim(job)
    if (claimed === undefined) return (yield* jobs.read(job.key)) ?? job
    const ended = yield* collect(claimed, target, batches, remote).pipe(
      Effect.catchTag("InputLost", () => unreadable(claimed, remote)),
      Effect.mapError((error) => (error instanceof ProviderError ? error : failed(target, error))),
      Effect.flatMap((snapshot) => sync.apply(claimed, snapshot)),
      Effect.onError(() => release(claimed))
    )
    yield* discard(job.key)
    return ended
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
    discard
  })
})

export const layer: Layer.Layer<
  ForeignBatchEnd,
  never,
  BlobStore | Catalog | Instance | Jobs | JobSync | Registry | Sha256 | UnifiedIds | Upstream
> = Layer.effect(ForeignBatchEnd, make)
