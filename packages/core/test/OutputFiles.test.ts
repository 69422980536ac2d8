import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Owner } from "../src/Access.ts"
import { OutputFiles } from "../src/OutputFiles.ts"
import { problems } from "./support/invariants.ts"
import { answer } from "./support/FakeProvider.ts"
import { idOf } from "./support/lookups.ts"
import { bob } from "./support/principals.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import { settle } from "./support/time.ts"
import * as World from "./support/World.ts"

const owner = new Owner({ user: "alice", team: null, keyHash: null })

const output = (remoteId: string) =>
  ({ owner, account: "east", deployment: "both-east", container: null, remoteId, purpose: "batch_output" }) as const

/** A file that the provider has made by itself. */
const made = (world: World.World, content: string): string => {
  const id = `file-made-${world.account("east").files.size}`
  world.account("east").files.set(id, {
    id,
    filename: "output.jsonl",
    contentType: "application/jsonl",
    content: new TextEncoder().encode(content),
    fields: new Map(),
    createdAt: Date.UTC(2030, 0, 1),
    expiresAt: null,
    processing: 0
  })
  return id
}

const register = (instance: World.Instance, remoteId: string) =>
  instance.within(Effect.flatMap(OutputFiles, (files) => files.register(output(remoteId))))

describe("OutputFiles", () => {
  it.effect("is one file of its owner, whoever comes upon it and however often", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const here = yield* world.start()
      const there = yield* world.start()
      const remoteId = made(world, "the output")
      const files = yield* Effect.all(
        Array.from({ length: 100 }, (_, index) => register(index % 2 === 0 ? here : there, remoteId)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(files.map(({ id }) => id)).size, 1)
      assert.strictEqual(world.storage.rows().length, 1)
      const id = idOf(files[0])
      const file = yield* there.retrieve(id)
      assert.deepStrictEqual([file.filename, file.bytes, file.purpose], ["output.jsonl", 10, "batch_output"])
      assert.strictEqual(yield* there.content(id), "the output")
      assert.strictEqual((yield* Effect.flip(there.retrieve(id, bob)))._tag, "NotFound")
      assert.deepStrictEqual(
        (yield* here.list({ purpose: "batch_output" })).files.map((listed) => listed.id),
        [id]
      )
    })
  )

  it.effect("keeps the file of a copy that was uploaded through us", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: ["east-only"] })
      const registered = yield* register(instance, file.replicas[0]?.remoteId ?? "")
      assert.strictEqual(registered.id, file.id)
    })
  )

  it.effect("is read at once where the provider gives it out and knows nothing of it", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const remoteId = made(world, "seventeen bytes!!")
      world.account("east").always("retrieve", answer(404))
      world.account("east").script("content", { _tag: "Answer", status: 200 }, answer(500))
      // The content breaks off at first; the row that there is then gets it at the next look.
      assert.isTrue(Result.isFailure(yield* Effect.result(register(instance, remoteId))))
      const file = yield* register(instance, remoteId)
      assert.deepStrictEqual([file.bytes, file.kept], [17, true])
      assert.strictEqual(yield* instance.content(idOf(file)), "seventeen bytes!!")
    })
  )

  it.effect("does not come back after it was deleted", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const remoteId = made(world, "x")
      const id = idOf(yield* register(instance, remoteId))
      yield* instance.remove(id)
      assert.notStrictEqual((yield* register(instance, remoteId)).state, "ready")
      assert.strictEqual((yield* Effect.flip(instance.retrieve(id)))._tag, "NotFound")
    })
  )

  it.effect("outlives the provider's copy once it has been pulled", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const remoteId = made(world, "to be kept")
      const file = yield* register(instance, remoteId)
      const pulled = yield* instance.within(Effect.flatMap(OutputFiles, (files) => files.pull(file)))
      assert.isTrue(pulled.kept)
      world.account("east").files.delete(remoteId)
      assert.strictEqual(yield* instance.content(idOf(file)), "to be kept")
    })
  )

  it.effect("is ours even if who fetched it died before it said so", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const doomed = yield* world.start()
      const file = yield* register(doomed, made(world, "the output"))
      const pull = (instance: World.Instance) => instance.within(Effect.flatMap(OutputFiles, ({ pull }) => pull(file)))
      const die = { _tag: "RunBefore", effect: Effect.sync(() => doomed.kill()) } as const
      doomed.storage.interfere = SharedStorage.at(doomed.storage.calls.commit + 1, die, "commit")
      yield* Effect.forkDetach(pull(doomed))
      yield* settle
      assert.isTrue(doomed.storage.isDead())
      assert.deepStrictEqual(world.storage.blobKeys(), [file.key])
      const { bytes, kept, sha256 } = yield* pull(yield* world.start())
      assert.deepStrictEqual([kept, bytes, sha256.length], [true, 10, 64])
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("is copied to another account out of our store, where it is from then on", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const [here, there] = [yield* world.start(), yield* world.start()]
      const id = idOf(yield* register(here, made(world, "the output")))
      const answers = yield* Effect.all(
        [here, there, here].map((instance) => instance.chat({ model: "west-only", files: [id] })),
        { concurrency: "unbounded" }
      )
      for (const answer of answers) assert.include(answer, "the output")
      assert.strictEqual(world.account("west").files.size, 1)
      assert.deepStrictEqual(
        [...world.account("west").files.values()].map(({ fields }) => fields.get("purpose")),
        ["user_data"]
      )
      world.account("east").files.clear()
      assert.strictEqual(yield* there.content(id), "the output")
      yield* there.remove(id)
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("stays where it is if nothing is kept here, or its provider does not give it out", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const careless = yield* world.start({ keepContent: false })
      const id = idOf(yield* register(careless, made(world, "the output")))
      const unkept = yield* Effect.flip(careless.chat({ model: "west-only", files: [id] }))
      assert(unkept._tag === "InvalidRequest")
      assert.strictEqual(unkept.code, "file_not_available")
      assert.deepStrictEqual(world.storage.blobKeys(), [])

      const instance = yield* world.start()
      world.account("east").forbidsDownloads = true
      const forbidden = yield* Effect.flip(instance.chat({ model: "west-only", files: [id] }))
      assert(forbidden._tag === "ProvidersFailed")
      assert.deepStrictEqual(
        forbidden.failures.map(({ account }) => account),
        ["west"]
      )
      assert.strictEqual(world.account("west").files.size, 0)
      assert.include(yield* instance.chat({ model: "east-only", files: [id] }), "the output")
    })
  )
})
