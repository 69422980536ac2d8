import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import { Owner } from "../src/Access.ts"
import { LostUpload, type ManagedFile, update } from "../src/ManagedFile.ts"
import * as Registry from "../src/Registry.ts"
import { RegistryBackend } from "../src/RegistryBackend.ts"
import { IdempotencyRecord } from "../src/RegistryRecords.ts"
import { replica, row } from "./support/rows.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import { settle } from "./support/time.ts"

const record = (key: string, file: string) => new IdempotencyRecord({ key, fingerprint: "f", file, expiresAt: 1_000 })

interface Views {
  readonly storage: SharedStorage.SharedStorage
  readonly view: SharedStorage.StorageView
  readonly registry: Registry.Registry["Service"]
  readonly other: Registry.Registry["Service"]
}

/** Two registries over one storage, as two processes have them. */
const test = <E>(name: string, run: (views: Views) => Effect.Effect<void, E>) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const storage = SharedStorage.make()
      const open = (view: SharedStorage.StorageView) =>
        Registry.Registry.pipe(
          Effect.provide(Layer.fresh(Registry.layer).pipe(Layer.provide(Layer.succeed(RegistryBackend, view.backend))))
        )
      const view = storage.view()
      yield* run({ storage, view, registry: yield* open(view), other: yield* open(storage.view()) })
    })
  )

