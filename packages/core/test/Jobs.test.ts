import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { Owner } from "../src/Access.ts"
import * as Catalog from "../src/Catalog.ts"
import * as Instance from "../src/Instance.ts"
import * as Jobs from "../src/Jobs.ts"
import { update as updateJob } from "../src/Job.ts"
import { update } from "../src/ManagedFile.ts"
import * as Registry from "../src/Registry.ts"
import { RegistryBackend } from "../src/RegistryBackend.ts"
import { idempotencyChange, IdempotencyRecord } from "../src/RegistryRecords.ts"
import * as Sha256 from "../src/Sha256.ts"
import { UnifiedIds } from "../src/UnifiedId.ts"
import { job, reading } from "./support/jobs.ts"
import { admin, alice, bob } from "./support/principals.ts"
import { row } from "./support/rows.ts"
import * as SharedStorage from "./support/SharedStorage.ts"

interface Node {
  readonly jobs: Jobs.Jobs["Service"]
  readonly registry: Registry.Registry["Service"]
  readonly ids: UnifiedIds["Service"]
}

const empty = Catalog.layer({ accounts: [], deployments: [], providers: [] })

/** One process over a view of the storage. */
const open = (view: SharedStorage.StorageView) =>
  Effect.gen(function* () {
    const layer = Layer.fresh(Jobs.layer).pipe(
      Layer.provideMerge(Layer.fresh(Instance.layer)),
      Layer.provideMerge(Layer.fresh(Registry.layer)),
      Layer.provideMerge(
        Layer.mergeAll(
          empty,
          Layer.succeed(RegistryBackend, view.backend),
          Layer.orDie(UnifiedIds.layerSealed({ current: Redacted.make("a secret for tests") })),
          Sha256.layerPortable
        )
      )
    )
    const context = yield* Layer.build(layer)
    return yield* Effect.all({ jobs: Jobs.Jobs, registry: Registry.Registry, ids: UnifiedIds }).pipe(
      Effect.provideContext(context)
    )
  })

const test = <E>(
  name: string,
  run: (here: Node, there: Node, storage: SharedStorage.SharedStorage) => Effect.Effect<void, E>
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const storage = SharedStorage.make()
      yield* run(yield* open(storage.view()), yield* open(storage.view()), storage)
    })
  )

/** Deletes a file as it must be done: not while a job reads it, whenever that job came. */
const removeUnread = ({ jobs, registry }: Node, key: string) =>
  registry.modifyFileWith(key, ({ value }) =>
    Effect.map(jobs.unfinishedReaders(key, 1), (readers) =>
      readers.length > 0 || value.state !== "ready" ? undefined : { file: update(value, { state: "deleting" }) }
    )
  )

