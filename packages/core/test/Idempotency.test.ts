import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { answer } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import * as callers from "./support/principals.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import { advance, settle, until } from "./support/time.ts"
import * as World from "./support/World.ts"

const once: World.Upload = { idempotencyKey: "once" }
const twenty = Array.from({ length: 20 })

const hour = 3_600_000

describe("an Idempotency-Key", () => {
  it.effect("answers a repeated request with the first file", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const first = yield* instance.upload(once)
      yield* advance(5_000)
      const second = yield* instance.upload(once)
      assert.deepStrictEqual(second, first)
      assert.strictEqual(world.account("east").calls("create").length, 1)
      assert.strictEqual(world.storage.rows().length, 1)
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("answers twenty requests at once with one file", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const uploads = yield* Effect.forkChild(
        Effect.forEach(twenty, () => instance.upload(once), { concurrency: "unbounded" })
      )
      yield* advance(1_000)
      const files = yield* Fiber.join(uploads)
      assert.strictEqual(new Set(files.map(({ id }) => id)).size, 1)
      assert.strictEqual(world.account("east").calls("create").length, 1)
      assert.deepStrictEqual(problems(world), [])
      assert.strictEqual(world.storage.rows().length, 1)
    })
  )

  it.effect("answers twenty requests at once on several instances with one file", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instances = [yield* world.start(), yield* world.start(), yield* world.start()]
      world.account("east").always("create", { _tag: "Delay", millis: 700 })
      const uploads = yield* Effect.forkChild(
        Effect.all(
          twenty.map((_, index) => (instances[index % 3] ?? instances[0]!).upload(once)),
          { concurrency: "unbounded" }
        )
      )
      yield* advance(2_000)
      const files = yield* Fiber.join(uploads)
      assert.strictEqual(new Set(files.map(({ id }) => id)).size, 1)
      assert.strictEqual(world.account("east").calls("create").length, 1)
      assert.deepStrictEqual(problems(world), [])
    })
  )

  const different: ReadonlyArray<readonly [what: string, upload: World.Upload]> = [
    ["content", { content: "other" }],
    ["name", { filename: "b.txt" }],
    ["purpose", { purpose: "assistants" }],
    ["target models", { models: ["east-only"] }],
    ["expiry", { expiresAfter: 3_600 }]
  ]
  for (const [what, change] of different) {
    it.effect(`is refused for a request with another ${what}, also while the first is in progress`, () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const latch = Latch.makeUnsafe(false)
        world.account("east").script("create", { _tag: "Wait", latch })
        const first = yield* Effect.forkChild(instance.upload(once))
        yield* settle
        const during = yield* Effect.flip(instance.upload({ ...once, ...change }))
        latch.openUnsafe()
        yield* Fiber.join(first)
        const after = yield* Effect.flip(instance.upload({ ...once, ...change }))
        for (const error of [during, after]) {
          if (error._tag !== "Conflicting") return assert.fail(error._tag)
          assert.strictEqual(error.code, "idempotency_key_mismatch")
        }
        assert.strictEqual(world.storage.rows().length, 1)
        assert.deepStrictEqual(problems(world), [])
      })
    )
  }

  it.effect("is the same for target models in another order", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const first = yield* instance.upload({ ...once, models: ["east-only", "west-only"] })
      const second = yield* instance.upload({ ...once, models: ["west-only", "east-only"] })
      assert.strictEqual(second.id, first.id)
    })
  )

  it.effect("is free again after a request that failed", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      world.account("west").script("create", answer(400))
      yield* Effect.flip(instance.upload(once))
      assert.strictEqual(world.storage.count("idempotency"), 0)
      // Also for a request of another kind.
      const file = yield* instance.upload({ ...once, content: "other" })
      assert.strictEqual(yield* instance.content(file.id ?? ""), "other")
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("of a request that fails goes to one of those that wait for it", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      world.account("west").script("create", answer(400))
      const uploads = yield* Effect.forkChild(
        Effect.forEach(twenty, () => Effect.result(instance.upload(once)), { concurrency: "unbounded" })
      )
      yield* advance(2_000)
      const outcomes = yield* Fiber.join(uploads)
      const failed = outcomes.filter(({ _tag }) => _tag === "Failure")
      const ids = new Set(outcomes.flatMap((outcome) => (outcome._tag === "Success" ? [outcome.success.id] : [])))
      assert.strictEqual(failed.length, 1)
      assert.strictEqual(ids.size, 1)
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("is free again after a request that was interrupted", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      world.account("east").script("create", { _tag: "Hang", done: true })
      const first = yield* Effect.forkChild(instance.upload(once))
      yield* settle
      yield* Effect.forkChild(Fiber.interrupt(first))
      yield* advance(1_000)
      const file = yield* instance.upload({ ...once, content: "other" })
      assert.strictEqual(file.state, "ready")
      yield* World.quiesce
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("is free again as soon as its file is deleted", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const first = yield* instance.upload(once)
      world.account("east").always("delete", answer(500))
      const removing = yield* Effect.forkChild(instance.remove(first.id ?? ""))
      yield* advance(2_000)
      yield* Fiber.join(removing)
      const second = yield* instance.upload({ ...once, content: "other" })
      assert.notStrictEqual(second.id, first.id)
      assert.strictEqual(yield* instance.content(second.id ?? ""), "other")
    })
  )

  it.effect("of one caller is nothing to another", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const everyone = [
        callers.alice,
        callers.bob,
        callers.aliceInRed,
        callers.robotOfRed,
        callers.robotOfBlue,
        callers.lonelyKey,
        callers.otherKey,
        callers.admin
      ]
      const files = yield* Effect.forEach(everyone, (principal, index) =>
        instance.upload({ ...once, principal, content: `of ${index}` })
      )
      assert.strictEqual(new Set(files.map(({ id }) => id)).size, everyone.length)
    })
  )

  it.effect("is the same for two keys of one user", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const first = yield* instance.upload({ ...once, principal: callers.alice })
      const second = yield* instance.upload({ ...once, principal: callers.aliceAgain })
      assert.strictEqual(second.id, first.id)
    })
  )

  it.effect("is kept for a day, and its record is gone after that", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { maintenanceInterval: 600_000, instanceTtl: 2 * hour } })
      const instance = yield* world.start()
      const first = yield* instance.upload(once)
      yield* advance(24 * hour - 1, hour)
      assert.strictEqual((yield* instance.upload(once)).id, first.id)
      yield* advance(1)
      const second = yield* instance.upload({ ...once, content: "other" })
      assert.notStrictEqual(second.id, first.id)
      // The first file lives on without its key, and its deletion does not free the second one's.
      assert.strictEqual((yield* instance.retrieve(first.id ?? "")).id, first.id)
      yield* instance.remove(first.id ?? "")
      assert.strictEqual((yield* instance.upload({ ...once, content: "other" })).id, second.id)
      yield* advance(25 * hour, hour)
      assert.strictEqual(world.storage.count("idempotency"), 0)
    })
  )

  it.effect("of an expired file makes a new one", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: World.unhurried })
      const instance = yield* world.start()
      const expiring: World.Upload = { ...once, expiresAfter: 3_600 }
      const first = yield* instance.upload(expiring)
      // The sweep has not come by yet.
      instance.storage.interfere = ({ method }) => (method === "scan" ? { _tag: "Fail" } : undefined)
      yield* advance(hour, 60_000)
      const second = yield* instance.upload(expiring)
      assert.notStrictEqual(second.id, first.id)
    })
  )

  it.effect("survives a restart", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const first = yield* world.start()
      const file = yield* first.upload(once)
      yield* first.stop
      const second = yield* world.start()
      assert.strictEqual((yield* second.upload(once)).id, file.id)
      assert.strictEqual((yield* Effect.flip(second.upload({ ...once, content: "x" })))._tag, "Conflicting")
    })
  )

  it.effect("of an instance that died is free again within seconds, for those too who wait for it", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const first = yield* world.start()
      world.account("east").script("create", { _tag: "Hang", done: true })
      yield* Effect.forkDetach(Effect.exit(first.upload(once)))
      yield* settle
      const second = yield* world.start()
      const waiting = yield* Effect.forkChild(second.upload(once))
      yield* advance(1_000)
      first.kill()
      yield* until("an answer", () => waiting.pollUnsafe() !== undefined, 15_000)
      yield* World.quiesce
      assert.strictEqual((yield* Fiber.join(waiting)).state, "ready")
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("keeps nobody waiting for longer than a minute", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      world.account("east").script("create", { _tag: "Hang", done: false })
      yield* Effect.forkChild(instance.upload(once))
      yield* settle
      const waiting = yield* Effect.forkChild(Effect.flip(instance.upload(once)))
      const took = yield* until("an answer", () => waiting.pollUnsafe() !== undefined, 70_000, 1_000)
      assert.isAtLeast(took, 60_000)
      const error = yield* Fiber.join(waiting)
      if (error._tag !== "Conflicting") return assert.fail(error._tag)
      assert.strictEqual(error.code, "idempotency_key_in_use")
    })
  )

  it.effect("is claimed once although every second change finds that somebody else's came first", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      let conflicts = 0
      instance.storage.interfere = ({ changes, method, ofMethod }) => {
        const isInsert = changes.length === 1 && changes[0]?.expected === 0
        if (method !== "commit" || isInsert || ofMethod % 2 !== 0) return undefined
        conflicts++
        return { _tag: "Conflict" }
      }
      const file = yield* instance.upload(once)
      assert.isAbove(conflicts, 1)
      instance.storage.interfere = () => undefined
      assert.strictEqual((yield* instance.upload(once)).id, file.id)
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("does not raise a row from the dead that another instance has undone", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const other = yield* world.start()
      const undo = Effect.suspend(() =>
        Effect.forEach(world.storage.rows(), ({ key }) => Effect.orDie(other.registry.modifyFile(key, () => null)))
      )
      // Between the content and the claim.
      const before = instance.storage.calls.blob
      instance.storage.interfere = SharedStorage.at(before + 1, { _tag: "RunAfter", effect: undo }, "blob")
      const error = yield* Effect.flip(instance.upload(once))
      assert.strictEqual(error._tag, "StorageError")
      yield* World.quiesce
      assert.deepStrictEqual(world.storage.rows(), [])
      assert.deepStrictEqual(problems(world), [])
      assert.strictEqual(world.storage.count("idempotency"), 0)
    })
  )
})