describe("Registry", () => {
  test("keeps a row as it is written", ({ other, registry }) =>
    Effect.gen(function* () {
      const file = row("a", {
        owner: new Owner({ user: null, team: "ré d", keyHash: "h" }),
        expiresAt: 5,
        models: ["m", "n"],
        replicas: [replica({ account: "east", remoteId: "file/1?", expiresAt: 9, updatedAt: 2 })],
        lostUploads: [new LostUpload({ account: "west", remoteId: "file-2", startedAt: 1, endedAt: 2 })]
      })
      yield* registry.insertFile(file)
      assert.deepStrictEqual(yield* other.file("a"), file)
      assert.isTrue(yield* other.ownsRemote("east", "file/1?"))
      // What is known to be deleted soon is nobody's orphan either.
      assert.isTrue(yield* other.ownsRemote("west", "file-2"))
      assert.isFalse(yield* other.ownsRemote("east", "file-2"))
    }))

  test("reads rows from before variants, containers and jobs", ({ registry, view }) =>
    Effect.gen(function* () {
      const copy = { account: "east", remoteId: "file-1", createdAt: 1 }
      const old = {
        ...row("a"),
        replicas: [
          { ...copy, variant: "original", state: "ready", instance: null, expiresAt: null, updatedAt: 1, error: null }
        ],
        lostUploads: [{ account: "west", remoteId: null, startedAt: 1, endedAt: 2 }]
      }
      const { lines: _, ...stored } = old
      const key = { key: "k", fingerprint: "f", file: "a", expiresAt: 1 }
      yield* view.backend.commit([
        { collection: "files", key: "a", expected: 0, record: { value: JSON.stringify(stored), entries: [] } },
        { collection: "idempotency", key: "k", expected: 0, record: { value: JSON.stringify(key), entries: [] } }
      ])
      const file = yield* registry.file("a")
      assert.isNull(file?.lines)
      assert.deepStrictEqual(
        file?.replicas.map(({ bytes, container }) => [bytes, container]),
        [[null, null]]
      )
      assert.deepStrictEqual(
        file?.lostUploads.map(({ bytes, variant }) => [bytes, variant]),
        [[null, "original"]]
      )
      assert.strictEqual((yield* registry.idempotency("k"))?.value.collection, "files")
    }))

  test("refuses a row under a key that is taken", ({ registry }) =>
    Effect.gen(function* () {
      yield* registry.insertFile(row("a"))
      const error = yield* Effect.flip(registry.insertFile(row("a")))
      assert.strictEqual(error.reason._tag, "Conflict")
    }))

  test("answers a read from its cache until another process has changed the row", ({ other, registry, view }) =>
    Effect.gen(function* () {
      yield* registry.insertFile(row("a"))
      yield* registry.file("a")
      const reads = view.calls.read
      yield* registry.file("a")
      yield* registry.files(["a", "a"])
      assert.strictEqual(view.calls.read, reads)
      yield* other.modifyFile("a", (file) => update(file, { filename: "b" }))
      assert.strictEqual((yield* registry.file("a"))?.filename, "b")
    }))

  test("reads several rows at once, in the order of the keys", ({ registry, view }) =>
    Effect.gen(function* () {
      for (const key of ["a", "b", "c"]) yield* registry.insertFile(row(key))
      yield* registry.file("b")
      const reads = view.calls.read
      const found = yield* registry.files(["c", "none", "b", "a", "c"])
      assert.deepStrictEqual(
        found.map((file) => file?.key),
        ["c", undefined, "b", "a", "c"]
      )
      assert.strictEqual(view.calls.read, reads + 1)
    }))

  test("never keeps what was read before a change and arrives after it", ({ registry, view }) =>
    Effect.gen(function* () {
      yield* registry.insertFile(row("a"))
      // The answer to this read is on its way for longer than the change takes.
      const latch = Latch.makeUnsafe(false)
      view.interfere = SharedStorage.at(1, { _tag: "RunAfter", effect: latch.await }, "read")
      const slow = yield* Effect.forkChild(registry.file("a"))
      yield* settle
      yield* registry.modifyFile("a", (file) => update(file, { filename: "b" }))
      latch.openUnsafe()
      assert.strictEqual((yield* Fiber.join(slow))?.filename, "a.txt")
      assert.strictEqual((yield* registry.file("a"))?.filename, "b")
    }))

  test("drops a row from the cache also if the commit fails after it was done", ({ registry, view }) =>
    Effect.gen(function* () {
      yield* registry.insertFile(row("a"))
      yield* registry.file("a")
      view.interfere = SharedStorage.at(view.calls.commit + 1, { _tag: "FailAfter" }, "commit")
      yield* Effect.flip(registry.modifyFile("a", (file) => update(file, { filename: "b" })))
      assert.strictEqual((yield* registry.file("a"))?.filename, "b")
    }))

  test("an interruption waits for a commit that is under way", ({ registry, storage, view }) =>
    Effect.gen(function* () {
      yield* registry.insertFile(row("a"))
      yield* registry.file("a")
      const latch = Latch.makeUnsafe(false)
      view.interfere = SharedStorage.at(view.calls.commit + 1, { _tag: "Wait", latch }, "commit")
      const change = yield* Effect.forkChild(registry.modifyFile("a", (file) => update(file, { filename: "b" })))
      yield* settle
      const interruption = yield* Effect.forkChild(Fiber.interrupt(change))
      yield* settle
      // It has not been answered yet, so nobody may take the old row for the newest.
      assert.isUndefined(interruption.pollUnsafe())
      latch.openUnsafe()
      yield* Fiber.join(interruption)
      assert.strictEqual(storage.rows()[0]?.filename, "b")
      assert.strictEqual((yield* registry.file("a"))?.filename, "b")
    }))

  test("loses no change of many at the same moment, in one process or two", ({ other, registry }) =>
    Effect.gen(function* () {
      yield* registry.insertFile(row("a", { attempts: 0 }))
      yield* Effect.forEach(
        Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? registry : other)),
        (one) =>
          Effect.andThen(
            Effect.yieldNow,
            one.modifyFile("a", (file) => update(file, { attempts: file.attempts + 1 }))
          ),
        { concurrency: "unbounded" }
      )
      assert.strictEqual((yield* registry.file("a"))?.attempts, 60)
    }))

  test("a change may leave the row, or remove it", ({ registry, storage, view }) =>
    Effect.gen(function* () {
      yield* registry.insertFile(row("a"))
      const commits = view.calls.commit
      assert.strictEqual((yield* registry.modifyFile("a", () => undefined))?.key, "a")
      assert.strictEqual(view.calls.commit, commits)
      assert.isUndefined(yield* registry.modifyFile("a", () => null))
      assert.isUndefined(yield* registry.file("a"))
      assert.deepStrictEqual(storage.rows(), [])
      assert.isUndefined(yield* registry.modifyFile("a", (file) => file))
    }))

  describe("idempotency", () => {
    const claiming = (file: ManagedFile) => update(file, { idempotency: "key", state: "creating" })

    test("a key is claimed together with its row, once", ({ other, registry }) =>
      Effect.gen(function* () {
        yield* registry.insertFile(row("a", { state: "receiving" }))
        yield* registry.insertFile(row("b", { state: "receiving" }))
        const outcomes = yield* Effect.all([
          registry.claimIdempotency(record("key", "a"), 0, claiming),
          other.claimIdempotency(record("key", "b"), 0, claiming)
        ])
        assert.deepStrictEqual(outcomes, ["Claimed", "Contended"])
        assert.strictEqual((yield* registry.file("a"))?.state, "creating")
        assert.strictEqual((yield* registry.file("b"))?.state, "receiving")
        assert.strictEqual((yield* other.idempotency("key"))?.value.file, "a")
      }))

    test("a claim changes nothing where the row does not want it, or is gone", ({ registry, storage }) =>
      Effect.gen(function* () {
        yield* registry.insertFile(row("a"))
        assert.strictEqual(yield* registry.claimIdempotency(record("key", "a"), 0, () => undefined), "Refused")
        assert.strictEqual(yield* registry.claimIdempotency(record("key", "none"), 0, claiming), "Refused")
        assert.strictEqual(storage.count("idempotency"), 0)
        assert.strictEqual(storage.rows().length, 1)
      }))

    test("a row that gives its key up frees it, unless it is another's by now", ({ registry }) =>
      Effect.gen(function* () {
        for (const key of ["a", "b"]) yield* registry.insertFile(row(key))
        yield* registry.claimIdempotency(record("key", "a"), 0, claiming)
        const held = yield* registry.idempotency("key")
        yield* registry.claimIdempotency(record("key", "b"), held?.version ?? 0, claiming)
        yield* registry.modifyFile("a", () => null)
        assert.strictEqual((yield* registry.idempotency("key"))?.value.file, "b")
        yield* registry.modifyFile("b", (file) => update(file, { idempotency: null }))
        assert.isUndefined(yield* registry.idempotency("key"))
      }))
  })

  test("lists what is due, the most overdue first, and passes over what it cannot understand", ({ registry, view }) =>
    Effect.gen(function* () {
      yield* registry.insertFile(row("later", { dueAt: 30 }))
      yield* registry.insertFile(row("first", { dueAt: 10 }))
      yield* registry.insertFile(row("second", { dueAt: 20 }))
      yield* registry.insertFile(row("never", { dueAt: null }))
      yield* view.backend.commit([
        {
          collection: "files",
          key: "broken",
          expected: 0,
          record: {
            value: '{"key":"broken"}',
            entries: [{ index: "due", partitions: ["all"], sort: "000000000000001" }]
          }
        }
      ])
      const due = yield* registry.dueFiles(20, 10)
      assert.deepStrictEqual(
        due.map(({ key }) => key),
        ["first", "second"]
      )
    }))

  test("an instance lives until the time that it said last", ({ other, registry }) =>
    Effect.gen(function* () {
      assert.isFalse(yield* registry.isAlive("i", 0))
      yield* registry.heartbeat("i", 10)
      assert.isTrue(yield* other.isAlive("i", 9))
      assert.isFalse(yield* other.isAlive("i", 10))
      yield* registry.heartbeat("i", 20)
      assert.isTrue(yield* other.isAlive("i", 19))
      yield* registry.removeInstance("i")
      yield* registry.removeInstance("i")
      assert.isFalse(yield* other.isAlive("i", 0))
    }))

  test("an instance that ended without order is forgotten, if it does not come back for an hour", (views) =>
    Effect.gen(function* () {
      const { other, registry, storage } = views
      const hour = 3_600_000
      yield* registry.heartbeat("killed", 10)
      yield* registry.heartbeat("alive", 10)
      yield* registry.heartbeat("alive", 2 * hour)
      yield* other.forgetInstances(hour + 10)
      assert.strictEqual(storage.count("instances"), 2)
      yield* other.forgetInstances(2 * hour)
      assert.strictEqual(storage.count("instances"), 1)
      assert.isTrue(yield* other.isAlive("alive", hour))
      // One that was only paused says again that it lives.
      yield* registry.heartbeat("killed", 3 * hour)
      assert.isTrue(yield* other.isAlive("killed", 2 * hour))
    }))
})
