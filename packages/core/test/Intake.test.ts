import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { createHash } from "node:crypto"
import type * as Bytes from "../src/Bytes.ts"
import { invalid } from "../src/CallError.ts"
import { headLength } from "../src/Intake.ts"
import { encode } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { alice } from "./support/principals.ts"
import { settle } from "./support/time.ts"
import * as World from "./support/World.ts"

/** Chunks, and then an error unless all goes well. */
const source = (chunks: ReadonlyArray<string>, failure?: unknown): Bytes.Bytes => ({
  async *[Symbol.asyncIterator]() {
    for (const chunk of chunks) yield encode(chunk)
    if (failure !== undefined) throw failure
  }
})

describe("Intake", () => {
  it.effect("counts, digests and stores what comes, in whatever chunks", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const chunks = ["", "first ", "x".repeat(700), "", " last"]
      const whole = chunks.join("")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const received = yield* instance.receive(alice, source(chunks))
          assert.strictEqual(received.bytes, whole.length)
          assert.strictEqual(received.sha256, createHash("sha256").update(whole).digest("hex"))
          assert.deepStrictEqual(received.head, encode(whole.slice(0, headLength)))
          assert.deepStrictEqual(world.storage.blobKeys(), [received.key])
          assert.strictEqual(world.storage.rows()[0]?.state, "receiving")
        })
      )
      // No file was made of it.
      assert.deepStrictEqual(world.storage.blobKeys(), [])
      assert.deepStrictEqual(world.storage.rows(), [])
    })
  )

  it.effect("ends as soon as the limit is passed, and reads no further", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { maxFileSize: 10 } })
      const instance = yield* world.start()
      let asked = 0
      let ended = false
      const endless: Bytes.Bytes = {
        async *[Symbol.asyncIterator]() {
          try {
            for (;;) {
              asked++
              yield encode("four")
            }
          } finally {
            ended = true
          }
        }
      }
      const error = yield* Effect.flip(Effect.scoped(instance.receive(alice, endless)))
      if (error._tag !== "TooLarge") return assert.fail(error._tag)
      assert.strictEqual(error.param, "file")
      assert.strictEqual(asked, 3)
      assert.isTrue(ended)
      assert.deepStrictEqual(world.storage.rows(), [])
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("takes a file of exactly the limit", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { maxFileSize: 10 } })
      const instance = yield* world.start()
      assert.strictEqual((yield* instance.upload({ content: "0123456789" })).bytes, 10)
      assert.strictEqual((yield* Effect.flip(instance.upload({ content: "0123456789x" })))._tag, "TooLarge")
    })
  )

  it.effect("a source that breaks off leaves nothing", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const error = yield* Effect.flip(
        Effect.scoped(instance.receive(alice, source(["half"], new Error("socket closed"))))
      )
      if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
      assert.strictEqual(error.param, "file")
      assert.notInclude(error.message, "socket")
      assert.deepStrictEqual(world.storage.rows(), [])
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("a source that refuses itself says why", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const refusal = invalid("The form is cut short.", "file")
      const error = yield* Effect.flip(Effect.scoped(instance.receive(alice, source(["half"], refusal))))
      assert.strictEqual(error, refusal)
    })
  )

  it.effect("an interruption ends the source and leaves nothing", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      let returned = false
      const stalling: Bytes.Bytes = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<never>(() => {}),
          return: () => {
            returned = true
            return Promise.resolve({ done: true, value: undefined })
          }
        })
      }
      const fiber = yield* Effect.forkChild(Effect.scoped(instance.receive(alice, stalling)))
      yield* settle
      assert.strictEqual(world.storage.rows()[0]?.state, "receiving")
      yield* Fiber.interrupt(fiber)
      yield* settle
      assert.isTrue(returned)
      assert.deepStrictEqual(world.storage.rows(), [])
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("content that takes longer than an instance is believed to live is not given up", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      yield* world.start()
      let next = (_: IteratorResult<Uint8Array>) => {}
      const slow: Bytes.Bytes = {
        [Symbol.asyncIterator]: () => ({
          next: () =>
            new Promise<IteratorResult<Uint8Array>>((resolve) => {
              next = resolve
            })
        })
      }
      const fiber = yield* Effect.forkChild(
        Effect.scoped(Effect.map(instance.receive(alice, slow), ({ bytes }) => bytes))
      )
      yield* World.quiesce
      next({ done: false, value: encode("late") })
      yield* World.quiesce
      next({ done: true, value: undefined })
      assert.strictEqual(yield* Fiber.join(fiber), 4)
    })
  )
})
