/** Copies that calls need: made when there is none, made again when the provider has lost them, and made once. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import { answer, decode } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { copyIn, idOf, sentFiles } from "./support/lookups.ts"
import { advance, settle } from "./support/time.ts"
import * as World from "./support/World.ts"

const fifty = Array.from({ length: 50 })

const onEast = { models: ["east-only"] }

describe("a copy on demand", () => {
  it.effect("is made once for fifty calls at the same moment", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: [], content: "for all" })
      const latch = Latch.makeUnsafe(false)
      world.account("east").script("create", { _tag: "Wait", latch })
      const calls = yield* Effect.forkChild(
        Effect.forEach(fifty, () => instance.chat({ model: "east-only", files: [idOf(file)] }), {
          concurrency: "unbounded"
        })
      )
      yield* settle
      latch.openUnsafe()
      assert.strictEqual((yield* Fiber.join(calls)).length, 50)
      assert.strictEqual(world.account("east").calls("create").length, 1)
      assert.deepStrictEqual(
        world.provider.files().map(({ account, content }) => [account, decode(content)]),
        [["east", "for all"]]
      )
    })
  )

  it.effect("is made once on two instances", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const one = yield* world.start()
      const two = yield* world.start()
      const file = yield* one.upload({ models: [] })
      const latch = Latch.makeUnsafe(false)
      world.account("east").script("create", { _tag: "Wait", latch })
      const chat = { model: "east-only", files: [idOf(file)] }
      const calls = yield* Effect.forkChild(
        Effect.all(
          fifty.map((_, index) => (index % 2 === 0 ? one : two).chat(chat)),
          { concurrency: "unbounded" }
        )
      )
      yield* advance(3_000)
      assert.strictEqual(world.account("east").calls("create").length, 1)
      latch.openUnsafe()
      yield* advance(1_000)
      assert.strictEqual((yield* Fiber.join(calls)).length, 50)
      assert.strictEqual(world.account("east").calls("create").length, 1)
    })
  )

  it.effect("goes on when the call that asked first leaves", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: [] })
      const latch = Latch.makeUnsafe(false)
      world.account("east").script("create", { _tag: "Wait", latch })
      const chat = instance.chat({ model: "east-only", files: [idOf(file)] })
      const first = yield* Effect.forkChild(chat)
      const second = yield* Effect.forkChild(chat)
      yield* settle
      yield* Fiber.interrupt(first)
      latch.openUnsafe()
      yield* Fiber.join(second)
      assert.strictEqual(world.account("east").calls("create").length, 1)
      assert.strictEqual(world.account("east").calls("chat").length, 1)
    })
  )

  it.effect("that fails makes way for another deployment", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: [] })
      world.account("east").always("create", answer(400))
      assert.include(yield* instance.chat({ files: [idOf(file)] }), '"account":"west"')
    })
  )

  it.effect("that fails everywhere is a failure that names the account, and may succeed the next time", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: [] })
      world.account("east").script("create", answer(401))
      const chat = { model: "east-only", files: [idOf(file)] }
      const error = yield* Effect.flip(instance.chat(chat))
      if (error._tag !== "ProvidersFailed") return assert.fail(error._tag)
      assert.include(error.message, "east")
      assert.deepStrictEqual(world.account("east").calls("chat"), [])
      yield* instance.chat(chat)
      assert.strictEqual(world.account("east").calls("chat").length, 1)
    })
  )

  it.effect("waits until the provider has processed it", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: [] })
      world.account("east").processing = 3
      const call = yield* Effect.forkChild(instance.chat({ model: "east-only", files: [idOf(file)] }))
      yield* advance(500)
      assert.deepStrictEqual(world.account("east").calls("chat"), [])
      yield* advance(500)
      yield* Fiber.join(call)
      assert.strictEqual(world.account("east").calls("create").length, 1)
    })
  )

  it.effect("that the provider cannot process is deleted there, and made again for the next call", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: [] })
      const east = world.account("east")
      east.processing = "never"
      const chat = { model: "east-only", files: [idOf(file)] }
      const call = yield* Effect.forkChild(Effect.flip(instance.chat(chat)))
      yield* settle
      const spoilt = copyIn(world, "east")
      east.script("retrieve", { _tag: "Answer", status: 200, body: { id: spoilt, status: "error" } })
      yield* advance(500)
      assert.include((yield* Fiber.join(call)).message, "east could not process the file")
      yield* advance(2_000)
      assert.strictEqual(east.files.size, 0)
      east.processing = 0
      yield* instance.chat(chat)
      assert.notStrictEqual(copyIn(world, "east"), spoilt)
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("takes the place of one that its provider has let expire, and the file stays", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      world.account("east").copyLife = 60_000
      const file = yield* instance.upload({ ...onEast, expiresAfter: 2_592_000 })
      const first = copyIn(world, "east")
      yield* advance(61_000, 5_000)
      yield* instance.chat({ model: "east-only", files: [idOf(file)] })
      assert.strictEqual(world.account("east").calls("create").length, 2)
      assert.notStrictEqual(copyIn(world, "east"), first)
      assert.deepStrictEqual(sentFiles(world, "east"), [copyIn(world, "east")])
      assert.strictEqual((yield* instance.retrieve(idOf(file))).id, file.id)
    })
  )
})

describe("a copy that the provider has lost", () => {
  it.effect("is made again within the call that found out", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ ...onEast, content: "precious" })
      const lost = copyIn(world, "east")
      world.account("east").files.clear()
      yield* instance.chat({ model: "east-only", files: [idOf(file)] })
      const [found] = world.account("east").files.values()
      assert.strictEqual(decode(found?.content ?? new Uint8Array()), "precious")
      assert.notStrictEqual(found?.id, lost)
      assert.deepStrictEqual(sentFiles(world, "east"), [found?.id ?? ""])
    })
  )

  it.effect("is made again by one upload for fifty calls at the same moment, and none of them fails", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload(onEast)
      world.account("east").files.clear()
      const outcomes = yield* Effect.forEach(
        fifty,
        () => Effect.result(instance.chat({ model: "east-only", files: [idOf(file)] })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(outcomes.filter(Result.isSuccess).length, 50)
      assert.strictEqual(world.account("east").calls("create").length, 2)
      assert.strictEqual(world.account("east").files.size, 1)
    })
  )

  it.effect("also while others are still waiting for their first answer", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload(onEast)
      const account = world.account("east")
      const lost = copyIn(world, "east")
      const latch = Latch.makeUnsafe(false)
      // This call's refusal arrives after another call has mended everything.
      account.script("chat", { _tag: "Wait", latch })
      account.files.clear()
      const late = yield* Effect.forkChild(instance.chat({ model: "east-only", files: [idOf(file)] }))
      yield* settle
      yield* instance.chat({ model: "east-only", files: [idOf(file)] })
      latch.openUnsafe()
      assert.include(yield* Fiber.join(late), "chat.completion")
      assert.strictEqual(account.calls("create").length, 2)
      assert.isFalse(account.files.has(lost))
    })
  )

  it.effect("is not blamed for another refusal", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload(onEast)
      world.account("east").script("chat", answer(400, "temperature is too high"))
      const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)] }))
      assert.strictEqual(error._tag, "ProviderRefused")
      assert.strictEqual(world.account("east").calls("chat").length, 1)
      assert.strictEqual(world.account("east").calls("create").length, 1)
    })
  )

  it.effect("that was the last of its content cannot be made again", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { keepContent: false } })
      const instance = yield* world.start()
      const file = yield* instance.upload(onEast)
      world.account("east").files.clear()
      const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)] }))
      if (error._tag !== "ProviderRefused") return assert.fail(error._tag)
      assert.include(error.message, idOf(file))
    })
  )
})
