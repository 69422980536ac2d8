import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import * as Bytes from "../src/Bytes.ts"
import type { CallError } from "../src/CallError.ts"
import { lifetime, maxPartBytes } from "../src/UploadSession.ts"
import { answer, encode } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { admin, alice, aliceInRed, bob, carolInRed, withModels } from "./support/principals.ts"
import { settle } from "./support/time.ts"
import * as uploads from "./support/uploads.ts"
import * as World from "./support/World.ts"

const md5 = (content: string) => createHash("md5").update(content).digest("hex")

const started = Effect.fnUntraced(function* (options: World.Options = {}) {
  const world = yield* World.make(options)
  return { world, instance: yield* world.start() }
})

/** Background work that stays away from tests which take hours. */
const seldom: World.Options["settings"] = { ...World.unhurried, maintenanceInterval: 3_600_000, usage: false }

/** Sources that tell whether anybody has read from them. */
const watched = (): { readonly bytes: Bytes.Bytes; readonly wasRead: () => boolean } => {
  let read = false
  return {
    wasRead: () => read,
    bytes: {
      async *[Symbol.asyncIterator]() {
        read = true
        yield encode("content")
      }
    }
  }
}

describe("Uploads", () => {
  it.effect("makes one file of the parts, in the client's order, and keeps nothing else", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const upload = yield* uploads.begin(instance, 11, { models: ["both"], expiresAfter: 3_600 })
      assert.strictEqual(upload.status, "pending")
      const { id } = upload.session
      const [world_, hello, space] = yield* Effect.all(
        ["world", "hello", " "].map((part) => uploads.add(instance, id, part)),
        { concurrency: "unbounded" }
      )
      const unused = yield* uploads.add(instance, id, "unused")
      const parts = [hello, space, world_].filter((part) => part !== undefined)
      const completed = yield* uploads.complete(instance, id, parts, md5("hello world"))
      assert.strictEqual(completed.status, "completed")
      const { file } = completed
      if (file === null || file.id === null) return assert.fail("there is no file")
      assert.strictEqual(yield* instance.content(file.id), "hello world")
      assert.strictEqual(file.bytes, 11)
      assert.strictEqual(file.filename, "a.txt")
      assert.strictEqual((file.expiresAt ?? 0) - file.createdAt, 3_600_000)
      assert.deepStrictEqual(file.models, ["both"])
      assert.strictEqual(world.account("east").files.size + world.account("west").files.size, 2)
      // The same request has the same answer; another one has none.
      const again = yield* uploads.complete(instance, id, parts, md5("hello world"))
      assert.strictEqual(again.file?.id, file.id)
      for (const other of [[unused], parts.slice(1), [...parts].reverse()]) {
        const error = yield* Effect.flip(uploads.complete(instance, id, other, md5("hello world")))
        assert.strictEqual(error._tag, "InvalidRequest")
      }
      assert.strictEqual((yield* Effect.flip(uploads.complete(instance, id, parts)))._tag, "InvalidRequest")
      assert.strictEqual((yield* Effect.flip(uploads.cancel(instance, id)))._tag, "InvalidRequest")
      assert.strictEqual((yield* Effect.flip(uploads.add(instance, id, "late")))._tag, "InvalidRequest")
      yield* World.quiesce
      assert.strictEqual(world.storage.count("upload_parts"), 0)
      assert.deepStrictEqual(problems(world), [])
      assert.lengthOf(world.storage.rows(), 1)
    })
  )

  it.effect("refuses a wrong size, a wrong checksum and wrong parts, and can be completed after that", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const { session } = yield* uploads.begin(instance, 4)
      const other = yield* uploads.begin(instance, 4)
      const ab = yield* uploads.add(instance, session.id, "ab")
      const cd = yield* uploads.add(instance, session.id, "cd")
      const foreign = yield* uploads.add(instance, other.session.id, "cd")
      const refused = Effect.fnUntraced(function* (parts: ReadonlyArray<string>, checksum: string | null = null) {
        const error = yield* Effect.flip(uploads.complete(instance, session.id, parts, checksum))
        return error._tag === "InvalidRequest" ? error.param : assert.fail(error._tag)
      })
      assert.strictEqual(yield* refused([ab]), "part_ids")
      assert.strictEqual(yield* refused([ab, cd, ab]), "part_ids[2]")
      assert.strictEqual(yield* refused([ab, foreign]), "part_ids[1]")
      assert.strictEqual(yield* refused([ab, "part_made-up"]), "part_ids[1]")
      assert.strictEqual(yield* refused([ab, session.id]), "part_ids[1]")
      assert.strictEqual(yield* refused([ab, cd], md5("abce")), "md5")
      assert.deepStrictEqual(world.storage.rows(), [])
      const { file } = yield* uploads.complete(instance, session.id, [cd, ab], md5("cdab"))
      assert.strictEqual(yield* instance.content(file?.id ?? ""), "cdab")
    })
  )

  it.effect("is there for its owner only, and reads no byte for anybody else", () =>
    Effect.gen(function* () {
      const { instance } = yield* started()
      const { session } = yield* uploads.begin(instance, 4)
      const part = yield* uploads.add(instance, session.id, "abcd")
      for (const id of [session.id, "upload_made-up", part]) {
        const source = watched()
        const principal = id === session.id ? bob : undefined
        const uses: ReadonlyArray<Effect.Effect<unknown, CallError>> = [
          uploads.addBytes(instance, id, source.bytes, principal),
          uploads.complete(instance, id, [part], null, principal),
          uploads.cancel(instance, id, principal)
        ]
        for (const use of uses) {
          const error = yield* Effect.flip(use)
          if (error._tag !== "NotFound") return assert.fail(error._tag)
          assert.deepStrictEqual([error.id, error.object, error.param], [id, "Upload", null])
        }
        assert.isFalse(source.wasRead())
      }
    })
  )

  it.effect("a file belongs to who began the upload, whoever completes it", () =>
    Effect.gen(function* () {
      const { instance } = yield* started()
      for (const completes of [carolInRed, admin]) {
        const { session } = yield* uploads.begin(instance, 4, {}, aliceInRed)
        const part = yield* uploads.add(instance, session.id, "abcd", completes)
        const { file } = yield* uploads.complete(instance, session.id, [part], null, completes)
        assert.deepStrictEqual(file?.owner, session.owner)
        assert.strictEqual(file?.owner.user, "alice")
      }
    })
  )

  it.effect("refuses models that the key may not use, at its beginning", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      for (const models of [["no such model"], ["east-only"]]) {
        const error = yield* Effect.flip(uploads.begin(instance, 4, { models }, withModels(bob, "both")))
        if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
        assert.strictEqual(error.param, "target_model_names")
      }
      assert.strictEqual(world.storage.count("uploads"), 0)
    })
  )

  it.effect("takes parts of up to 64 MiB that have something in them", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const { session } = yield* uploads.begin(instance, 4)
      const chunk = new Uint8Array(1024 * 1024)
      const source = (bytes: number): Bytes.Bytes => ({
        async *[Symbol.asyncIterator]() {
          for (let left = bytes; left > 0; left -= chunk.byteLength) yield chunk.subarray(0, left)
        }
      })
      yield* uploads.addBytes(instance, session.id, source(maxPartBytes))
      const large = yield* Effect.flip(uploads.addBytes(instance, session.id, source(maxPartBytes + 1)))
      assert.strictEqual(large._tag, "TooLarge")
      const empty = yield* Effect.flip(uploads.addBytes(instance, session.id, source(0)))
      assert.strictEqual(empty._tag, "InvalidRequest")
      const broken: Bytes.Bytes = {
        async *[Symbol.asyncIterator]() {
          yield chunk
          throw new Error("socket closed")
        }
      }
      const error = yield* Effect.flip(uploads.addBytes(instance, session.id, broken))
      if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
      assert.strictEqual(error.param, "data")
      assert.notInclude(error.message, "socket")
      assert.strictEqual(world.storage.count("upload_parts"), 1)
      assert.lengthOf(world.storage.blobKeys(), 1)
    })
  )

  it.effect("a part whose sender stops is removed, and meanwhile not taken for left behind", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      yield* world.start()
      const { session } = yield* uploads.begin(instance, 4)
      const stalling: Bytes.Bytes = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
      const sending = yield* Effect.forkChild(uploads.addBytes(instance, session.id, stalling))
      yield* World.quiesce
      assert.strictEqual(world.storage.count("upload_parts"), 1)
      yield* Fiber.interrupt(sending)
      yield* settle
      assert.strictEqual(world.storage.count("upload_parts"), 0)
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("cancelled, it takes nothing more, and its parts go", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const { session } = yield* uploads.begin(instance, 4)
      const part = yield* uploads.add(instance, session.id, "abcd")
      assert.strictEqual((yield* uploads.cancel(instance, session.id)).status, "cancelled")
      assert.strictEqual((yield* uploads.cancel(instance, session.id)).status, "cancelled")
      const source = watched()
      const adding = yield* Effect.flip(uploads.addBytes(instance, session.id, source.bytes))
      if (adding._tag !== "InvalidRequest") return assert.fail(adding._tag)
      assert.include(adding.message, "is cancelled")
      assert.isFalse(source.wasRead())
      assert.strictEqual((yield* Effect.flip(uploads.complete(instance, session.id, [part])))._tag, "InvalidRequest")
      yield* uploads.tidy(instance)
      assert.deepStrictEqual(world.storage.blobKeys(), [])
      assert.strictEqual(world.storage.count("upload_parts"), 0)
    })
  )

  it.effect("expires after an hour with all of its parts, and is forgotten some time later", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started({ settings: { ...seldom, tombstoneTtl: 60_000 } })
      const { session } = yield* uploads.begin(instance, 4)
      const part = yield* uploads.add(instance, session.id, "abcd")
      yield* TestClock.adjust(lifetime - 1)
      yield* uploads.tidy(instance)
      assert.strictEqual(world.storage.count("upload_parts"), 1)
      yield* TestClock.adjust(1)
      yield* uploads.tidy(instance)
      assert.deepStrictEqual(world.storage.blobKeys(), [])
      assert.strictEqual(world.storage.count("upload_parts"), 0)
      const uses: ReadonlyArray<Effect.Effect<unknown, CallError>> = [
        uploads.add(instance, session.id, "late"),
        uploads.complete(instance, session.id, [part]),
        uploads.cancel(instance, session.id)
      ]
      for (const use of uses) {
        const error = yield* Effect.flip(use)
        if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
        assert.include(error.message, "is expired")
      }
      assert.strictEqual(world.storage.count("uploads"), 1)
      yield* TestClock.adjust(60_000)
      yield* uploads.tidy(instance)
      assert.strictEqual(world.storage.count("uploads"), 0)
    })
  )

  it.effect("is open again when providers refuse the file", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const { session } = yield* uploads.begin(instance, 4, { models: ["both"] })
      const part = yield* uploads.add(instance, session.id, "abcd")
      world.account("west").script("create", answer(400))
      assert.strictEqual((yield* Effect.flip(uploads.complete(instance, session.id, [part])))._tag, "ProvidersFailed")
      const { file } = yield* uploads.complete(instance, session.id, [part])
      yield* World.quiesce
      assert.strictEqual(file?.replicas.length, 2)
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("of two completions at once one makes the file", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const second = yield* world.start()
      const { session } = yield* uploads.begin(instance, 4)
      const part = yield* uploads.add(instance, session.id, "abcd")
      const outcomes = yield* Effect.all(
        [instance, second, instance].map((who) => Effect.result(uploads.complete(who, session.id, [part]))),
        { concurrency: "unbounded" }
      )
      const files = new Set(
        outcomes.flatMap((outcome) => (outcome._tag === "Success" ? [outcome.success.file?.id] : []))
      )
      assert.strictEqual(files.size, 1)
      for (const outcome of outcomes)
        if (outcome._tag === "Failure") assert.strictEqual(outcome.failure._tag, "Conflicting")
      assert.lengthOf(world.storage.rows(), 1)
    })
  )

  it.effect("a client that leaves while it completes leaves nothing, or the file", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const { session } = yield* uploads.begin(instance, 4, { models: ["both"] })
      const part = yield* uploads.add(instance, session.id, "abcd")
      world.account("west").script("create", { _tag: "Hang", done: false })
      const completing = yield* Effect.forkChild(uploads.complete(instance, session.id, [part]))
      yield* settle
      assert.strictEqual((yield* Effect.flip(uploads.complete(instance, session.id, [part])))._tag, "Conflicting")
      assert.strictEqual((yield* Effect.flip(uploads.cancel(instance, session.id)))._tag, "Conflicting")
      yield* Fiber.interrupt(completing)
      const { file } = yield* uploads.complete(instance, session.id, [part])
      yield* World.quiesce
      assert.strictEqual(yield* instance.content(file?.id ?? ""), "abcd")
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("begins one upload under one Idempotency-Key, as long as it is of use", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const second = yield* world.start()
      const key = { idempotencyKey: "key" }
      const begun = yield* Effect.all(
        [instance, second, instance].map((who) => uploads.begin(who, 4, key)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(begun.map(({ session }) => session.id)).size, 1)
      const id = begun[0]?.session.id ?? ""
      assert.strictEqual((yield* Effect.flip(uploads.begin(instance, 5, key)))._tag, "Conflicting")
      assert.strictEqual(
        (yield* Effect.flip(uploads.begin(second, 4, { ...key, purpose: "batch" })))._tag,
        "Conflicting"
      )
      assert.notStrictEqual((yield* uploads.begin(instance, 4, key, bob)).session.id, id)
      assert.strictEqual(world.storage.count("uploads"), 2)
      const part = yield* uploads.add(instance, id, "abcd")
      const { file } = yield* uploads.complete(instance, id, [part])
      const replayed = yield* uploads.begin(second, 4, key)
      assert.deepStrictEqual([replayed.session.id, replayed.status, replayed.file?.id], [id, "completed", file?.id])
      yield* instance.remove(file?.id ?? "")
      const anew = yield* uploads.begin(second, 4, key)
      assert.notStrictEqual(anew.session.id, id)
      yield* uploads.cancel(second, anew.session.id)
      assert.notStrictEqual((yield* uploads.begin(second, 5, key)).session.id, anew.session.id)
    })
  )

  it.effect("adds one part under one Idempotency-Key", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const second = yield* world.start()
      const { session } = yield* uploads.begin(instance, 4)
      const send = (who: World.Instance, content: string, id = session.id) =>
        uploads.addBytes(who, id, Bytes.fromArray(encode(content)), alice, "key")
      const parts = yield* Effect.all([send(instance, "abcd"), send(second, "abcd"), send(instance, "abcd")], {
        concurrency: "unbounded"
      })
      assert.strictEqual(new Set(parts).size, 1)
      assert.strictEqual(world.storage.count("upload_parts"), 1)
      assert.lengthOf(world.storage.blobKeys(), 1)
      assert.strictEqual((yield* Effect.flip(send(instance, "abce")))._tag, "Conflicting")
      const other = yield* uploads.begin(instance, 4)
      assert.strictEqual((yield* Effect.flip(send(instance, "abcd", other.session.id)))._tag, "Conflicting")
      const { file } = yield* uploads.complete(second, session.id, [...new Set(parts)])
      assert.strictEqual(yield* instance.content(file?.id ?? ""), "abcd")
      yield* World.quiesce
      assert.deepStrictEqual(problems(world), [])
    })
  )

  const steps = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ _tag: fc.constant("add" as const), content: fc.constantFrom("a", "bb", "cc") })
    },
    {
      weight: 4,
      arbitrary: fc.record({
        _tag: fc.constant("complete" as const),
        picks: fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }),
        md5: fc.constantFrom("none", "right", "wrong")
      })
    },
    fc.record({ _tag: fc.constant("cancel" as const) }),
    fc.record({ _tag: fc.constant("wait" as const), millis: fc.constantFrom(1_000, lifetime) })
  )

  /** The same history, played and reckoned. */
  const play = Effect.fnUntraced(function* (
    history: ReadonlyArray<typeof steps extends fc.Arbitrary<infer S> ? S : never>
  ) {
    const { instance, world } = yield* started({ settings: seldom })
    const { session } = yield* uploads.begin(instance, 4)
    const parts: Array<{ readonly id: string; readonly content: string }> = []
    let age = 0
    let state: "pending" | "completed" | "cancelled" | "expired" = "pending"
    let request = ""
    for (const step of history) {
      switch (step._tag) {
        case "add": {
          const added = yield* Effect.option(uploads.add(instance, session.id, step.content))
          assert.strictEqual(added._tag === "Some", state === "pending")
          if (added._tag === "Some") parts.push({ id: added.value, content: step.content })
          break
        }
        case "complete": {
          const picked = step.picks.map((pick) => parts[pick] ?? { id: "part_none", content: "?" })
          const content = picked.map((part) => part.content).join("")
          const ids = picked.map(({ id }) => id)
          const checksum = { none: null, right: md5(content), wrong: md5("other") }[step.md5]
          const asked = JSON.stringify([ids, checksum])
          const isValid = new Set(ids).size === ids.length && !content.includes("?") && content.length === 4
          const done = yield* Effect.option(uploads.complete(instance, session.id, ids, checksum))
          const expected =
            state === "completed" ? asked === request : state === "pending" && isValid && step.md5 !== "wrong"
          assert.strictEqual(done._tag === "Some", expected)
          if (done._tag === "Some") {
            assert.strictEqual(yield* instance.content(done.value.file?.id ?? ""), content)
            state = "completed"
            request = asked
          }
          break
        }
        case "cancel": {
          const cancelled = yield* Effect.option(uploads.cancel(instance, session.id))
          assert.strictEqual(cancelled._tag === "Some", state === "pending" || state === "cancelled")
          if (cancelled._tag === "Some") state = "cancelled"
          break
        }
        case "wait":
          yield* TestClock.adjust(step.millis)
          yield* settle
          age += step.millis
          if (state === "pending" && age >= lifetime) state = "expired"
      }
    }
    yield* TestClock.adjust(lifetime)
    yield* settle
    yield* uploads.tidy(instance)
    assert.strictEqual(world.storage.count("upload_parts"), 0)
    assert.deepStrictEqual(problems(world), [])
    assert.lengthOf(world.storage.rows(), state === "completed" ? 1 : 0)
  })

  it("does what it promises in any order of events", () =>
    fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 12 }), (history) =>
        Effect.runPromise(Effect.scoped(play(history)).pipe(Effect.provide(TestClock.layer())))
      ),
      { numRuns: 40 }
    ))
})
