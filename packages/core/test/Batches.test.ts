import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { CallError } from "../src/CallError.ts"
import type { JsonObject } from "../src/Json.ts"
import { update } from "../src/ManagedFile.ts"
import { OutputFiles } from "../src/OutputFiles.ts"
import { answer, decode } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { idOf } from "./support/lookups.ts"
import { admin, alice, bob } from "./support/principals.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import { advance, settle } from "./support/time.ts"
import * as World from "./support/World.ts"

const line = (model: string, file?: string): string =>
  JSON.stringify({
    custom_id: "1",
    method: "POST",
    url: "/v1/chat/completions",
    body: { model, messages: [{ role: "user", content: file === undefined ? "hi" : [{ file: { file_id: file } }] }] }
  })

const upload = (instance: World.Instance, content: string) =>
  instance.upload({ content, purpose: "batch", filename: "in.jsonl", models: [] })

const create = (instance: World.Instance, input: string, principal = alice, more: JsonObject = {}) =>
  Effect.scoped(
    instance.run(
      {
        _tag: "CreateBatch",
        body: { input_file_id: input, endpoint: "/v1/chat/completions", completion_window: "24h", ...more },
        inputFile: { id: input, param: "input_file_id" },
        model: null,
        idempotencyKey: null
      },
      principal
    )
  ).pipe(Effect.map(({ object }) => object))

const retrieve = (instance: World.Instance, id: unknown, principal = alice) =>
  Effect.scoped(instance.run({ _tag: "RetrieveBatch", id: String(id) }, principal)).pipe(
    Effect.map(({ object }) => object)
  )

const list = (instance: World.Instance) =>
  Effect.scoped(instance.run({ _tag: "ListBatches", limit: 100, after: null }, alice))

const theBatch = (world: World.World) => {
  const [batch] = world.account("east").batches.values()
  return batch ?? assert.fail("the provider has no batch")
}

/** What is wrong between our record and the providers'. */
const jobProblems = (world: World.World): ReadonlyArray<string> => {
  const rows = world.storage.jobs()
  const remote = ["east", "west"].flatMap((id) => [...world.account(id).batches.keys()])
  return [
    ...rows.filter(({ state }) => state === "creating").map(({ key }) => `${key} is still being created`),
    ...remote
      .filter((id) => rows.filter(({ remoteId }) => remoteId === id).length !== 1)
      .map((id) => `${id} runs unseen, or is seen twice`),
    ...rows.filter(({ remoteId }) => !remote.includes(remoteId ?? "")).map(({ key }) => `${key} is no batch`)
  ]
}

/** Time for recovery, as long as the provider is well. */
const quiesce = advance(40_000, 1_000)

