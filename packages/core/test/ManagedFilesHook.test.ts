import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Hook } from "../src/Hooks.ts"
import { answer, decode } from "./support/FakeProvider.ts"
import { admin, alice, aliceInRed, bob, carolInRed } from "./support/principals.ts"
import { copyIn, idOf, sentFiles } from "./support/lookups.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import { advance } from "./support/time.ts"
import * as World from "./support/World.ts"

const onEast = { models: ["east-only"] }

describe("ManagedFilesHook", () => {
  for (const role of ["user", "system", "assistant", "developer", "tool"]) {
    it.effect(`gives the provider its own ID in a message of role ${role}`, () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const file = yield* instance.upload(onEast)
        yield* instance.chat({ model: "east-only", files: [idOf(file)], role })
        assert.deepStrictEqual(sentFiles(world, "east"), [copyIn(world, "east")])
      })
    )

    it.effect(`lets no ID of somebody else pass in a message of role ${role}`, () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const file = yield* instance.upload(onEast)
        const error = yield* Effect.flip(
          instance.chat({ model: "east-only", files: [idOf(file)], role, principal: bob })
        )
        assert.strictEqual(error._tag, "NotFound")
        assert.deepStrictEqual(world.account("east").calls("chat"), [])
      })
    )
  }

  it.effect("leaves every byte but those of the IDs", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const first = yield* instance.upload({ ...onEast, content: "1" })
      const second = yield* instance.upload({ ...onEast, content: "2" })
      const chat = { model: "east-only", files: [idOf(first), idOf(second), idOf(first)] }
      yield* instance.chat(chat)
      const [one, two] = [...world.account("east").files.keys()]
      const expected = World.chatBody(chat)
        .replaceAll(idOf(first), one ?? "")
        .replaceAll(idOf(second), two ?? "")
      assert.strictEqual(decode(world.account("east").calls("chat")[0]?.body ?? new Uint8Array()), expected)
    })
  )

  describe("no provider is called for", () => {
    const cases: ReadonlyArray<readonly [name: string, id: (real: string) => string]> = [
      ["a provider's own ID", () => "file-east-1"],
      ["an ID that never was", () => "file-doesnotexist"],
      ["an altered ID", (real) => `${real.slice(0, -1)}${real.endsWith("A") ? "B" : "A"}`],
      ["an ID that is cut short", (real) => real.slice(0, -4)],
      ["an ID in other case", (real) => real.toUpperCase()],
      [
        "an ID of LiteLLM's form without a row",
        () => `file-${btoa("litellm_proxy:text/plain;unified_id,1").replaceAll("=", "")}`
      ],
      ["nothing", () => ""]
    ]
    for (const [name, id] of cases) {
      it.effect(name, () =>
        Effect.gen(function* () {
          const world = yield* World.make()
          const instance = yield* world.start()
          const real = idOf(yield* instance.upload(onEast))
          const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [real, id(real)] }))
          if (error._tag !== "NotFound") return assert.fail(error._tag)
          assert.strictEqual(error.id, id(real))
          assert.strictEqual(error.param, "messages[1].content[0].file.file_id")
          assert.deepStrictEqual(world.account("east").calls("chat"), [])
        })
      )
    }

    it.effect("a deleted file", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const file = yield* instance.upload(onEast)
        yield* instance.remove(idOf(file))
        const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)] }))
        assert.strictEqual(error._tag, "NotFound")
        assert.deepStrictEqual(world.account("east").calls("chat"), [])
      })
    )
  })

  it.effect("team mates and admins may use a file, others may not", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ ...onEast, principal: aliceInRed })
      for (const principal of [alice, carolInRed, admin]) {
        yield* instance.chat({ model: "east-only", files: [idOf(file)], principal })
      }
      yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)], principal: bob }))
      assert.strictEqual(world.account("east").calls("chat").length, 3)
    })
  )

  it.effect("provider IDs pass where the installation allows them, and only those", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { allowProviderIds: true } })
      const instance = yield* world.start()
      const file = yield* instance.upload(onEast)
      const remote = copyIn(world, "east")
      yield* instance.chat({ model: "east-only", files: [remote, idOf(file)], principal: alice })
      assert.deepStrictEqual(sentFiles(world, "east"), [remote, remote])
      const error = yield* Effect.flip(
        instance.chat({ model: "east-only", files: [remote, idOf(file)], principal: bob })
      )
      assert.strictEqual(error._tag, "NotFound")
    })
  )

  it.effect("deployments that hold the files are preferred, and nothing is copied", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: ["west-only"] })
      for (const _ of Array.from({ length: 20 })) yield* instance.chat({ files: [idOf(file)] })
      assert.strictEqual(world.account("west").calls("chat").length, 20)
      assert.deepStrictEqual(world.account("east").exchanges, [])
    })
  )

  it.effect("the copy is made on another account when the one that holds the file fails", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: ["west-only"] })
      world.account("west").always("chat", answer(503))
      assert.include(yield* instance.chat({ files: [idOf(file)] }), '"account":"east"')
      assert.deepStrictEqual(sentFiles(world, "east"), [copyIn(world, "east")])
    })
  )

  describe("what the provider says", () => {
    it.effect("names our ID where it named its own", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const file = yield* instance.upload(onEast)
        const remote = copyIn(world, "east")
        world.account("east").script("chat", answer(400, `The file ${remote} is no PDF (${remote}).`))
        const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)] }))
        assert.strictEqual(error.message, `The file ${idOf(file)} is no PDF (${idOf(file)}).`)
      })
    )

    it.effect("does so when a new copy did not help either", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const file = yield* instance.upload(onEast)
        world.account("east").files.clear()
        const next = "file-east-2"
        world.account("east").script("chat", answer(404, "gone"), answer(400, `${next} is no PDF`))
        const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)] }))
        assert.strictEqual(copyIn(world, "east"), next)
        assert.strictEqual(error.message, `${idOf(file)} is no PDF`)
      })
    )

    it.effect("is passed on even if the copies cannot be checked", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const file = yield* instance.upload(onEast)
        const remote = copyIn(world, "east")
        world.account("east").always("retrieve", answer(401))
        world.account("east").script("chat", answer(400, `${remote} is no PDF`))
        const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)] }))
        assert.strictEqual(error.message, `${idOf(file)} is no PDF`)
      })
    )
  })

  describe("a file that no deployment can have", () => {
    it.effect("because copies are for target models only", () =>
      Effect.gen(function* () {
        const world = yield* World.make({ settings: { replicate: "targets" } })
        const instance = yield* world.start()
        const free = yield* instance.upload({ models: [] })
        const bound = yield* instance.upload({ models: ["west-only"] })
        const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(free), idOf(bound)] }))
        if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
        assert.strictEqual(error.param, "messages[1].content[0].file.file_id")
        assert.strictEqual(error.code, "file_not_available")
        assert.include(error.message, idOf(bound))
        assert.include(error.message, "may not be copied")
        assert.notInclude(error.message, idOf(free))
        assert.deepStrictEqual(world.account("east").exchanges, [])
      })
    )

    it.effect("because its content is not kept", () =>
      Effect.gen(function* () {
        const world = yield* World.make({ settings: { keepContent: false } })
        const instance = yield* world.start()
        const here = yield* instance.upload({ models: ["east-only"] })
        const there = yield* instance.upload({ models: ["west-only"] })
        const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(here), idOf(there)] }))
        if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
        assert.strictEqual(error.param, "messages[1].content[0].file.file_id")
        assert.include(error.message, idOf(there))
        assert.include(error.message, "not kept")
      })
    )

    it.effect("because each deployment lacks another one", () =>
      Effect.gen(function* () {
        const world = yield* World.make({ settings: { keepContent: false } })
        const instance = yield* world.start()
        const east = yield* instance.upload({ models: ["east-only"] })
        const west = yield* instance.upload({ models: ["west-only"] })
        const error = yield* Effect.flip(instance.chat({ files: [idOf(east), idOf(west)] }))
        if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
        assert.include(error.message, "has all of them")
        assert.strictEqual(error.param, "messages")
      })
    )
  })

  it.effect(
    "a copy that expires while the call is on its way, and cannot be made again, is the account's failure",
    () =>
      Effect.gen(function* () {
        const slow: Hook = {
          name: "slow",
          filterDeployments: (_call, candidates) => Effect.as(Effect.sleep("2 minutes"), candidates)
        }
        const world = yield* World.make({ settings: { keepContent: false }, hooks: [slow] })
        const instance = yield* world.start()
        world.account("east").copyLife = 60_000
        const file = yield* instance.upload(onEast)
        const chat = yield* Effect.forkChild(Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)] })))
        yield* advance(121_000, 10_000)
        const error = yield* Fiber.join(chat)
        assert.strictEqual(error._tag, "ProvidersFailed")
        assert.include(error.message, "not kept here")
      })
  )

  it.effect("storage that fails while copies are looked up fails the call and calls no provider", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: [] })
      const other = yield* world.start()
      other.storage.interfere = SharedStorage.at(other.storage.calls.read + 1, { _tag: "Fail" }, "read")
      const error = yield* Effect.flip(other.chat({ model: "east-only", files: [idOf(file)] }))
      assert.strictEqual(error._tag, "StorageError")
      assert.deepStrictEqual(world.account("east").exchanges, [])
    })
  )
})
