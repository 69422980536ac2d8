import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Quota as Room } from "../src/Account.ts"
import { Jobs } from "../src/Jobs.ts"
import { Quota } from "../src/Quota.ts"
import { answer } from "./support/FakeProvider.ts"
import * as invariants from "./support/invariants.ts"
import { job, reading } from "./support/jobs.ts"
import { idOf, sentFiles } from "./support/lookups.ts"
import { advance } from "./support/time.ts"
import * as World from "./support/World.ts"

const minute = 60_000
const hour = 60 * minute

const started = Effect.fnUntraced(function* (quota: Room | null = null) {
  const world = yield* World.make({
    settings: { ...World.unhurried },
    accounts: [{ id: "east", quota }, { id: "west" }]
  })
  const instance = yield* world.start()
  const upload = (content: string) => instance.upload({ models: ["east-only"], content })
  return { world, east: world.account("east"), instance, upload }
})

const pass = (millis: number) => advance(millis, 10 * minute)

describe("an account that is full", () => {
  it.effect("loses the copy that has been idle longest, which comes back when it is needed", () =>
    Effect.gen(function* () {
      const { east, instance, upload, world } = yield* started()
      const first = yield* upload("1")
      const second = yield* upload("2")
      yield* pass(3 * hour)
      yield* instance.chat({ model: "east-only", files: [idOf(first)] })
      yield* pass(3 * hour)
      east.room = 2
      yield* upload("3")
      assert.deepStrictEqual([...east.files.keys()], ["file-east-1", "file-east-3"])
      yield* pass(3 * hour)
      assert.deepStrictEqual(invariants.problems(world), [])
      yield* instance.chat({ model: "east-only", files: [idOf(second)] })
      assert.deepStrictEqual(sentFiles(world, "east"), ["file-east-4"])
      assert.deepStrictEqual([...east.files.keys()], ["file-east-3", "file-east-4"])
    })
  )

  it.effect("that holds more than is known loses as much as it takes", () =>
    Effect.gen(function* () {
      const { east, upload } = yield* started()
      yield* Effect.forEach(["1", "2", "3", "4"], upload)
      yield* pass(3 * hour)
      east.room = 2
      yield* upload("5")
      assert.deepStrictEqual([...east.files.keys()], ["file-east-4", "file-east-5"])
    })
  )

  it.effect("keeps what has been used within the hour, and says that it is full", () =>
    Effect.gen(function* () {
      const { east, instance, upload } = yield* started()
      const file = yield* upload("1")
      yield* pass(6 * hour)
      yield* instance.chat({ model: "east-only", files: [idOf(file)] })
      yield* pass(50 * minute)
      east.room = 1
      const error = yield* Effect.flip(upload("2"))
      assert.strictEqual(error._tag, "ProvidersFailed")
      assert.include(error.message, "east")
      assert.include(error.message, "No room")
      assert.deepStrictEqual([...east.files.keys()], ["file-east-1"])
    })
  )

  it.effect("keeps what a job reads", () =>
    Effect.gen(function* () {
      const { east, instance, upload } = yield* started()
      const file = yield* upload("1")
      const running = job("a", { id: "batch_a", state: "active", reads: [reading(file.key)] })
      yield* instance.within(Effect.flatMap(Jobs, (jobs) => jobs.create(running, [{ file, param: "input_file_id" }])))
      yield* pass(6 * hour)
      east.room = 1
      yield* Effect.flip(upload("2"))
      assert.deepStrictEqual([...east.files.keys()], ["file-east-1"])
    })
  )

  it.effect("is not tried again if a copy cannot be deleted, and loses it later", () =>
    Effect.gen(function* () {
      const { east, upload, world } = yield* started()
      yield* upload("1")
      yield* pass(6 * hour)
      east.room = 1
      east.script("delete", answer(400))
      yield* Effect.flip(upload("2"))
      assert.strictEqual(east.calls("create").length, 2)
      yield* pass(hour)
      assert.deepStrictEqual(invariants.problems(world), [])
      assert.strictEqual(east.files.size, 0)
    })
  )
})

describe("an account with a quota", () => {
  it.effect("is kept below it, by what has been idle longest", () =>
    Effect.gen(function* () {
      const { east, upload } = yield* started(new Room({ bytes: 100, files: null }))
      yield* Effect.forEach(Array.from({ length: 5 }), () => upload("x".repeat(19)))
      yield* pass(hour)
      assert.strictEqual(east.files.size, 5)
      yield* pass(2 * hour)
      assert.deepStrictEqual([...east.files.keys()], ["file-east-2", "file-east-3", "file-east-4", "file-east-5"])
    })
  )

  it.effect("is left alone below it", () =>
    Effect.gen(function* () {
      const { east, instance, upload } = yield* started(new Room({ bytes: null, files: 10 }))
      yield* Effect.forEach(Array.from({ length: 9 }), () => upload("x"))
      yield* pass(6 * hour)
      yield* instance.within(Effect.flatMap(Quota, ({ check }) => check))
      assert.strictEqual(east.files.size, 9)
    })
  )
})