describe("Batches", () => {
  it.effect("asked about a thousand times from two instances, is one output and is counted once", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: World.unhurried })
      const here = yield* world.start()
      const there = yield* world.start()
      const input = idOf(yield* upload(here, line("east-only")))
      const { id } = yield* create(here, input)
      const batch = theBatch(world)
      world.account("east").complete(batch.id, "the answers")
      batch.usage = { input_tokens: 3, output_tokens: 4 }
      const polls = yield* Effect.forEach(
        Array.from({ length: 1_000 }, (_, index) => index),
        (index) => retrieve(index % 2 === 0 ? here : there, id, index % 3 === 0 ? admin : alice),
        { concurrency: 50 }
      )
      assert.strictEqual(new Set(polls.map(({ output_file_id }) => output_file_id)).size, 1)
      assert.strictEqual(world.storage.count("usage"), 1)
      const output = String(polls[0]?.["output_file_id"])
      assert.strictEqual(yield* there.content(output), "the answers")
      assert.strictEqual((yield* Effect.flip(here.retrieve(output, bob)))._tag, "NotFound")
      assert.strictEqual(world.storage.rows().length, 2)
    })
  )

  it.effect("of a provider that does not say what it has used is counted by its output", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: World.unhurried })
      const here = yield* world.start()
      const there = yield* world.start()
      const { id } = yield* create(here, idOf(yield* upload(here, line("east-only"))))
      const answered = (input: number, output: number) =>
        JSON.stringify({ response: { body: { usage: { prompt_tokens: input, completion_tokens: output } } } })
      world.account("east").complete(theBatch(world).id, `${answered(1, 20)}\n\n${answered(300, 4_000)}\n`)
      yield* Effect.all([retrieve(here, id), retrieve(there, id), retrieve(here, id)], { concurrency: 3 })
      const [job] = world.storage.jobs()
      assert.deepStrictEqual([job?.usage?.input, job?.usage?.output], [301, 4_020])
      assert.strictEqual(world.storage.count("usage"), 1)
    })
  )

  it.effect("is followed by one instance at a time, whoever asks", () =>
    Effect.gen(function* () {
      const jobs = { pollInterval: 10_000, pollConcurrency: 2, claimTtl: 60_000, responseTtl: 1 }
      const world = yield* World.make({ settings: { jobs } })
      const instances = [yield* world.start(), yield* world.start()] as const
      const { id } = yield* create(instances[0], idOf(yield* upload(instances[0], line("east-only"))))
      const before = world.account("east").calls("retrieveBatch").length
      yield* advance(35_000)
      const asked = world.account("east").calls("retrieveBatch").length - before
      assert.isTrue(asked === 3 || asked === 4, `it was asked ${asked} times in 35 s`)
      world.account("east").complete(theBatch(world).id, "unasked")
      yield* advance(11_000)
      const [listed] = (yield* list(instances[1])).objects
      assert.strictEqual(listed?.["id"], id)
      assert.strictEqual(yield* instances[1].content(String(listed?.["output_file_id"])), "unasked")
      const over = world.account("east").calls("retrieveBatch").length
      yield* advance(60_000)
      assert.strictEqual(world.account("east").calls("retrieveBatch").length, over)
    })
  )

  it.effect("of a provider that does not answer is what it was, and is asked about less and less", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const made = yield* create(instance, idOf(yield* upload(instance, line("east-only"))))
      world.account("east").always("retrieveBatch", answer(401))
      assert.deepStrictEqual(yield* retrieve(instance, made["id"]), made)
      yield* advance(120_000, 1_000)
      assert.isBelow(world.account("east").calls("retrieveBatch").length, 10)
      world.account("east").always("retrieveBatch", { _tag: "Hang", done: false })
      const patient = yield* Effect.forkChild(retrieve(instance, made["id"]))
      yield* advance(21_000, 1_000)
      assert.deepStrictEqual(yield* Fiber.join(patient), made)
      world.account("east").mend()
      world.account("east").complete(theBatch(world).id, "late")
      assert.strictEqual((yield* retrieve(instance, made["id"]))["status"], "completed")
    })
  )

  it.effect("for target models has its input there at once, as each deployment needs it and in no other form", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const text = `${line("both")}\n`
      const file = yield* instance.upload({ content: text, purpose: "batch", models: ["both", "east-only"] })
      const sent = world.provider.files().map(({ account, content }) => [account, decode(content)])
      assert.sameDeepMembers(sent, [
        ["east", text.replace("both", "east-model")],
        ["east", text.replace("both", "east-only")],
        ["west", text.replace("both", "west-model")]
      ])
      assert.deepStrictEqual([file.bytes, yield* instance.content(idOf(file))], [text.length, text])
      assert.deepStrictEqual(problems(world), [])
      const { id } = yield* create(instance, idOf(file))
      assert.strictEqual(world.provider.files().length, 3)
      // As long as the batch reads it, it stays.
      const error = yield* Effect.flip(instance.remove(idOf(file)))
      assert(error._tag === "Conflicting")
      assert.include(error.message, String(id))
      for (const account of [world.account("east"), world.account("west")]) {
        for (const batch of account.batches.values()) batch.status = "completed"
      }
      assert.strictEqual((yield* retrieve(instance, id))["status"], "completed")
      yield* instance.remove(idOf(file))
      yield* quiesce
      assert.isEmpty(world.provider.files())
    })
  )

  it.effect("takes 200 MiB and no byte more", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* upload(instance, line("east-only"))
      const resize = (bytes: number) => instance.registry.modifyFile(file.key, (row) => update(row, { bytes }))
      yield* resize(200 * 1024 * 1024 + 1)
      const error = yield* Effect.flip(create(instance, idOf(file)))
      assert(error._tag === "InvalidRequest" && error.param === "input_file_id")
      assert.include(error.message, String(200 * 1024 * 1024))
      // The next one is too large for this provider, and not for a batch.
      yield* resize(200 * 1024 * 1024)
      assert.notStrictEqual((yield* Effect.flip(create(instance, idOf(file))))._tag, "StorageError")
      assert.strictEqual((yield* Effect.flip(create(instance, idOf(file))))._tag, "InvalidRequest")
    })
  )

  it.effect("whose input is none can be uploaded, and says so when it is made", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ content: "no lines", purpose: "batch", models: ["both"] })
      assert.strictEqual(world.provider.files().length, 2)
      assert.strictEqual((yield* Effect.flip(create(instance, idOf(file))))._tag, "InvalidRequest")
    })
  )

  it.effect("is made with new copies when the provider has lost those that there were", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = idOf(yield* instance.upload({ content: "attached", models: ["east-only"] }))
      const input = idOf(yield* upload(instance, line("east-only", file)))
      yield* create(instance, input)
      for (const id of world.account("east").files.keys()) {
        world.account("east").files.delete(id)
      }
      yield* create(instance, input)
      assert.strictEqual(world.account("east").batches.size, 2)
      assert.strictEqual(world.account("east").files.size, 2)
      assert.deepStrictEqual(jobProblems(world), [])
    })
  )

  it.effect("is not over before its output is there, unless it never comes", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const { id } = yield* create(instance, idOf(yield* upload(instance, line("east-only"))))
      const batch = theBatch(world)
      Object.assign(batch, { status: "completed", outputFileId: "file-to-come" })
      assert.strictEqual((yield* retrieve(instance, id))["status"], "in_progress")
      world.account("east").complete(batch.id, "here it is")
      const done = yield* retrieve(instance, id)
      assert.strictEqual(yield* instance.content(String(done["output_file_id"])), "here it is")

      const other = yield* create(instance, idOf(yield* upload(instance, line("east-only"))))
      const never = [...world.account("east").batches.values()].at(-1)
      Object.assign(never ?? {}, { status: "completed", outputFileId: "file-that-never-comes" })
      yield* advance(600_000, 5_000)
      const ended = yield* retrieve(instance, other["id"])
      assert.deepStrictEqual([ended["status"], ended["output_file_id"]], ["completed", null])
    })
  )

  it.effect("of an input that names files goes with copies of them", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = idOf(yield* instance.upload({ content: "attached", models: ["west-only"] }))
      const input = idOf(yield* upload(instance, line("both", file)))
      yield* create(instance, input)
      const [remote] = ["east", "west"].flatMap((account) =>
        [...world.account(account).batches.values()].map((batch) => ({ account: world.account(account), batch }))
      )
      const sent = decode(remote?.account.files.get(remote.batch.inputFileId)?.content ?? new Uint8Array())
      const named = /"file_id":"([^"]*)"/.exec(sent)?.[1] ?? ""
      assert.strictEqual(decode(remote?.account.files.get(named)?.content ?? new Uint8Array()), "attached")
      assert.include(sent, `"model":"${remote?.account.id}-model"`)
      assert.deepStrictEqual(problems(world), [])
    })
  )

  it.effect("reads an input that a provider has made", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const { id } = yield* create(instance, idOf(yield* upload(instance, line("east-only"))))
      world.account("east").complete(theBatch(world).id, "made")
      const output = String((yield* retrieve(instance, id))["output_file_id"])
      const row = yield* instance.retrieve(output)
      const pulled = yield* instance.within(Effect.flatMap(OutputFiles, (files) => files.pull(row)))
      assert.isTrue(pulled.kept)
      const error = yield* Effect.flip(create(instance, output))
      assert(error._tag === "InvalidRequest")
      assert.include(error.message, "batch_output")
    })
  )

  // A create makes 18 calls to its storage.
  for (let call = 1; call <= 18; call++) {
    it.effect(`is made once or not at all when its instance dies around storage call ${call}`, () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const doomed = yield* world.start()
        const input = idOf(yield* upload(doomed, line("both")))
        const start = Object.values(doomed.storage.calls).reduce((sum, count) => sum + count, 0)
        const die = Effect.sync(() => doomed.kill())
        const interference = { _tag: call % 2 === 0 ? "RunAfter" : "RunBefore", effect: die } as const
        doomed.storage.interfere = SharedStorage.at(start + call, interference)
        // What it was at never ends.
        yield* Effect.forkDetach(create(doomed, input))
        yield* settle
        assert.isTrue(doomed.storage.isDead())
        const successor = yield* world.start()
        yield* quiesce
        assert.deepStrictEqual(jobProblems(world), [])
        assert.strictEqual((yield* list(successor)).objects.length, world.storage.jobs().length)
        assert.deepStrictEqual(problems(world), [])
      })
    )
  }

  for (const [what, fault] of [
    ["breaks before the answer", { _tag: "CutAnswer", at: "head" }],
    ["breaks in the answer", { _tag: "CutAnswer", at: "body" }],
    ["breaks before anything is done", { _tag: "Cut", after: "all" }],
    ["is refused", answer(400)],
    ["is throttled", answer(429)]
  ] as const) {
    it.effect(`is made once or not at all when its call ${what}`, () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        const input = idOf(yield* upload(instance, line("east-only")))
        world.account("east").always("createBatch", fault)
        const outcome = yield* Effect.forkChild(Effect.exit(create(instance, input)))
        yield* quiesce
        const ended = outcome.pollUnsafe()
        assert.isDefined(ended)
        assert.deepStrictEqual(jobProblems(world), [])
        assert.isAtMost(world.account("east").batches.size, 1)
      })
    )
  }

  it.effect("with no room for our mark is known by its input and its metadata", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`pair-${index}`, "own"]))
      const input = idOf(yield* upload(instance, line("east-only")))
      const first = yield* create(instance, input, alice, { metadata })
      world.account("east").script("createBatch", { _tag: "CutAnswer", at: "head" })
      const second = yield* create(instance, input, alice, { metadata })
      assert.notStrictEqual(first["id"], second["id"])
      assert.deepStrictEqual(second["metadata"], metadata)
      assert.strictEqual(world.account("east").batches.size, 2)
      assert.deepStrictEqual(jobProblems(world), [])
    })
  )

  it.effect("whose owner hangs up is adopted all the same", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const input = idOf(yield* upload(instance, line("east-only")))
      world.account("east").script("createBatch", { _tag: "Hang", done: true })
      const call = yield* Effect.forkChild(create(instance, input))
      yield* settle
      yield* advance(1_000)
      call.interruptUnsafe()
      yield* quiesce
      assert.deepStrictEqual(jobProblems(world), [])
      assert.strictEqual((yield* list(instance)).objects.length, 1)
    })
  )

  it.effect("of somebody else's file, wherever it is named, reaches no provider", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const theirs = yield* instance.upload({ principal: bob })
      const batchOfTheirs = yield* instance.upload({ principal: bob, purpose: "batch", content: line("east-only") })
      const asked = world.account("east").exchanges.length + world.account("west").exchanges.length
      const attempts: ReadonlyArray<Effect.Effect<unknown, CallError>> = [
        create(instance, idOf(batchOfTheirs)),
        Effect.flatMap(upload(instance, line("east-only", idOf(theirs))), (file) => create(instance, idOf(file)))
      ]
      for (const attempt of attempts) assert.strictEqual((yield* Effect.flip(attempt))._tag, "NotFound")
      assert.strictEqual(world.account("east").exchanges.length + world.account("west").exchanges.length, asked)
    })
  )
})