describe("Jobs", () => {
  test("finds a job for who may see it, under its own kind and spelling alone", ({ ids, jobs, registry }) =>
    Effect.gen(function* () {
      const uuid = "0190a0b0-0000-7000-8000-000000000001"
      const identity = { uuid, deployment: "d", providerId: "batch_1" }
      const id = ids.encode({ _tag: "Batch", ...identity })
      yield* registry.commit([registry.jobs.change(0, job(uuid, { id, state: "active" }))])
      assert.strictEqual((yield* jobs.find(alice, "batch", id)).key, uuid)
      assert.strictEqual((yield* jobs.find(admin, "batch", id)).key, uuid)
      const other = ids.encode({ _tag: "Batch", ...identity, providerId: "batch_2" })
      const kin = ids.encode({ _tag: "Response", ...identity })
      for (const [caller, kind, wrong] of [
        [bob, "batch", id],
        [alice, "batch", other],
        [alice, "batch", kin],
        [alice, "response", kin],
        [alice, "batch", "batch_1"]
      ] as const) {
        const error = yield* Effect.flip(jobs.find(caller, kind, wrong, "p"))
        assert(error._tag === "NotFound")
        assert.deepStrictEqual([error.id, error.param], [wrong, "p"])
      }
    }))

  test("lists newest first and by owner, and knows who reads a file until the job is over", ({ jobs, registry }) =>
    Effect.gen(function* () {
      for (const [key, createdAt] of [
        ["a", 1],
        ["b", 3],
        ["c", 2]
      ] as const) {
        yield* registry.commit([
          registry.jobs.change(0, job(key, { id: `batch_${key}`, createdAt, reads: [reading("f")] }))
        ])
      }
      yield* registry.commit([
        registry.jobs.change(
          0,
          job("d", { id: "batch_d", owner: new Owner({ user: "bob", team: null, keyHash: null }) })
        )
      ])
      const list = (after: string | null) =>
        Effect.gen(function* () {
          const cursor = after === null ? null : ((yield* jobs.read(after)) ?? null)
          const found = yield* jobs.list({ scopes: ["user:alice"], kind: "batch", after: cursor, limit: 2 })
          return found.map(({ key }) => key)
        })
      assert.deepStrictEqual(yield* list(null), ["b", "c"])
      assert.deepStrictEqual(yield* list("c"), ["a"])
      assert.strictEqual((yield* jobs.unfinishedReaders("f", 10)).length, 3)
      yield* jobs.modify("b", (current) => updateJob(current, { state: "ended" }))
      assert.deepStrictEqual(
        (yield* jobs.unfinishedReaders("f", 10)).map(({ key }) => key),
        ["a", "c"]
      )
    }))

  test("frees its idempotency key with the row", ({ jobs, registry }, _, storage) =>
    Effect.gen(function* () {
      const record = new IdempotencyRecord({ key: "k", fingerprint: "f", collection: "jobs", file: "a", expiresAt: 9 })
      yield* jobs.create(job("a", { idempotency: "k" }), [], [idempotencyChange(0, record)])
      const error = yield* Effect.flip(jobs.create(job("b", { idempotency: "k" }), [], [idempotencyChange(0, record)]))
      assert(error._tag === "StorageError" && error.reason._tag === "Conflict")
      assert.isUndefined(yield* jobs.read("b"))
      yield* jobs.modify("a", () => null)
      assert.strictEqual(storage.count("idempotency"), 0)
      assert.strictEqual((yield* registry.idempotency("k"))?.version, undefined)
    }))

  test("is claimed by one instance at a time", (here, there) =>
    Effect.gen(function* () {
      yield* here.registry.commit([here.registry.jobs.change(0, job("a", { dueAt: 0 }))])
      const [first] = yield* here.jobs.due(5, 10)
      const [second] = yield* there.jobs.due(5, 10)
      assert(first !== undefined && second !== undefined)
      const claims = yield* Effect.all([here.jobs.claim(first), there.jobs.claim(second)], { concurrency: 2 })
      assert.strictEqual(claims.filter((claimed) => claimed !== undefined).length, 1)
    }))

  it.effect("however a create and a deletion fall together, no job reads a file that is gone", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.array(fc.nat(3), { maxLength: 24 }), fc.boolean(), (pauses, both) =>
          Effect.runPromise(
            Effect.scoped(
              Effect.gen(function* () {
                const storage = SharedStorage.make()
                const views = [storage.view(), storage.view()] as const
                const here = yield* open(views[0])
                const there = yield* open(views[1])
                for (const key of ["f", "g"]) yield* here.registry.insertFile(row(key))
                const left = [...pauses]
                const pause = Effect.suspend(() =>
                  Effect.forEach(Array.from({ length: left.shift() ?? 0 }), () => Effect.yieldNow)
                )
                for (const view of views) {
                  view.interfere = () => ({ _tag: "RunBefore", effect: pause })
                }
                const reads = (both ? ["f", "g"] : ["f"]).map((key) => ({ file: row(key), param: "p" }))
                const created = job("a", { reads: reads.map(({ file }) => reading(file.key)) })
                const [outcome] = yield* Effect.all(
                  [Effect.result(here.jobs.create(created, reads)), removeUnread(there, "f"), removeUnread(there, "g")],
                  { concurrency: "unbounded" }
                )
                const states = new Map(storage.rows().map(({ key, state }) => [key, state]))
                const isThere = (yield* here.jobs.read("a")) !== undefined
                assert.strictEqual(isThere, Result.isSuccess(outcome))
                for (const { file } of reads) if (isThere) assert.strictEqual(states.get(file.key), "ready")
                if (!isThere) assert.include([...states.values()], "deleting")
              })
            )
          )
        ),
        { numRuns: 60 }
      )
    )
  )
})
