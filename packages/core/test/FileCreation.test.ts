import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type { CallError, ProvidersFailed } from "../src/CallError.ts"
import { answer, decode, type Fault } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { alice, withModels } from "./support/principals.ts"
import { advance, settle, until } from "./support/time.ts"
import { wire } from "./support/wire.ts"
import * as World from "./support/World.ts"

const providersFailed = (error: CallError): ProvidersFailed =>
  error._tag === "ProvidersFailed" ? error : assert.fail(error._tag)

/** An upload that cannot end by itself within a few real moments. */
const uploading = Effect.fnUntraced(function* (instance: World.Instance, upload: World.Upload = {}) {
  const fiber = yield* Effect.forkChild(Effect.result(instance.upload(upload)), { startImmediately: true })
  while (fiber.pollUnsafe() === undefined) yield* advance(1_000)
  return yield* Effect.fromResult(yield* Fiber.join(fiber))
})

const isReady = (value: string): boolean => (JSON.parse(value) as { readonly state?: string }).state === "ready"

describe("FileCreation", () => {
  it.effect("makes a copy in every account of the target models, byte for byte", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ content: "the bytes", filename: "notes.txt", models: ["both"] })
      assert.deepStrictEqual(
        world.provider.files().map((copy) => [copy.account, copy.filename, decode(copy.content), copy.contentType]),
        [
          ["east", "notes.txt", "the bytes", "text/plain"],
          ["west", "notes.txt", "the bytes", "text/plain"]
        ]
      )
      assert.deepStrictEqual(
        file.replicas.map(({ account, state }) => [account, state]),
        [
          ["east", "ready"],
          ["west", "ready"]
        ]
      )
      assert.strictEqual(file.bytes, 9)
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("makes all copies at the same time", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const latch = Latch.makeUnsafe(false)
      world.account("east").script("create", { _tag: "Wait", latch })
      world.account("west").script("create", { _tag: "Wait", latch })
      const upload = yield* Effect.forkChild(instance.upload())
      yield* settle
      assert.deepStrictEqual(
        ["east", "west"].map((id) => world.account(id).active.get("create")),
        [1, 1]
      )
      latch.openUnsafe()
      yield* Fiber.join(upload)
    })
  )

  it.effect("makes one copy for all models of an account", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: ["both", "east-only", "west-only"] })
      assert.strictEqual(file.replicas.length, 2)
      assert.strictEqual(world.account("east").calls("create").length, 1)
      assert.strictEqual(world.account("west").calls("create").length, 1)
    })
  )

  it.effect("makes none without target models until a call needs one", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: [] })
      assert.deepStrictEqual(file.replicas, [])
      assert.deepStrictEqual(world.provider.files(), [])
    })
  )

  it.effect("makes all without target models where no content is kept, for the models that the key may use", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { keepContent: false } })
      const instance = yield* world.start()
      yield* instance.upload({ models: [], principal: withModels(alice, "west-only") })
      assert.deepStrictEqual(
        world.provider.files().map(({ account }) => account),
        ["west"]
      )
      assert.deepStrictEqual(world.storage.blobKeys(), [])
    })
  )

  it.effect("content that is not kept is gone before the file is there, so that no crash leaves it behind", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { keepContent: false } })
      const instance = yield* world.start()
      const seen: Array<unknown> = []
      instance.storage.interfere = ({ changes = [], method }) => {
        const isMade = changes.some(({ record }) => record !== null && isReady(record.value))
        if (method !== "commit" || !isMade) return undefined
        return { _tag: "RunBefore", effect: Effect.sync(() => void seen.push(world.storage.blobKeys())) }
      }
      yield* instance.upload()
      assert.deepStrictEqual(seen, [[]])
    })
  )

  it.effect("refuses models that are unknown or not allowed before anything is done", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      for (const [models, principal] of [
        [["both", "nope"], alice],
        [["both"], withModels(alice, "east-only")]
      ] as const) {
        const error = yield* Effect.flip(instance.upload({ models, principal }))
        if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
        assert.strictEqual(error.param, "target_model_names")
      }
      assert.deepStrictEqual(world.account("east").exchanges, [])
      assert.deepStrictEqual(world.storage.rows(), [])
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("expires as long after its creation as was asked for", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      world.account("east").script("create", { _tag: "Delay", millis: 7_000 })
      const file = yield* uploading(instance, { expiresAfter: 3_600 })
      assert.strictEqual((file.expiresAt ?? 0) - file.createdAt, 3_600_000)
      for (const { createdAt, expiresAt } of world.provider.files()) {
        assert.strictEqual((expiresAt ?? 0) - createdAt, 3_600_000)
      }
    })
  )

  describe("uploads to an account", () => {
    it.effect("never more at once than its policy allows", () =>
      Effect.gen(function* () {
        const world = yield* World.make({
          accounts: [{ id: "east", policy: { concurrentUploads: 3 } }],
          deployments: [{ id: "d", account: "east", modelName: "both" }]
        })
        const instance = yield* world.start()
        world.account("east").always("create", { _tag: "Delay", millis: 100 })
        const uploads = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 10 }), () => instance.upload(), { concurrency: "unbounded" })
        )
        yield* advance(1_000, 100)
        yield* Fiber.join(uploads)
        assert.strictEqual(world.account("east").peak.get("create"), 3)
        assert.strictEqual(world.account("east").files.size, 10)
      })
    )

    it.effect("not if the file is larger than it takes", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const error = yield* Effect.flip(instance.upload({ content: "x".repeat(1_000_001), models: ["east-only"] }))
        assert.include(providersFailed(error).message, "east takes files of at most 1000000 bytes")
        assert.deepStrictEqual(world.account("east").exchanges, [])
        assert.deepStrictEqual(problems(world), [])
      })
    )

    it.effect("for no longer than its policy allows", () =>
      Effect.gen(function* () {
        const world = yield* World.make({
          accounts: [{ id: "east", policy: { uploadTimeout: 5_000, attempts: 1 } }],
          deployments: [{ id: "d", account: "east", modelName: "both" }]
        })
        const instance = yield* world.start()
        world.account("east").always("create", { _tag: "Hang", done: true })
        const error = providersFailed(yield* Effect.flip(uploading(instance)))
        assert.isTrue(error.failures[0]?.timedOut)
        yield* World.quiesce
        assert.deepStrictEqual(problems(world), [])
        assert.deepStrictEqual(world.storage.rows(), [])
      })
    )

    const mended: ReadonlyArray<readonly [name: string, fault: Fault]> = [
      ["429", answer(429)],
      ["500", answer(500)],
      ["503", answer(503)],
      ["500 after the copy was made", { _tag: "Answer", status: 500, done: true }],
      ["no connection", { _tag: "Refuse" }],
      ["a connection that breaks on the way", { _tag: "Cut", after: "part" }],
      ["a connection that breaks after the body", { _tag: "Cut", after: "all" }],
      ["an answer that got lost", { _tag: "CutAnswer", at: "head" }],
      ["an answer that broke off", { _tag: "CutAnswer", at: "body" }]
    ]
    for (const [name, fault] of mended) {
      it.effect(`succeed in spite of ${name}, and leave one copy`, () =>
        Effect.gen(function* () {
          const world = yield* World.make()
          const instance = yield* world.start()
          world.account("east").script("create", fault)
          const file = yield* uploading(instance)
          assert.strictEqual(file.state, "ready")
          yield* World.quiesce
          assert.strictEqual(world.account("east").files.size, 1)
          assert.deepStrictEqual(problems(world), [])
        })
      )
    }

    it.effect("are not repeated on a shared account that seems to have the copy already", () =>
      Effect.gen(function* () {
        const world = yield* World.make({ accounts: [{ id: "east", exclusive: false }, { id: "west" }] })
        const instance = yield* world.start()
        world.account("east").script("create", { _tag: "CutAnswer", at: "head" })
        const error = providersFailed(yield* Effect.flip(uploading(instance)))
        assert.include(error.message, "east could not be reached or broke off the connection")
        assert.strictEqual(world.account("east").calls("create").length, 1)
        yield* World.quiesce
        // It cannot be told from somebody else's: it is left alone and reported.
        assert.strictEqual(world.account("east").files.size, 1)
        assert.strictEqual(instance.logs.filter(({ message }) => message.startsWith("Suspected orphan")).length, 1)
        assert.deepStrictEqual(problems(world, { shared: ["east"] }), [])
      })
    )

    it.effect("a copy that shows up late is found all the same", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const east = world.account("east")
        const hidden = new Map(east.files)
        // The first copy is there, but the list does not show it when the upload is about to be repeated.
        east.script("create", { _tag: "CutAnswer", at: "head" })
        east.script("list", { _tag: "Answer", status: 200, body: { data: [], has_more: false } })
        const file = yield* uploading(instance)
        assert.strictEqual(east.files.size, hidden.size + 2)
        yield* World.quiesce
        assert.strictEqual(east.files.size, 1)
        assert.strictEqual([...east.files.keys()][0], file.replicas.find(({ account }) => account === "east")?.remoteId)
        assert.deepStrictEqual(problems(world), [])
      })
    )
  })

  describe("with policy `all`", () => {
    it.effect("one account's refusal undoes the copies of all, and the error names who failed and why", () =>
      Effect.gen(function* () {
        const world = yield* World.make({
          accounts: ["east", "west", "north"].map((id) => ({ id })),
          deployments: ["east", "west", "north"].map((id) => ({ id, account: id, modelName: "all" }))
        })
        const instance = yield* world.start()
        world.account("west").always("create", answer(401))
        world.account("north").always("create", answer(400, "no such purpose"))
        const error = providersFailed(yield* Effect.flip(instance.upload({ models: ["all"] })))
        assert.include(error.message, "west refused the gateway's credentials (401)")
        assert.include(error.message, "north refused the request (400): no such purpose")
        assert.deepStrictEqual(
          error.failures.map(({ account }) => account),
          ["west", "north"]
        )
        assert.deepStrictEqual(world.provider.files(), [])
        assert.deepStrictEqual(world.storage.rows(), [])
        assert.deepStrictEqual(problems(world), [])
        assert.strictEqual(world.account("west").calls("create").length, 1)
      })
    )

    it.effect("copies that cannot be deleted at once are deleted as soon as they can", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        world.account("west").always("create", answer(400))
        world.account("east").always("delete", answer(500))
        yield* Effect.flip(uploading(instance))
        assert.strictEqual(world.account("east").files.size, 1)
        assert.deepStrictEqual((yield* instance.list()).files, [])
        yield* advance(20_000)
        world.account("east").always("delete", null)
        yield* until("the copy is gone", () => world.account("east").files.size === 0, 300_000)
        yield* World.quiesce
        assert.deepStrictEqual(world.storage.rows(), [])
        assert.deepStrictEqual(problems(world), [])
      })
    )

    it.effect("the answer does not wait for a provider that does not answer deletions", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        world.account("west").always("create", answer(400))
        world.account("east").script("delete", { _tag: "Hang", done: false })
        const upload = yield* Effect.forkChild(Effect.flip(instance.upload()), { startImmediately: true })
        const took = yield* until("an answer", () => upload.pollUnsafe() !== undefined, 60_000)
        assert.isAtMost(took, 6_000)
        yield* until("the copy is gone", () => world.account("east").files.size === 0, 120_000)
        yield* World.quiesce
        assert.deepStrictEqual(problems(world), [])
      })
    )

    it.effect("a file that the provider cannot process is refused, and no copy stays", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        world.account("east").processing = "never"
        const upload = yield* Effect.forkChild(Effect.flip(instance.upload()), { startImmediately: true })
        yield* settle
        world.account("east").script("retrieve", {
          _tag: "Answer",
          status: 200,
          body: { id: "file-east-1", status: "error" }
        })
        yield* advance(1_000)
        const error = providersFailed(yield* Fiber.join(upload))
        assert.include(error.message, "east could not process the file")
        yield* World.quiesce
        assert.deepStrictEqual(world.provider.files(), [])
        assert.deepStrictEqual(problems(world), [])
      })
    )

    it.effect("a copy that vanishes while it is processed is told without the provider's ID", () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        world.account("east").processing = "never"
        const upload = yield* Effect.forkChild(Effect.flip(instance.upload({ models: ["east-only"] })), {
          startImmediately: true
        })
        yield* settle
        const [remote] = world.account("east").files.keys()
        world.account("east").files.clear()
        yield* advance(1_000)
        const error = providersFailed(yield* Fiber.join(upload))
        assert.include(error.message, "No such File object")
        assert.notInclude(error.message, remote ?? "?")
      })
    )

    it.effect("one that is processed for longer than an upload may take is given up", () =>
      Effect.gen(function* () {
        const world = yield* World.make({
          accounts: [{ id: "east", policy: { uploadTimeout: 5_000 } }],
          deployments: [{ id: "d", account: "east", modelName: "both" }]
        })
        const instance = yield* world.start()
        world.account("east").processing = "never"
        const error = providersFailed(yield* Effect.flip(uploading(instance)))
        assert.include(error.message, "did not process the file in time")
        yield* World.quiesce
        assert.deepStrictEqual(world.provider.files(), [])
        assert.deepStrictEqual(problems(world), [])
      })
    )
  })

  describe("with policy `any`", () => {
    const any: World.Options = { settings: { onPartialFailure: "any" } }

    it.effect("the file stands, and the missing copy is made as soon as it can be", () =>
      Effect.gen(function* () {
        const world = yield* World.make(any)
        const instance = yield* world.start()
        world.account("west").always("create", answer(401))
        const file = yield* instance.upload()
        assert.deepStrictEqual(file.replicas.map(({ account, state }) => [account, state]).sort(), [
          ["east", "ready"],
          ["west", "failed"]
        ])
        yield* advance(10_000)
        assert.strictEqual(world.account("west").files.size, 0)
        world.account("west").always("create", null)
        yield* until("the copy is there", () => world.account("west").files.size === 1, 60_000)
        yield* World.quiesce
        const healed = yield* instance.retrieve(file.id ?? "")
        assert.isTrue(healed.replicas.every(({ state }) => state === "ready"))
        assert.deepStrictEqual(problems(world), [])
      })
    )

    it.effect("a copy that fails again and again is given up until a call needs it", () =>
      Effect.gen(function* () {
        const world = yield* World.make({ settings: { ...World.unhurried, onPartialFailure: "any" } })
        const instance = yield* world.start()
        world.account("west").always("create", answer(401))
        const file = yield* instance.upload()
        yield* advance(3_600_000, 60_000)
        const tries = world.account("west").calls("create").length
        assert.isAtLeast(tries, 5)
        assert.isAtMost(tries, 9)
        yield* advance(3_600_000, 60_000)
        assert.strictEqual(world.account("west").calls("create").length, tries)
        world.account("west").always("create", null)
        yield* instance.chat({ model: "west-only", files: [file.id ?? ""] })
        assert.strictEqual(world.account("west").files.size, 1)
      })
    )

    it.effect("nothing is left when every account fails", () =>
      Effect.gen(function* () {
        const world = yield* World.make(any)
        const instance = yield* world.start()
        world.account("east").always("create", answer(401))
        world.account("west").always("create", answer(403))
        const error = providersFailed(yield* Effect.flip(instance.upload()))
        assert.include(error.message, "east")
        assert.include(error.message, "west")
        assert.deepStrictEqual(world.storage.rows(), [])
        assert.deepStrictEqual(problems(world), [])
      })
    )

    it.effect("no copy is owed that cannot be made because the content is not kept", () =>
      Effect.gen(function* () {
        const world = yield* World.make({ settings: { onPartialFailure: "any", keepContent: false } })
        const instance = yield* world.start()
        world.account("west").script("create", answer(401))
        yield* instance.upload()
        const scans = instance.storage.calls.read
        yield* advance(60_000, 1_000)
        assert.strictEqual(world.account("west").calls("create").length, 1)
        assert.isBelow(instance.storage.calls.read - scans, 60)
        assert.deepStrictEqual(problems(world), [])
      })
    )
  })

  describe("on accounts that take files of one purpose only", () => {
    const provider = {
      ...wire,
      files: { ...wire.files, takes: ({ purpose }: { readonly purpose: string }) => purpose === "batch" }
    }

    it.effect("makes copies of those, and keeps all others here", () =>
      Effect.gen(function* () {
        const world = yield* World.make({ provider })
        const instance = yield* world.start()
        const file = yield* instance.upload()
        assert.strictEqual(file.state, "ready")
        assert.deepStrictEqual(world.provider.files(), [])
        assert.strictEqual(yield* instance.content(file.id ?? ""), "content")
        yield* instance.upload({ purpose: "batch" })
        assert.strictEqual(world.provider.files().length, 2)
        // A call that names what no account takes is refused before any is asked.
        const error = yield* Effect.flip(instance.chat({ files: [file.id ?? ""] }))
        assert.strictEqual(error._tag, "InvalidRequest")
        assert.strictEqual(world.account("east").calls("chat").length, 0)
      })
    )

    it.effect("refuses what could be kept nowhere", () =>
      Effect.gen(function* () {
        const world = yield* World.make({ provider, settings: { keepContent: false } })
        const instance = yield* world.start()
        const error = yield* Effect.flip(instance.upload())
        if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
        assert.strictEqual(error.param, "purpose")
        assert.deepStrictEqual(world.storage.rows(), [])
        assert.deepStrictEqual(problems(world), [])
      })
    )
  })
})
