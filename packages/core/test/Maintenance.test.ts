import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { LostUpload, update } from "../src/ManagedFile.ts"
import { answer, encode, type StoredFile } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { idOf } from "./support/lookups.ts"
import { advance, settle, until } from "./support/time.ts"
import * as World from "./support/World.ts"

/** A file that somebody put into an account by other means. */
const put = (world: World.World, account: string, file: Partial<StoredFile> & { readonly id: string }): void => {
  world.account(account).files.set(file.id, {
    filename: "a.txt",
    contentType: "text/plain",
    content: encode("content"),
    fields: new Map(),
    createdAt: Date.UTC(2030, 0, 1),
    expiresAt: null,
    processing: 0,
    ...file
  })
}

/** An upload whose answer got lost, of a file that is there otherwise. */
const withLostUpload = Effect.fnUntraced(function* (world: World.World, instance: World.Instance) {
  const file = yield* instance.upload({ models: ["west-only"] })
  const startedAt = Date.UTC(2030, 0, 1)
  const lost = new LostUpload({ account: "east", remoteId: null, startedAt, endedAt: startedAt + 2_000 })
  yield* instance.registry.modifyFile(file.key, (row) => update(row, { lostUploads: [lost], dueAt: startedAt }))
  return file
})

describe("Maintenance", () => {
  it.effect("asks for nothing where nothing is to be done", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      yield* instance.upload()
      yield* advance(20_000, 1_000)
      const { commit, read } = instance.storage.calls
      yield* advance(60_000, 1_000)
      // Heartbeats, each a read and a commit, every two seconds.
      assert.isAtMost(instance.storage.calls.read - read, 31)
      assert.isAtMost(instance.storage.calls.commit - commit, 31)
      assert.deepStrictEqual(world.account("east").calls("list"), [])
      assert.deepStrictEqual(instance.logs, [])
    })
  )

  it.effect("goes on after its storage has failed for a while", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ expiresAfter: 3_600 })
      instance.storage.interfere = () => ({ _tag: "Fail" })
      yield* advance(20_000, 1_000)
      instance.storage.interfere = () => undefined
      yield* Effect.asVoid(
        instance.registry.modifyFile(file.key, (row) => update(row, { expiresAt: row.createdAt, dueAt: row.createdAt }))
      )
      yield* until("the expired file is gone", () => world.provider.files().length === 0, 5_000)
    })
  )

  it.effect("a round ends when all is done that was due", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { maintenanceInterval: 3_600_000 } })
      const instance = yield* world.start()
      const file = yield* instance.upload()
      yield* instance.registry.modifyFile(file.key, (row) => update(row, { expiresAt: 1, dueAt: 1 }))
      yield* instance.round
      assert.deepStrictEqual(world.provider.files(), [])
      assert.strictEqual(world.storage.rows()[0]?.state, "deleted")
    })
  )

  it.effect("a defect in one row's work keeps nothing from the others", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const bad = yield* instance.upload({ content: "bad" })
      const good = yield* instance.upload({ content: "good" })
      instance.storage.interfere = ({ changes, method }) =>
        method === "commit" && changes.some(({ key }) => key === bad.key)
          ? { _tag: "RunBefore", effect: Effect.die(new Error("a bug")) }
          : undefined
      for (const file of [bad, good]) {
        yield* Effect.exit(instance.registry.modifyFile(file.key, (row) => update(row, { expiresAt: 1, dueAt: 1 })))
      }
      yield* advance(3_000)
      assert.strictEqual((yield* Effect.flip(instance.retrieve(idOf(good))))._tag, "NotFound")
      assert.strictEqual(world.provider.files().length, 2)
    })
  )

  it.effect("does not wait for a provider that hangs before it recovers from a crash", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const first = yield* world.start()
      const doomed = yield* Effect.forEach(
        Array.from({ length: 60 }, (_, index) => index),
        (index) => first.upload({ content: `${index}`, models: ["west-only"] })
      )
      world.account("west").always("delete", { _tag: "Hang", done: false })
      for (const file of doomed) {
        yield* first.registry.modifyFile(file.key, (row) => update(row, { state: "deleting", dueAt: 1 }))
      }
      const latch = Latch.makeUnsafe(false)
      world.account("east").script("create", { _tag: "Wait", latch })
      yield* Effect.forkDetach(Effect.exit(first.upload({ models: ["east-only"] })))
      yield* settle
      first.kill()
      yield* world.start()
      yield* until(
        "the unfinished upload is undone",
        () => world.storage.rows().every(({ state }) => state !== "creating"),
        15_000
      )
    })
  )

  it.effect("does not mistake its own end for a failure", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      world.account("east").always("delete", { _tag: "Hang", done: false })
      const file = yield* instance.upload()
      yield* Effect.forkChild(instance.remove(idOf(file)))
      yield* advance(3_000)
      yield* instance.stop
      assert.deepStrictEqual(
        instance.logs.filter(({ message }) => message.includes("failed")),
        []
      )
      // It has left in order: nobody waits for it.
      assert.strictEqual(world.storage.count("instances"), 0)
    })
  )

  describe("a lost upload", () => {
    it.effect("is looked for only when the provider has had the time to list it, and then deleted", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        put(world, "east", { id: "file-lost" })
        yield* withLostUpload(world, instance)
        yield* advance(5_000)
        assert.isTrue(world.account("east").files.has("file-lost"))
        yield* advance(3_000)
        assert.isFalse(world.account("east").files.has("file-lost"))
        assert.deepStrictEqual(problems(world), [])
      })
    )

    const others: ReadonlyArray<readonly [what: string, file: Partial<StoredFile>]> = [
      ["another name", { filename: "b.txt" }],
      ["another size", { content: encode("content!") }],
      ["an earlier time", { createdAt: Date.UTC(2030, 0, 1) - 60_000 }],
      ["a later time", { createdAt: Date.UTC(2030, 0, 1) + 60_000 }]
    ]
    for (const [what, file] of others) {
      it.effect(`is never taken for a file of ${what}`, () =>
        Effect.gen(function* () {
          const world = yield* World.make()
          const instance = yield* world.start()
          put(world, "east", { id: "file-else", ...file })
          yield* withLostUpload(world, instance)
          yield* World.quiesce
          assert.isTrue(world.account("east").files.has("file-else"))
          assert.deepStrictEqual(world.storage.rows()[0]?.lostUploads, [])
        })
      )
    }

    it.effect("is looked for again as long as the provider fails", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        put(world, "east", { id: "file-lost" })
        world.account("east").always("list", answer(401))
        yield* withLostUpload(world, instance)
        yield* advance(20_000, 1_000)
        assert.strictEqual(world.storage.rows()[0]?.lostUploads.length, 1)
        world.account("east").always("list", null)
        world.account("east").always("delete", answer(401))
        yield* advance(10_000, 1_000)
        world.account("east").always("delete", null)
        yield* until("the copy is gone", () => !world.account("east").files.has("file-lost"), 60_000)
      })
    )

    it.effect("on later pages is found too, whichever way the provider lists", () =>
      Effect.gen(function* () {
        for (const order of ["newest first", "oldest first"]) {
          const world = yield* World.make()
          const instance = yield* world.start()
          const at = Date.UTC(2030, 0, 1)
          put(world, "east", { id: "file-lost" })
          const object = (id: string, filename: string, time: number) => ({
            id,
            filename,
            bytes: 7,
            created_at: time / 1000
          })
          const lost = object("file-lost", "a.txt", at)
          const others = Array.from({ length: 6 }, (_, index) =>
            object(
              `file-${index}`,
              "else.txt",
              order === "newest first" ? at + 9e6 - index * 1e6 : at - 9e6 + index * 1e6
            )
          )
          const pages = [others.slice(0, 3), others.slice(3), [lost]]
          for (const [index, data] of pages.entries()) {
            world.account("east").script("list", {
              _tag: "Answer",
              status: 200,
              body: { data, has_more: index < 2 }
            })
          }
          yield* withLostUpload(world, instance)
          yield* World.quiesce
          assert.isFalse(world.account("east").files.has("file-lost"), order)
          yield* instance.stop
        }
      })
    )

    it.effect("is not confused with a copy of the same file that is on its way", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const file = yield* withLostUpload(world, instance)
        const latch = Latch.makeUnsafe(false)
        world.account("east").script("create", { _tag: "Wait", latch })
        const chat = yield* Effect.forkChild(instance.chat({ model: "east-only", files: [idOf(file)] }))
        yield* advance(20_000, 1_000)
        assert.strictEqual(world.account("east").files.size, 1)
        latch.openUnsafe()
        yield* Fiber.join(chat)
        yield* World.quiesce
        assert.strictEqual(world.account("east").calls("create").length, 1)
        assert.deepStrictEqual(problems(world), [])
      })
    )

    it.effect("is not confused with another file's copy that shows up while it is looked for", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        yield* withLostUpload(world, instance)
        const latch = Latch.makeUnsafe(false)
        world.account("east").script("create", { _tag: "Wait", latch })
        const uploads: Array<Fiber.Fiber<unknown, unknown>> = []
        world.provider.around = {
          before: (_count, { method, url }) =>
            method === "GET" && url.endsWith("/files") && uploads.length === 0
              ? Effect.gen(function* () {
                  uploads.push(yield* Effect.forkDetach(instance.upload({ models: ["east-only"] })))
                  yield* settle
                })
              : Effect.void
        }
        yield* advance(10_000)
        assert.strictEqual(world.account("east").files.size, 1)
        latch.openUnsafe()
        yield* World.quiesce
        assert.strictEqual(world.account("east").files.size, 1)
        assert.deepStrictEqual(problems(world), [])
      })
    )

    it.effect("is not looked for past the files of its time", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const at = Date.UTC(2030, 0, 1)
        const old = [1, 2, 3].map((n) => ({ id: `f${n}`, filename: "x", bytes: 1, created_at: at / 1000 - n * 3_600 }))
        world.account("east").always("list", { _tag: "Answer", status: 200, body: { data: old, has_more: true } })
        yield* withLostUpload(world, instance)
        yield* World.quiesce
        assert.strictEqual(world.account("east").calls("list").length, 1)
        assert.deepStrictEqual(world.storage.rows()[0]?.lostUploads, [])
      })
    )
  })
})
