/**
 * Making a batch that runs on several deployments at once. Its row comes first and names the rows of all parts, so that
 * whatever of them is made, and whenever that breaks off, belongs to a batch that the client sees.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Access from "./Access.ts"
import type { Deployment } from "./Account.ts"
import type { CreateBatch } from "./BatchOperation.ts"
import { type CallError, ProvidersFailed } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import { Failover } from "./Failover.ts"
import type { Call } from "./Hooks.ts"
import { Instance } from "./Instance.ts"
import { draft, type Job, JobInput, JobPart } from "./Job.ts"
import type * as JobCreation from "./JobCreation.ts"
import { creationOf } from "./JobRecovery.ts"
import { Jobs } from "./Jobs.ts"
import type { JsonObject } from "./Json.ts"
import { Settings } from "./Settings.ts"
import { SplitEnd } from "./SplitEnd.ts"
import * as SplitLines from "./SplitLines.ts"
import { runsBatches, SplitParts } from "./SplitParts.ts"
import * as Uuid from "./Uuid.ts"

/** More parts than that are no use to anybody. */
const mostParts = 16

type Creation = Effect.Success<typeof JobCreation.make>

/** The batch as it is while nothing has been done of it. */
const knownOf = ({ body, inputFile }: CreateBatch, requests: number, now: number): JsonObject => ({
  object: "batch",
  endpoint: body["endpoint"] ?? null,
  errors: null,
  input_file_id: inputFile.id,
  completion_window: body["completion_window"] ?? "24h",
  status: "validating",
  output_file_id: null,
  error_file_id: null,
  created_at: Math.floor(now / 1000),
  request_counts: { total: requests, completed: 0, failed: 0 },
  metadata: body["metadata"] ?? null,
  ...(body["output_expires_after"] === undefined ? {} : { output_expires_after: body["output_expires_after"] })
})

export const make = Effect.fnUntraced(function* (creation: Creation) {
  const catalog = yield* Catalog
  const failover = yield* Failover
  const instance = yield* Instance
  const jobs = yield* Jobs
  const parts = yield* SplitParts
  const { instanceTtl } = yield* Settings
  const end = yield* SplitEnd
  const scope = yield* Effect.scope

  /** The deployments that get a part each. */
  const choose = Effect.fnUntraced(function* (call: Call<CreateBatch>, model: string, lines: number) {
    const chosen = new Map<string, Deployment>()
    const endpoint = String(call.operation.body["endpoint"])
    for (const deployment of yield* failover.candidates(call, model)) {
      const isNew = runsBatches(catalog, deployment, endpoint) && !chosen.has(deployment.account)
      if (isNew) chosen.set(deployment.account, deployment)
    }
    return [...chosen.values()].slice(0, Math.min(lines, mostParts))
  })

  const createParts = Effect.fnUntraced(function* (call: Call<CreateBatch>, row: Job) {
    yield* instance.hold(creationOf(row.key))
    const failures = yield* parts.make(row, call)
    const made = yield* end.begin(row, failures)
    const [first] = failures.values()
    return (
      made ??
      (yield* Effect.fail(
        first ?? new ProvidersFailed({ message: "No provider took any part of the batch.", failures: [] })
      ))
    )
  }, Effect.scoped)

  return {
    /** A batch of parts where several deployments can have one, otherwise an ordinary one. */
    create: Effect.fn("SplitCreation.create")(function* (
      call: Call<CreateBatch>,
      plan: JobCreation.Plan,
      requests: number
    ): Effect.fn.Return<Job, CallError, Scope.Scope> {
      const { operation, principal } = call
      const chosen = yield* choose(call, plan.model, requests)
      if (chosen.length < 2) return yield* creation.create(call, plan)
      const key = yield* Uuid.make
      const now = yield* Clock.currentTimeMillis
      const stretches = SplitLines.deal(
        requests,
        chosen.map(({ weight }) => weight)
      )
      const dealt = yield* Effect.forEach(stretches, (stretch, index) =>
        Effect.map(Uuid.make, (part) => {
          const deployment = chosen[index]?.id
          return new JobPart({
            key: part,
            ...stretch,
            refusal: null,
            ...(deployment === undefined ? {} : { deployment })
          })
        })
      )
      const row = draft(
        {
          key,
          kind: "batch",
          owner: Access.ownerOf(principal),
          modelName: plan.model,
          reads: plan.reads.map(({ file, id, role }) => new JobInput({ file: file.key, id, role, remoteId: null })),
          instance: instance.id,
          object: JSON.stringify(knownOf(operation, requests, now)),
          parts: dealt,
          request: JSON.stringify(operation.body)
        },
        now,
        now + instanceTtl
      )
      yield* instance.hold(creationOf(key))
      const earlier = yield* creation.begin(call, plan, row)
      if (earlier !== null) return earlier
      if (plan.admit !== undefined)
        yield* Effect.tapError(plan.admit, () => Effect.ignore(jobs.modify(key, () => null)))
      // What has begun goes on when the caller leaves: half of the parts would be no batch.
      const making = yield* Effect.forkIn(createParts(call, row), scope)
      return yield* Fiber.join(making)
    })
  }
})
