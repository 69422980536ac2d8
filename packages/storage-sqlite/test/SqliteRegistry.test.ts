import { assert, describe, it } from "@effect/vitest"
import type { RegistryBackend } from "@omnifile/core/RegistryBackend"
import * as RegistrySuite from "@omnifile/testkit/RegistrySuite"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { readdirSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as SqliteRegistry from "../src/SqliteRegistry.ts"
import { temporaryDirectory } from "./temporary.ts"

const directory = temporaryDirectory()
let files = 0
const newFilename = (): string => join(directory, `${files++}.db`)

const shared = newFilename()
RegistrySuite.suite("sqlite", SqliteRegistry.layer({ filename: newFilename() }))
RegistrySuite.suite("sqlite, not synchronous", SqliteRegistry.layer({ filename: newFilename(), synchronous: "normal" }))
RegistrySuite.reopenSuite("sqlite", () => SqliteRegistry.layer({ filename: shared }))
RegistrySuite.sharedSuite("sqlite", () => SqliteRegistry.layer({ filename: shared }))

const insertion = (key: string) => [{ collection: "c", key, expected: 0, record: { value: "1", entries: [] } }]

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe("the database file", () => {
  it.effect("is for its user only, and so is its directory", () =>
    Effect.gen(function* () {
      const filename = join(directory, "new", "deep", "x.db")
      const backend = yield* SqliteRegistry.make({ filename })
      yield* backend.commit(insertion("a"))
      assert.strictEqual(mode(dirname(filename)), "700")
      assert.deepStrictEqual(
        readdirSync(dirname(filename)).map((name) => [name, mode(join(dirname(filename), name))]),
        [
          ["x.db", "600"],
          ["x.db-shm", "600"],
          ["x.db-wal", "600"]
        ]
      )
    })
  )

  it.effect("holds everything once it is closed", () =>
    Effect.gen(function* () {
      const filename = join(directory, "closed", "x.db")
      yield* Effect.scoped(
        Effect.flatMap(SqliteRegistry.make({ filename }), (backend) => backend.commit(insertion("a")))
      )
      assert.deepStrictEqual(readdirSync(dirname(filename)), ["x.db"])
    })
  )

  it.effect("that is none is refused as corrupt, and left alone", () =>
    Effect.gen(function* () {
      const filename = newFilename()
      const text = "not a database, but long enough to have been one. ".repeat(100)
      writeFileSync(filename, text)
      const { reason } = yield* Effect.flip(SqliteRegistry.make({ filename }))
      assert.strictEqual(reason._tag, "Corrupt")
      assert.strictEqual(statSync(filename).size, text.length)
    })
  )

  it.effect("that cannot be opened makes the backend unavailable", () =>
    Effect.gen(function* () {
      const { method, reason } = yield* Effect.flip(SqliteRegistry.make({ filename: directory }))
      assert.deepStrictEqual([method, reason._tag], ["open", "Unavailable"])
    })
  )
})

describe("drainInvalidations", () => {
  const nextTurn = Effect.promise(() => new Promise<void>((resolve) => void setImmediate(resolve)))

  it.effect("reports commits of others, once, and none of its own", () =>
    Effect.gen(function* () {
      const filename = newFilename()
      const one = yield* SqliteRegistry.make({ filename })
      yield* one.commit(insertion("a"))
      assert.strictEqual((yield* one.drainInvalidations)._tag, "Nothing")
      const other = yield* SqliteRegistry.make({ filename })
      yield* nextTurn
      yield* other.commit(insertion("b"))
      assert.strictEqual((yield* one.drainInvalidations)._tag, "Everything")
      yield* nextTurn
      assert.strictEqual((yield* one.drainInvalidations)._tag, "Nothing")
      assert.strictEqual((yield* other.drainInvalidations)._tag, "Nothing")
    })
  )
})

describe("while another process holds the lock", () => {
  /** A backend, and another connection that is in the middle of a commit. */
  const lockedBackend = Effect.gen(function* () {
    const filename = newFilename()
    const backend = yield* SqliteRegistry.make({ filename, busyTimeout: "1 second" })
    yield* backend.commit(insertion("before"))
    const other = yield* Effect.acquireRelease(
      Effect.sync(() => new DatabaseSync(filename)),
      (db) => Effect.sync(() => db.close())
    )
    other.exec("BEGIN IMMEDIATE")
    return { backend, unlock: () => other.exec("ROLLBACK") }
  })

  const isThere = (backend: RegistryBackend["Service"], key: string) =>
    Effect.map(backend.read("c", [key]), ([record]) => record !== undefined)

  it.effect("a commit waits for it", () =>
    Effect.gen(function* () {
      const { backend, unlock } = yield* lockedBackend
      const committing = yield* Effect.forkChild(backend.commit(insertion("a")), { startImmediately: true })
      yield* TestClock.adjust("500 millis")
      assert.isFalse(yield* isThere(backend, "a"))
      unlock()
      yield* TestClock.adjust("50 millis")
      yield* Fiber.join(committing)
      assert.isTrue(yield* isThere(backend, "a"))
    })
  )

  it.effect("a commit fails when it has waited long enough", () =>
    Effect.gen(function* () {
      const { backend, unlock } = yield* lockedBackend
      const committing = yield* Effect.forkChild(Effect.flip(backend.commit(insertion("a"))), {
        startImmediately: true
      })
      yield* TestClock.adjust("2 seconds")
      const { method, reason } = yield* Fiber.join(committing)
      assert.deepStrictEqual([method, reason._tag], ["commit", "Unavailable"])
      unlock()
      assert.isFalse(yield* isThere(backend, "a"))
      yield* backend.commit(insertion("a"))
    })
  )

  it.effect("reads and scans do not wait", () =>
    Effect.gen(function* () {
      const { backend } = yield* lockedBackend
      assert.isTrue(yield* isThere(backend, "before"))
      const scan = { collection: "c", index: "i", partitions: ["p"], order: "asc" as const, limit: 1 }
      assert.deepStrictEqual(yield* backend.scan(scan), [])
    })
  )
})

describe("the layer", () => {
  it.effect("fails when the database cannot be opened", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(SqliteRegistry.layer({ filename: directory })))
      assert.strictEqual(error.backend, "sqlite")
    })
  )
})
