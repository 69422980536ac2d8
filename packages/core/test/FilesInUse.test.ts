import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { type JobInput, update } from "../src/Job.ts"
import { Jobs } from "../src/Jobs.ts"
import type { ManagedFile } from "../src/ManagedFile.ts"
import { job, reading } from "./support/jobs.ts"
import { idOf } from "./support/lookups.ts"
import { advance } from "./support/time.ts"
import * as World from "./support/World.ts"

type Role = (typeof JobInput.Type)["role"]

/** An active job that reads a file in a role. */
const begin = (instance: World.Instance, key: string, file: ManagedFile, role: Role = "input") =>
  instance.within(
    Effect.flatMap(Jobs, (jobs) => {
      const reads = [{ ...reading(file.key), role }]
      return jobs.create(job(key, { id: `batch_${key}`, state: "active", reads }), [{ file, param: "input_file_id" }])
    })
  )

const end = (instance: World.Instance, key: string) =>
  instance.within(Effect.flatMap(Jobs, (jobs) => jobs.modify(key, (current) => update(current, { state: "ended" }))))

const refusal = (instance: World.Instance, file: ManagedFile) =>
  Effect.map(Effect.flip(instance.remove(idOf(file))), (error) => {
    assert.strictEqual(error._tag, "Conflicting")
    assert(error._tag === "Conflicting")
    assert.strictEqual(error.code, "file_in_use")
    return error.message
  })

describe("a file that a job reads", () => {
  for (const role of ["input", "line", "training", "validation"] as const) {
    it.effect(`in the role ${role} cannot be deleted before the job has ended`, () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const [instance, other] = [yield* world.start(), yield* world.start()]
        const file = yield* instance.upload()
        yield* begin(instance, "a", file, role)
        yield* begin(instance, "b", file, role)
        const message = yield* refusal(other, file)
        assert.include(message, idOf(file))
        assert.include(message, "batch_a, batch_b.")
        assert.strictEqual(world.provider.files().length, 2)
        assert.strictEqual((yield* other.retrieve(idOf(file))).state, "ready")
        yield* end(instance, "a")
        assert.notInclude(yield* refusal(other, file), "batch_a")
        yield* end(instance, "b")
        yield* other.remove(idOf(file))
        assert.deepStrictEqual(world.provider.files(), [])
      })
    )
  }

  it.effect("names twenty jobs at most, and none that has no name yet", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const [popular, fresh] = [yield* instance.upload(), yield* instance.upload()]
      for (let index = 0; index < 21; index++) yield* begin(instance, `k${index}`, popular)
      const message = yield* refusal(instance, popular)
      assert.lengthOf(message.match(/batch_k\d+/g) ?? [], 20)
      assert.match(message, /, others\.$/)
      yield* instance.within(
        Effect.flatMap(Jobs, (jobs) =>
          jobs.create(job("new", { reads: [reading(fresh.key)] }), [{ file: fresh, param: "input_file_id" }])
        )
      )
      assert.match(yield* refusal(instance, fresh), /a job that is being created\.$/)
    })
  )

  it.effect("is kept for it beyond its expiry, though it is gone for clients", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start(World.unhurried)
      const file = yield* instance.upload({ expiresAfter: 3_600 })
      const unread = yield* instance.upload({ expiresAfter: 3_600 })
      yield* begin(instance, "a", file)
      yield* advance(3_700_000, 60_000)
      for (const gone of [file, unread]) {
        assert.strictEqual((yield* Effect.flip(instance.retrieve(idOf(gone))))._tag, "NotFound")
      }
      assert.deepStrictEqual(world.storage.blobKeys(), [file.key])
      yield* end(instance, "a")
      yield* advance(180_000, 60_000)
      assert.deepStrictEqual(world.storage.blobKeys(), [])
    })
  )

  it.effect("is either kept or not read, however a create and a deletion fall together", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.array(fc.nat(4), { maxLength: 24 }), fc.boolean(), (pauses, sameInstance) =>
          Effect.runPromise(
            Effect.scoped(
              Effect.gen(function* () {
                const world = yield* World.make()
                const instance = yield* world.start(World.unhurried)
                const other = sameInstance ? instance : yield* world.start(World.unhurried)
                const file = yield* instance.upload()
                const left = [...pauses]
                const pause = Effect.suspend(() =>
                  Effect.forEach(Array.from({ length: left.shift() ?? 0 }), () => Effect.yieldNow)
                )
                for (const { storage } of [instance, other]) {
                  storage.interfere = () => ({ _tag: "RunBefore", effect: pause })
                }
                const [begun, removed] = yield* Effect.all(
                  [Effect.result(begin(instance, "a", file)), Effect.result(other.remove(idOf(file)))],
                  { concurrency: "unbounded" }
                )
                const [row] = world.storage.rows()
                assert.notStrictEqual(Result.isSuccess(begun), Result.isSuccess(removed))
                assert.strictEqual(row?.state === "ready", Result.isSuccess(begun))
                assert.strictEqual(
                  Result.isFailure(begun) ? begun.failure._tag : Result.isFailure(removed) ? removed.failure._tag : "",
                  Result.isFailure(begun) ? "NotFound" : "Conflicting"
                )
              })
            ).pipe(Effect.provide(TestClock.layer()))
          )
        ),
        { numRuns: 60 }
      )
    )
  )
})
