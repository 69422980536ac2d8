import { assert, describe, it } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as BlobStoreSuite from "@omnifile/testkit/BlobStoreSuite"
import { bytesOf, chunked, digestOf, failing, measure, paused } from "@omnifile/testkit/suites/content"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Readable, Writable } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as DiskBlobs from "../src/DiskBlobs.ts"
import { temporaryDirectory } from "./temporary.ts"

const root = temporaryDirectory()
let directories = 0
const newDirectory = (): string => join(root, String(directories++))

const shared = newDirectory()
BlobStoreSuite.suite("disk", DiskBlobs.layer({ directory: newDirectory() }))
BlobStoreSuite.reopenSuite("disk", () => DiskBlobs.layer({ directory: shared }))
BlobStoreSuite.sharedSuite("disk", () => DiskBlobs.layer({ directory: shared }))

const openStore = (directory: string) =>
  Effect.map(Layer.build(DiskBlobs.layer({ directory })), (context) => Context.get(context, BlobStore))

/** A store, and the names in its directory for unfinished writes. */
const newStore = Effect.gen(function* () {
  const directory = newDirectory()
  const store = yield* openStore(directory)
  return { directory, store, parts: () => readdirSync(join(directory, "tmp")) }
})

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe("the directory", () => {
  it.effect("is for its user only, and so is everything in it", () =>
    Effect.gen(function* () {
      const { directory, store } = yield* newStore
      yield* store.put("a", Bytes.fromArray(bytesOf(1, 10)))
      const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
      assert.strictEqual(mode(directory), "700")
      for (const entry of entries) {
        assert.strictEqual(mode(join(entry.parentPath, entry.name)), entry.isFile() ? "600" : "700", entry.name)
      }
    })
  )

  it.effect("spreads files over directories, also those whose keys begin alike", () =>
    Effect.gen(function* () {
      const { directory, store } = yield* newStore
      for (let number = 0; number < 64; number++) yield* store.put(`0198f-${number}`, Bytes.fromArray())
      assert.isAbove(readdirSync(directory).length, 32)
      assert.isTrue(readdirSync(directory).every((name) => name === "tmp" || /^[0-9a-f]{2}$/.test(name)))
    })
  )

  it.effect("that is a file makes the store unavailable", () =>
    Effect.gen(function* () {
      const directory = newDirectory()
      writeFileSync(directory, "")
      const { backend, method, reason } = yield* Effect.flip(openStore(directory))
      assert.deepStrictEqual([backend, method, reason._tag], ["disk", "open", "Unavailable"])
    })
  )

  it.effect("that has gone makes writes unavailable", () =>
    Effect.gen(function* () {
      const { directory, store } = yield* newStore
      rmSync(directory, { recursive: true })
      const { reason } = yield* Effect.flip(store.put("a", Bytes.fromArray(bytesOf(1, 10))))
      assert.strictEqual(reason._tag, "Unavailable")
    })
  )
})

