import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { backoff } from "../src/Removal.ts"
import { answer } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { idOf } from "./support/lookups.ts"
import { bob } from "./support/principals.ts"
import { advance, settle, until } from "./support/time.ts"
import * as World from "./support/World.ts"

/** Deletes a file and waits for the answer, however long the provider takes. */
const removed = Effect.fnUntraced(function* (instance: World.Instance, id: string) {
  const fiber = yield* Effect.forkChild(instance.remove(id), { startImmediately: true })
  const took = yield* until("an answer", () => fiber.pollUnsafe() !== undefined, 10_000)
  yield* Fiber.join(fiber)
  return took
})

describe("Removal", () => {
  it.effect("takes every copy and the content, and leaves a tombstone", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload()
      const gone = yield* instance.remove(idOf(file))
      assert.strictEqual(gone.id, file.id)
      assert.deepStrictEqual(world.provider.files(), [])
      assert.deepStrictEqual(world.storage.blobKeys(), [])
      assert.deepStrictEqual(
        world.storage.rows().map(({ replicas, state }) => [state, replicas.length]),
        [["deleted", 0]]
      )
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("makes the file vanish for clients at once, whatever the providers do", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload()
      world.account("east").always("delete", answer(500))
      world.account("west").always("delete", { _tag: "Hang", done: false })
      assert.isAtMost(yield* removed(instance, idOf(file)), 1_250)
      for (const attempt of [
        instance.retrieve(idOf(file)),
        instance.content(idOf(file)),
        instance.chat({ files: [idOf(file)] }),
        instance.remove(idOf(file))
      ]) {
        assert.strictEqual((yield* Effect.flip<unknown, { readonly _tag: string }, never>(attempt))._tag, "NotFound")
      }
      assert.deepStrictEqual((yield* instance.list()).files, [])
      assert.strictEqual(world.provider.files().length, 2)
    })
  )

  it.effect("waits for the providers for a moment, so that what is quick is done when it answers", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload()
      world.account("east").script("delete", { _tag: "Delay", millis: 400 })
      const took = yield* removed(instance, idOf(file))
      assert.isAtLeast(took, 400)
      assert.deepStrictEqual(world.provider.files(), [])
    })
  )

  it.effect("tries again with growing pauses until every copy is gone", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ accounts: [{ id: "east", policy: { attempts: 1 } }, { id: "west" }] })
      const instance = yield* world.start()
      const file = yield* instance.upload()
      const east = world.account("east")
      east.always("delete", answer(503))
      yield* removed(instance, idOf(file))
      yield* advance(120_000, 500)
      const times = east.calls("delete").map(({ at }) => at)
      const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0))
      assert.isAtLeast(pauses.length, 5)
      for (const [index, pause] of pauses.entries()) {
        // At least what is due, and no more than one round later.
        assert.isAtLeast(pause, backoff(index + 1))
        assert.isAtMost(pause, backoff(index + 1) + 1_500)
      }
      assert.strictEqual(world.account("west").files.size, 0)
      east.always("delete", null)
      yield* until("the copy is gone", () => world.provider.files().length === 0, 301_000, 1_000)
      assert.strictEqual(world.storage.rows()[0]?.state, "deleted")
    })
  )

  it("pauses for 1 s, 2 s, 4 s, and never for longer than 5 minutes", () => {
    assert.deepStrictEqual([0, 1, 2, 8, 9, 1_000].map(backoff), [1_000, 2_000, 4_000, 256_000, 300_000, 300_000])
  })

  it.effect("a provider that hangs does not hold up what is to be done elsewhere", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const files = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, index) => index),
        (index) => instance.upload({ content: `${index}`, models: ["west-only"] })
      )
      world.account("west").always("delete", { _tag: "Hang", done: false })
      yield* Effect.forkChild(
        Effect.forEach(files, (file) => instance.remove(idOf(file)), { concurrency: "unbounded" })
      )
      yield* advance(3_000)
      const healthy = yield* instance.upload({ models: ["east-only"] })
      world.account("east").script("delete", answer(500), answer(500), answer(500))
      yield* removed(instance, idOf(healthy))
      assert.strictEqual(world.account("east").files.size, 1)
      yield* until("the other one is gone", () => world.account("east").files.size === 0, 40_000, 500)
      world.account("west").always("delete", null)
      yield* until("all are gone", () => world.provider.files().length === 0, 120_000, 1_000)
    })
  )

  for (const status of [404, 410]) {
    it.effect(`takes a provider's ${status} for gone`, () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const file = yield* instance.upload()
        world.account("east").script("delete", answer(status))
        world.account("west").files.clear()
        yield* instance.remove(idOf(file))
        assert.strictEqual(world.storage.rows()[0]?.state, "deleted")
        assert.strictEqual(world.account("east").calls("delete").length, 1)
      })
    )
  }

  it.effect("succeeds once however many ask at the same moment", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const one = yield* world.start()
      const two = yield* world.start()
      const file = yield* one.upload()
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : two)),
        (instance) => Effect.result(instance.remove(idOf(file))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Success").length, 1)
      for (const outcome of outcomes) {
        if (outcome._tag === "Failure") assert.strictEqual(outcome.failure._tag, "NotFound")
      }
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("of somebody else's file is refused like that of none", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload()
      const error = yield* Effect.flip(instance.remove(idOf(file), bob))
      assert.strictEqual(error._tag, "NotFound")
      assert.strictEqual(world.provider.files().length, 2)
      assert.strictEqual((yield* instance.retrieve(idOf(file))).id, file.id)
    })
  )

  it.effect("of a file that is being copied takes the copy too when it is there", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: [] })
      const latch = Latch.makeUnsafe(false)
      world.account("east").script("create", { _tag: "Wait", latch })
      const chat = yield* Effect.forkChild(Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)] })))
      yield* settle
      yield* removed(instance, idOf(file))
      latch.openUnsafe()
      yield* World.quiesce
      assert.strictEqual((yield* Fiber.join(chat))._tag, "ProvidersFailed")
      assert.deepStrictEqual(world.provider.files(), [])
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("keeps a copy in mind whose account is not configured any more", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const first = yield* world.start()
      const file = yield* first.upload()
      yield* first.stop
      const without = yield* world.start({}, ["west"])
      yield* removed(without, idOf(file))
      assert.strictEqual(world.account("west").files.size, 0)
      yield* advance(30_000, 1_000)
      assert.strictEqual(world.storage.rows()[0]?.state, "deleting")
      assert.isTrue(without.logs.some(({ message }) => message.includes("not configured any more")))
      yield* without.stop
      yield* world.start()
      yield* until("the copy is gone", () => world.provider.files().length === 0, 301_000, 1_000)
      assert.strictEqual(world.storage.rows()[0]?.state, "deleted")
    })
  )

  it.effect("goes on after a restart", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const first = yield* world.start()
      const file = yield* first.upload()
      world.account("east").always("delete", answer(500))
      yield* removed(first, idOf(file))
      first.kill()
      world.account("east").always("delete", null)
      yield* world.start()
      yield* until("the copy is gone", () => world.provider.files().length === 0, 15_000)
    })
  )

  it.effect("of content that cannot be removed at once happens later, and does not keep the copies", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload()
      instance.storage.interfere = ({ method }) => (method === "blob" ? { _tag: "Fail" } : undefined)
      yield* removed(instance, idOf(file))
      yield* advance(2_000)
      assert.deepStrictEqual(world.provider.files(), [])
      assert.strictEqual(world.storage.blobKeys().length, 1)
      instance.storage.interfere = () => undefined
      yield* World.quiesce
      assert.deepStrictEqual(problems(world), [])
      assert.strictEqual(world.storage.rows()[0]?.state, "deleted")
    })
  )

  describe("a tombstone", () => {
    it.effect("keeps the cursor working, and goes after its time", () =>
      Effect.gen(function* () {
        const world = yield* World.make({ settings: { tombstoneTtl: 60_000 } })
        const instance = yield* world.start()
        const names = ["1", "2", "3"]
        for (const name of names) {
          yield* instance.upload({ filename: name, content: name })
          yield* advance(1_000)
        }
        const [newest] = (yield* instance.list({ limit: 1 })).files
        yield* instance.remove(newest?.id ?? "")
        const page = yield* instance.list({ after: newest?.id ?? "" })
        assert.deepStrictEqual(
          page.files.map(({ filename }) => filename),
          ["2", "1"]
        )
        yield* advance(62_000, 1_000)
        assert.strictEqual(world.storage.rows().length, 2)
        const error = yield* Effect.flip(instance.list({ after: newest?.id ?? "" }))
        if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
        assert.strictEqual(error.param, "after")
      })
    )

    it.effect("lets a client delete every file while it lists them", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        yield* Effect.forEach(
          Array.from({ length: 25 }, (_, index) => index),
          (index) => instance.upload({ content: `${index}`, models: [] })
        )
        let after: string | null = null
        let deleted = 0
        for (;;) {
          const {
            files,
            hasMore
          }: { readonly files: ReadonlyArray<{ readonly id: string | null }>; readonly hasMore: boolean } =
            yield* instance.list({ limit: 4, after })
          for (const { id } of files) {
            yield* instance.remove(id ?? "")
            deleted++
          }
          after = files.at(-1)?.id ?? null
          if (!hasMore) break
        }
        assert.strictEqual(deleted, 25)
        assert.deepStrictEqual((yield* instance.list()).files, [])
      })
    )

    it.effect("is not there for what was never a file", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        world.account("east").script("create", answer(400))
        yield* Effect.flip(instance.upload())
        assert.deepStrictEqual(world.storage.rows(), [])
      })
    )
  })
})
