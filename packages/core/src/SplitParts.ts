/**
 * Making the parts of a batch: each from what the batch's row says of it, under a key that stands there, so that it is
 * the same part whoever makes it, and there is one of it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Deployment } from "./Account.ts"
import type { CreateBatch } from "./BatchOperation.ts"
import * as BatchPreparation from "./BatchPreparation.ts"
import { BlobStore } from "./BlobStore.ts"
import { AccountFailure, type CallError, ContentUnavailable, NotFound } from "./CallError.ts"
import type { Catalog } from "./Catalog.ts"
import type { Failover } from "./Failover.ts"
import type { ForeignBatchEnd } from "./ForeignBatchEnd.ts"
import type { Call } from "./Hooks.ts"
import type { Idempotency } from "./Idempotency.ts"
import type { Instance } from "./Instance.ts"
import type { Job, JobInput, JobPart } from "./Job.ts"
import * as JobCreation from "./JobCreation.ts"
import { Jobs } from "./Jobs.ts"
import type { JobSync } from "./JobSync.ts"
import { type JsonObject, parseObject } from "./Json.ts"
import { Principal } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import type { Replication } from "./Replication.ts"
import { Settings } from "./Settings.ts"
import { Sha256 } from "./Sha256.ts"
import * as SplitLines from "./SplitLines.ts"
import * as SplitState from "./SplitState.ts"
import type { UnifiedIds } from "./UnifiedId.ts"
import type { Upstream } from "./Upstream.ts"

export class SplitParts extends Context.Service<
  SplitParts,
  {
    /**
     * Has those parts made that are still to come to a provider, and answers why any of them could not be. Who has no
     * `call`, because its instance has died, gets one in the name of the batch's owner.
     */
    readonly make: (batch: Job, call?: Call<CreateBatch>) => Effect.Effect<ReadonlyMap<string, CallError>>
  }
>()("@omnifile/core/SplitParts") {}

/** Parts are made so many at once. */
const concurrency = 4

const param = "input_file_id"

/** What may be otherwise at another time. */
const passing: ReadonlySet<CallError["_tag"]> = new Set([
  "ContentUnavailable",
  "ProvidersFailed",
  "RateLimited",
  "StorageError"
])

/** Whether the same may succeed later. */
export const isPassing = ({ _tag }: CallError): boolean => passing.has(_tag)

/** Whether batches for this endpoint can be had of the deployment. */
export const runsBatches = (
  { accounts }: Catalog["Service"],
  { account, weight }: Deployment,
  endpoint: string
): boolean => {
  const { batches = null, foreignBatches = null } = accounts.get(account)?.provider ?? {}
  return weight > 0 && (batches !== null || (foreignBatches?.endpoints.includes(endpoint) ?? false))
}

const requestOf = ({ request }: Job): JsonObject => parseObject(request ?? "{}") ?? {}

const inputOf = ({ reads }: Job): JobInput | undefined => reads.find(({ role }) => role === "input")

/** The owner's call, once more. Which model it may use has been found out when it came. */
const callOf = (batch: Job): Call<CreateBatch> => ({
  id: batch.key,
  principal: new Principal({ ...batch.owner, role: "user", models: [batch.modelName] }),
  operation: {
    _tag: "CreateBatch",
    body: requestOf(batch),
    inputFile: { id: inputOf(batch)?.id ?? "", param },
    model: null,
    idempotencyKey: null
  },
  files: new Map(),
  pin: null,
  edits: []
})

const unwilling = (account: string) =>
  new AccountFailure({ account, message: "has found fault with these lines before", timedOut: false })

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const creation = yield* JobCreation.make
  const jobs = yield* Jobs
  const preparation = yield* BatchPreparation.make
  const registry = yield* Registry
  const { allowProviderIds } = yield* Settings
  const sha256 = yield* Sha256

  /** A file that the batch reads; it cannot have been deleted. */
  const readOf = Effect.fnUntraced(function* ({ file: key, id, role }: JobInput) {
    const file = yield* registry.file(key)
    if (file === undefined || file.state !== "ready") return yield* new NotFound({ id, param })
    const read: JobCreation.Read = { file, id, param, role }
    return read
  })

  const linesOf = Effect.fnUntraced(function* ({ file, id }: JobCreation.Read, part: JobPart) {
    const whole = { file, open: blobs.open(file.key) }
    return yield* SplitLines.ofStretch(whole, part, { allowProviderIds, sha256 }).pipe(
      Effect.catchTag("ContentBroken", (error) =>
        Effect.andThen(
          Effect.logError("The input of a batch could not be read", error),
          Effect.fail(new ContentUnavailable({ id, message: "The content cannot be read now." }))
        )
      )
    )
  })

  /** One part at the first deployment that takes it. What one of them cannot run, another may. */
  const makePart = Effect.fnUntraced(function* (batch: Job, call: Call<CreateBatch>, part: JobPart) {
    const row = yield* jobs.read(batch.key)
    const state = { part, job: yield* jobs.read(part.key) }
    const input = inputOf(batch)
    if (input === undefined || row === undefined || !SplitState.isPending(row, state)) return
    const whole = yield* readOf(input)
    const lines = yield* linesOf(whole, part)
    const used = new Set(lines.summary.files.map(({ value }) => value))
    const reads = batch.reads.filter(({ id, role }) => role === "line" && used.has(id))
    const named = yield* Effect.forEach(reads, readOf)
    const { output_expires_after: _, ...body } = call.operation.body
    const prepare = preparation.prepare({ ...call.operation, body }, lines, named)
    yield* creation.create(call, {
      kind: "batch",
      model: batch.modelName,
      reads: [whole, ...named],
      idempotencyKey: null,
      part: { key: part.key, parent: batch.key, first: part.deployment },
      fingerprint: [],
      prepare: (deployment, target, key) =>
        (part.fault?.account === target.account.id
          ? Effect.fail(unwilling(target.account.id))
          : prepare(deployment, target, key)
        ).pipe(
          Effect.catchTag("InvalidRequest", ({ message }) =>
            Effect.fail(new AccountFailure({ account: target.account.id, message, timedOut: false }))
          )
        )
    })
  }, Effect.scoped)

  return SplitParts.of({
    make: Effect.fn("SplitParts.make")(function* (batch, call = callOf(batch)) {
      const failures = new Map<string, CallError>()
      yield* Effect.forEach(
        batch.parts ?? [],
        (part) =>
          makePart(batch, call, part).pipe(
            Effect.catch((error) => Effect.sync(() => void failures.set(part.key, error)))
          ),
        { concurrency, discard: true }
      )
      return failures
    })
  })
})

export const layer: Layer.Layer<
  SplitParts,
  never,
  | BlobStore
  | Catalog
  | Failover
  | ForeignBatchEnd
  | Idempotency
  | Instance
  | Jobs
  | JobSync
  | Registry
  | Replication
  | Sha256
  | UnifiedIds
  | Upstream
> = Layer.effect(SplitParts, make)
