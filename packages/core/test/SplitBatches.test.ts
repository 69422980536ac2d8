import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "fast-check"
import { parseObject } from "../src/Json.ts"
import * as SplitLines from "../src/SplitLines.ts"
import { answer } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { idOf } from "./support/lookups.ts"
import { alice } from "./support/principals.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import { advance, settle } from "./support/time.ts"
import * as World from "./support/World.ts"

const names = ["a", "b", "c", "d", "e", "f"]

const input = names
  .map((name) =>
    JSON.stringify({
      custom_id: name,
      method: "POST",
      url: "/v1/chat/completions",
      body: { model: "both", messages: [{ role: "user", content: "hi" }] }
    })
  )
  .join("\n\n")

const upload = (instance: World.Instance) =>
  instance.upload({ content: input, purpose: "batch", filename: "in.jsonl", models: [] })

const create = (instance: World.Instance, file: string) =>
  Effect.scoped(
    instance.run(
      {
        _tag: "CreateBatch",
        body: { input_file_id: file, endpoint: "/v1/chat/completions", completion_window: "24h" },
        inputFile: { id: file, param: "input_file_id" },
        model: null,
        split: true,
        idempotencyKey: null
      },
      alice
    )
  ).pipe(Effect.map(({ object }) => object))

const list = (instance: World.Instance) =>
  Effect.map(
    Effect.scoped(instance.run({ _tag: "ListBatches", limit: 100, after: null }, alice)),
    ({ objects }) => objects
  )

const accounts = ["east", "west"] as const

const remotes = (world: World.World) =>
  accounts.flatMap((id) => [...world.account(id).batches.values()].map((batch) => ({ id, batch })))

/** Every part that runs is done. */
const complete = (world: World.World) => {
  for (const { batch, id } of remotes(world)) world.account(id).complete(batch.id, `the answers of ${id}`)
}

/** The names of the lines in an error file. */
const namesIn = (text: string) => text.split("\n").flatMap((line) => parseObject(line)?.["custom_id"] ?? [])

/** Time for recovery, as long as the provider is well. */
const quiesce = advance(40_000, 1_000)

describe("the lines of a split batch", () => {
  it("are all dealt out, in order, and none to two", () => {
    const weights = FastCheck.array(FastCheck.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 16 })
    FastCheck.assert(
      FastCheck.property(weights, FastCheck.nat(500), (shares, more) => {
        const lines = shares.length + more
        const stretches = SplitLines.deal(lines, shares)
        assert.deepStrictEqual(
          stretches.map(({ from }) => from),
          [0, ...stretches.slice(0, -1).map(({ to }) => to)]
        )
        assert.strictEqual(stretches.at(-1)?.to, lines)
        assert.isTrue(stretches.every(({ from, to }) => from < to))
      })
    )
  })

  it("are dealt out by weight", () => {
    assert.deepStrictEqual(SplitLines.deal(100, [3, 1]), [
      { from: 0, to: 75 },
      { from: 75, to: 100 }
    ])
  })
})

describe("a split batch", () => {
  it.effect("whose part is refused has its lines in the error file, with the reason", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = idOf(yield* upload(instance))
      world.account("west").always("createBatch", answer(400))
      const outcome = yield* Effect.forkChild(create(instance, file))
      yield* quiesce
      assert.isDefined(outcome.pollUnsafe())
      for (const { batch } of remotes(world)) batch.usage = { input_tokens: 3, output_tokens: 4 }
      complete(world)
      yield* advance(120_000, 5_000)
      assert.strictEqual(world.storage.count("usage"), 1)
      const [batch] = yield* list(instance)
      assert.strictEqual(batch?.["status"], "completed")
      const errors = namesIn(yield* instance.content(String(batch?.["error_file_id"])))
      assert.strictEqual(errors.length, 3)
      assert.deepInclude(batch?.["request_counts"], { total: 6, failed: 3 })
    })
  )

  // A create makes 42 calls to its storage.
  for (let call = 1; call <= 41; call += 4) {
    it.effect(`runs no part unseen when its instance dies around storage call ${call}`, () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const doomed = yield* world.start()
        const file = idOf(yield* upload(doomed))
        const start = Object.values(doomed.storage.calls).reduce((sum, count) => sum + count, 0)
        const die = Effect.sync(() => doomed.kill())
        const interference = { _tag: call % 8 === 1 ? "RunAfter" : "RunBefore", effect: die } as const
        doomed.storage.interfere = SharedStorage.at(start + call, interference)
        // What it was at never ends.
        yield* Effect.forkDetach(create(doomed, file))
        yield* settle
        assert.isTrue(doomed.storage.isDead())
        const successor = yield* world.start()
        yield* quiesce
        const rows = world.storage.jobs()
        const running = remotes(world)
        assert.isTrue(rows.every(({ state }) => state !== "creating"))
        for (const { batch } of running) {
          assert.strictEqual(rows.filter(({ remoteId }) => remoteId === batch.id).length, 1)
        }
        const listed = yield* list(successor)
        assert.strictEqual(listed.length, running.length === 0 ? 0 : 1)
        complete(world)
        yield* advance(120_000, 5_000)
        const [batch] = yield* list(successor)
        assert.strictEqual(batch?.["status"], running.length === 0 ? undefined : "completed")
        const errors = batch?.["error_file_id"]
        const unsent = typeof errors === "string" ? namesIn(yield* successor.content(errors)) : []
        assert.strictEqual(unsent.length, running.length === 1 ? 3 : 0)
        // What the parts have made is gone.
        const nobodys = world.storage.rows().filter(({ owner, state }) => owner.user === null && state === "ready")
        assert.deepStrictEqual(nobodys, [])
        assert.deepStrictEqual(problems(world), [])
      })
    )
  }
})