describe("a write", () => {
  it.effect("leaves no part file, however it ends", () =>
    Effect.gen(function* () {
      const { parts, store } = yield* newStore
      const chunks = chunked(bytesOf(1, 5_000_000), 64 * 1024)

      yield* store.put("whole", Bytes.fromArray(...chunks))
      assert.deepStrictEqual(parts(), [])

      yield* Effect.flip(store.put("whole", Bytes.fromArray(...chunks)))
      assert.deepStrictEqual(parts(), [])

      yield* Effect.flip(store.put("failed", failing(chunks, new Error("the client went away"))))
      assert.deepStrictEqual(parts(), [])

      const source = yield* paused(chunks)
      const putting = yield* Effect.forkChild(store.put("interrupted", source.bytes))
      yield* source.waiting
      assert.strictEqual(parts().length, 1)
      yield* Fiber.interrupt(putting)
      assert.deepStrictEqual(parts(), [])
    })
  )

  it.effect("fails when its key is removed meanwhile", () =>
    Effect.gen(function* () {
      const { parts, store } = yield* newStore
      const source = yield* paused([bytesOf(1, 1_000)])
      const putting = yield* Effect.forkChild(store.put("a", source.bytes))
      yield* source.waiting
      yield* store.remove("a")
      assert.deepStrictEqual(parts(), [])
      yield* source.finish
      const { reason } = yield* Effect.flip(Fiber.join(putting))
      assert.strictEqual(reason._tag, "Conflict")
      assert.strictEqual((yield* Effect.flip(store.size("a"))).reason._tag, "Missing")
    })
  )

  it.effect("does not read its source when the key is taken", () =>
    Effect.gen(function* () {
      const { store } = yield* newStore
      yield* store.put("a", Bytes.fromArray())
      const source = Readable.from(failing([], new Error("it was read")))
      const { reason } = yield* Effect.flip(store.put("a", source))
      assert.strictEqual(reason._tag, "Conflict")
    })
  )

  it.effect("does not see the parts of keys that begin alike", () =>
    Effect.gen(function* () {
      const { parts, store } = yield* newStore
      const source = yield* paused([bytesOf(1, 1_000)])
      const putting = yield* Effect.forkChild(store.put("a.b", source.bytes))
      yield* source.waiting
      for (const key of ["a", "a.b.c", "b"]) yield* store.remove(key)
      assert.strictEqual(parts().length, 1)
      yield* source.finish
      yield* Fiber.join(putting)
      assert.strictEqual(yield* store.size("a.b"), 1_000)
    })
  )
})

describe("a read", () => {
  it.effect("gives a Node stream, which can be piped", () =>
    Effect.gen(function* () {
      const { store } = yield* newStore
      const whole = bytesOf(1, 1_000_000)
      yield* store.put("a", Bytes.fromArray(whole))
      const hash = createHash("sha256")
      const sink = new Writable({
        write: (chunk, _encoding, done) => {
          hash.update(chunk)
          done()
        }
      })
      const bytes = yield* store.open("a", { offset: 10, length: 900_000 })
      assert.instanceOf(bytes, Readable)
      yield* Effect.promise(() => pipeline(bytes, sink))
      assert.strictEqual(hash.digest("hex"), digestOf(whole.subarray(10, 900_010)))
    })
  )

  it.effect("ends as a stream when its scope closes", () =>
    Effect.gen(function* () {
      const { store } = yield* newStore
      yield* store.put("a", Bytes.fromArray(bytesOf(1, 1_000_000)))
      const bytes = yield* Effect.scoped(store.open("a"))
      assert.instanceOf(bytes, Readable)
      if (bytes instanceof Readable) assert.isTrue(bytes.destroyed)
    })
  )

  it.runIf(existsSync("/proc/self/fd"))("holds no file open after its scope", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { store } = yield* newStore
          yield* store.put("a", Bytes.fromArray(bytesOf(1, 1_000_000)))
          const openFiles = (): number => readdirSync("/proc/self/fd").length
          const before = openFiles()
          for (let round = 0; round < 20; round++) {
            yield* Effect.scoped(store.open("a"))
            yield* Effect.scoped(store.open("a", { offset: 0, length: 0 }))
            yield* Effect.scoped(
              Effect.flatMap(store.open("a"), (bytes) =>
                Effect.promise(async () => {
                  for await (const _chunk of bytes) break
                })
              )
            )
            yield* Effect.scoped(Effect.flatMap(store.open("a"), (bytes) => Effect.promise(() => measure(bytes))))
            yield* Effect.flip(Effect.scoped(store.open("b")))
            yield* Effect.flip(store.put("b", failing([bytesOf(2, 2_000_000)], new Error("the client went away"))))
          }
          // The test runner may open a few of its own.
          assert.isBelow(openFiles(), before + 20)
        })
      )
    )
  )
})
