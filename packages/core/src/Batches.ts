/** The Batch API, as effects: what each operation promises, whoever calls and over whatever wire. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Access from "./Access.ts"
import * as BatchCreation from "./BatchCreation.ts"
import type { BatchAnswers, BatchOperation, CancelBatch, ListBatches } from "./BatchOperation.ts"
import type { BlobStore } from "./BlobStore.ts"
import { type CallError, Conflicting, invalid } from "./CallError.ts"
import type { Catalog } from "./Catalog.ts"
import type { Failover } from "./Failover.ts"
import type { FileLookup } from "./FileLookup.ts"
import type { ForeignBatchEnd } from "./ForeignBatchEnd.ts"
import type { Call } from "./Hooks.ts"
import type { Idempotency } from "./Idempotency.ts"
import type { Instance } from "./Instance.ts"
import type { Job } from "./Job.ts"
import * as JobRefresh from "./JobRefresh.ts"
import { Jobs } from "./Jobs.ts"
import type { JobSync } from "./JobSync.ts"
import { type JsonObject, parseObject } from "./Json.ts"
import type { Limits } from "./Limits.ts"
import type { OutputFiles } from "./OutputFiles.ts"
import type { Principal } from "./Principal.ts"
import type { Registry } from "./Registry.ts"
import type { Replication } from "./Replication.ts"
import type { Sha256 } from "./Sha256.ts"
import type { SplitEnd } from "./SplitEnd.ts"
import type { SplitParts } from "./SplitParts.ts"
import type { UnifiedIds } from "./UnifiedId.ts"
import type { Upstream } from "./Upstream.ts"

export class Batches extends Context.Service<
  Batches,
  {
    /**
     * A batch that is over is answered from its record; of any other the provider is asked, and while it does not
     * answer the last that is known stands. A list asks nobody.
     */
    readonly run: (
      call: Call<BatchOperation>
    ) => Effect.Effect<BatchAnswers[BatchOperation["_tag"]], CallError, Scope.Scope>
  }
>()("@omnifile/core/Batches") {}

const objectOf = ({ object }: Job): JsonObject => parseObject(object) ?? {}

const make = Effect.gen(function* () {
  const creation = yield* BatchCreation.make
  const jobs = yield* Jobs
  const { cancelBatch, current } = yield* JobRefresh.make

  const cancel = Effect.fnUntraced(function* (principal: Principal, { id }: CancelBatch) {
    const job = yield* jobs.find(principal, "batch", id)
    if (job.state !== "ended") return yield* cancelBatch(job)
    const { status } = objectOf(job)
    if (status === "cancelled") return job
    const message = `The batch cannot be cancelled any more: its status is ${String(status)}.`
    return yield* new Conflicting({ message, code: "batch_is_over" })
  })

  const list = Effect.fnUntraced(function* (principal: Principal, { after, limit }: ListBatches) {
    const cursor =
      after === null
        ? null
        : yield* jobs
            .find(principal, "batch", after)
            .pipe(
              Effect.catchTag("NotFound", () =>
                Effect.fail(invalid("There is no such batch to continue after.", "after"))
              )
            )
    const scopes = Access.scopesOfPrincipal(principal)
    const found = yield* jobs.list({ scopes, kind: "batch", after: cursor, limit: limit + 1 })
    return { objects: found.slice(0, limit).map(objectOf), hasMore: found.length > limit }
  })

  return Batches.of({
    run: ({ operation, ...call }) => {
      const { principal } = call
      switch (operation._tag) {
        case "CreateBatch":
          return Effect.map(creation.create({ ...call, operation }), (job) => ({
            _tag: operation._tag,
            object: objectOf(job)
          }))
        case "RetrieveBatch":
          return jobs.find(principal, "batch", operation.id).pipe(
            Effect.flatMap(current),
            Effect.map((job) => ({ _tag: operation._tag, object: objectOf(job) }))
          )
        case "CancelBatch":
          return Effect.map(cancel(principal, operation), (job) => ({ _tag: operation._tag, object: objectOf(job) }))
        case "ListBatches":
          return Effect.map(list(principal, operation), (page) => ({ _tag: operation._tag, ...page }))
      }
    }
  })
})

export const layer: Layer.Layer<
  Batches,
  never,
  | BlobStore
  | Catalog
  | Failover
  | FileLookup
  | ForeignBatchEnd
  | Idempotency
  | Instance
  | Jobs
  | JobSync
  | Limits
  | OutputFiles
  | Registry
  | Replication
  | Sha256
  | SplitEnd
  | SplitParts
  | UnifiedIds
  | Upstream
> = Layer.effect(Batches, make)
