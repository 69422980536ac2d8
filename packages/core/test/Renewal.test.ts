import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { FileSettings } from "../src/Settings.ts"
import { answer, decode, type FakeAccount } from "./support/FakeProvider.ts"
import { idOf } from "./support/lookups.ts"
import * as invariants from "./support/invariants.ts"
import { alice } from "./support/principals.ts"
import { advance } from "./support/time.ts"
import * as World from "./support/World.ts"

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const started = Effect.fnUntraced(function* (settings: Partial<FileSettings>) {
  const world = yield* World.make({
    settings: { maintenanceInterval: 10 * minute, instanceTtl: day, ...settings }
  })
  const east = world.account("east")
  east.copyLife = 2 * day
  const instance = yield* world.start()
  const file = yield* instance.upload({ models: ["east-only"] })
  const chat = instance.chat({ model: "east-only", files: [idOf(file)] })
  return { chat, east, file, instance, world }
})

const pass = (millis: number) => advance(millis, 10 * minute)

describe("copies of files in use", () => {
  it.effect("are made again before they expire, without a call that asks for it, until nobody has used them", () =>
    Effect.gen(function* () {
      const { chat, east, world } = yield* started({ prefetchWindow: 3 * day })
      const start = yield* Clock.currentTimeMillis
      yield* pass(day)
      yield* chat
      yield* pass(day)
      // In time for the margin of ten minutes, and with the grain of a round.
      const renewed = east.calls("create")[1]?.at ?? assert.fail("there is no second copy")
      assert.isAtLeast(renewed - start, 2 * day - 11 * minute)
      assert.isBelow(renewed - start, 2 * day)
      yield* pass(hour)
      yield* chat
      assert.strictEqual(east.calls("create").length, 2)
      // Used last after two days, so a copy is made at four, and none at six.
      yield* pass(6 * day)
      assert.strictEqual(east.calls("create").length, 3)
      assert.deepStrictEqual(invariants.problems(world, { dropped: new Set(["file-east-3"]) }), [])
    })
  )

  it.effect("are left to the call that needs them unless the installation wants it otherwise", () =>
    Effect.gen(function* () {
      const { chat, east } = yield* started({})
      yield* pass(day)
      yield* chat
      yield* pass(2 * day)
      assert.strictEqual(east.calls("create").length, 1)
      yield* chat
      assert.strictEqual(east.calls("create").length, 2)
    })
  )

  it.effect("are not asked for over and over where they cannot be made", () =>
    Effect.gen(function* () {
      const { chat, east } = yield* started({ prefetchWindow: 5 * day })
      east.always("create", answer(400, "no"))
      yield* pass(2 * day + hour)
      assert.strictEqual(east.calls("create").length, 2)
      east.mend()
      yield* chat
      assert.strictEqual(east.calls("create").length, 3)
    })
  )

  it.effect("go with their file, and not before it", () =>
    Effect.gen(function* () {
      const world = yield* World.make({
        settings: { maintenanceInterval: 10 * minute, instanceTtl: day, prefetchWindow: 30 * day }
      })
      const east = world.account("east")
      const instance = yield* world.start()
      yield* instance.upload({ models: ["east-only"], expiresAfter: 3_600 })
      yield* pass(3 * hour)
      assert.strictEqual(east.calls("create").length, 1)
      assert.strictEqual(east.files.size, 0)
    })
  )
})

describe("a batch whose copies live for two days", () => {
  const batch = Effect.fnUntraced(function* (instance: World.Instance, file: string) {
    const body = { model: "east-only", messages: [{ role: "user", content: [{ file: { file_id: file } }] }] }
    const line = JSON.stringify({ custom_id: "1", method: "POST", url: "/v1/chat/completions", body })
    const input = idOf(yield* instance.upload({ content: line, purpose: "batch", filename: "in.jsonl", models: [] }))
    const { object } = yield* instance.run(
      {
        _tag: "CreateBatch",
        body: { input_file_id: input, endpoint: "/v1/chat/completions", completion_window: "24h" },
        inputFile: { id: input, param: "input_file_id" },
        model: null,
        idempotencyKey: null
      },
      alice
    )
    return String(object["id"])
  }, Effect.scoped)

  /** The copies that the lines of the newest batch name. */
  const namedBy = (east: FakeAccount) => {
    const { inputFileId } = [...east.batches.values()].at(-1) ?? assert.fail("there is no batch")
    const input = east.files.get(inputFileId) ?? assert.fail("there is no input")
    return [...(decode(input.content).match(/file-east-\d+/g) ?? [])]
  }

  it.effect("has a day of them before it, or gets others", () =>
    Effect.gen(function* () {
      const { east, file, instance } = yield* started({})
      yield* advance(23 * hour, hour)
      yield* batch(instance, idOf(file))
      assert.deepStrictEqual(namedBy(east), ["file-east-1"])
      yield* advance(2 * hour, hour)
      yield* batch(instance, idOf(file))
      assert.notInclude(namedBy(east), "file-east-1")
      // The one that the other batch reads is left to it.
      assert.isTrue(east.files.has("file-east-1"))
    })
  )

  it.effect("keeps them to their end, and comes to its own after it", () =>
    Effect.gen(function* () {
      const { chat, east, file, instance } = yield* started({ prefetchWindow: 30 * day })
      const id = yield* batch(instance, idOf(file))
      yield* advance(47 * hour, hour)
      yield* pass(55 * minute)
      // Another has been made in time, which does not take the batch's own away.
      assert.isAtLeast(east.calls("create").length, 3)
      assert.deepStrictEqual(namedBy(east), ["file-east-1"])
      assert.isTrue(east.files.has("file-east-1"))
      yield* pass(hour)
      yield* chat
      const retrieve = Effect.scoped(instance.run({ _tag: "RetrieveBatch", id }, alice))
      assert.notStrictEqual((yield* retrieve).object["status"], "completed")
      const running = [...east.batches.keys()].at(-1) ?? ""
      east.complete(running, "the output")
      const { object } = yield* retrieve
      assert.strictEqual(object["status"], "completed")
      assert.strictEqual(yield* instance.content(String(object["output_file_id"])), "the output")
    })
  )
})

describe("the use of a copy", () => {
  it.effect("is written down once an hour, however many calls there are", () =>
    Effect.gen(function* () {
      const { chat, instance } = yield* started({})
      let writes = 0
      yield* chat
      yield* pass(2 * hour)
      instance.storage.interfere = ({ changes }) => {
        if (changes.some(({ collection }) => collection === "files")) writes++
        return undefined
      }
      yield* Effect.forEach(Array.from({ length: 50 }), () => chat, { concurrency: "unbounded" })
      yield* pass(10 * minute)
      yield* chat
      yield* pass(10 * minute)
      assert.strictEqual(writes, 1)
    })
  )
})
