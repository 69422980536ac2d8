import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as FastCheck from "fast-check"
import * as SplitLines from "../src/SplitLines.ts"
import { answer } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import * as Split from "./support/split.ts"
import { advance } from "./support/time.ts"
import * as World from "./support/World.ts"

const names = ["a", "b", "c", "d", "e", "f"]

/** Time for a few looks at everything. */
const pass = advance(60_000, 5_000)

const settings = { maintenanceInterval: 5_000 }

/** Accounts at which no call is repeated. */
const impatient = ["east", "west"].map((id) => ({ id, policy: { attempts: 1 } }))

/** A batch whose parts run on both accounts. */
const begin = Effect.gen(function* () {
  const world = yield* World.make({ settings })
  const instance = yield* world.start()
  const file = yield* Split.upload(instance, names)
  const { id } = yield* Split.create(instance, file)
  return { world, instance, file, id }
})

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
      const world = yield* World.make({ settings })
      const instance = yield* world.start()
      world.account("west").always("createBatch", answer(400))
      const { id } = yield* Split.create(instance, yield* Split.upload(instance, names))
      const [remote] = Split.remotes(world)
      assert(remote !== undefined)
      const usage = { input_tokens: 3, output_tokens: 4 }
      for (const batch of remote.account.batches.values()) batch.usage = usage
      Split.complete(remote)
      yield* pass
      assert.strictEqual(world.storage.count("usage"), 1)
      const batch = yield* Split.retrieve(instance, id)
      assert.strictEqual(batch["status"], "completed")
      const errors = Split.codesIn(yield* Split.contentOf(instance, batch["error_file_id"]))
      assert.deepStrictEqual(
        Object.values(errors),
        Array.from({ length: 3 }, () => "batch_part_refused")
      )
      assert.deepStrictEqual(batch["request_counts"], { total: 6, completed: 3, failed: 3 })
    })
  )

  it.effect("has a part made later that nobody takes now", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { maintenanceInterval: 60_000, instanceTtl: 600_000 } })
      const instance = yield* world.start()
      const throttled = answer(429)
      world.account("east").script("createBatch", throttled, throttled)
      world.account("west").script("createBatch", { _tag: "Delay", millis: 0 }, throttled, throttled)
      const making = yield* Effect.forkChild(Split.create(instance, yield* Split.upload(instance, names)))
      yield* advance(60_000, 5_000)
      assert.isDefined(making.pollUnsafe())
      yield* advance(300_000, 60_000)
      assert.sameMembers(
        Split.remotes(world).flatMap((remote) => remote.names),
        names
      )
      const [batch] = yield* Split.list(instance)
      assert.deepInclude(batch, { status: "in_progress" })
    })
  )

  it.effect("has a part refused that nobody takes for an hour", () =>
    Effect.gen(function* () {
      const rarely = { maintenanceInterval: 300_000, instanceTtl: 3_600_000 }
      const world = yield* World.make({ settings: rarely, accounts: impatient })
      const instance = yield* world.start()
      world.account("east").always("createBatch", { _tag: "Refuse" })
      world.account("west").script("createBatch", { _tag: "Delay", millis: 0 })
      world.account("west").always("createBatch", { _tag: "Refuse" })
      const making = yield* Effect.forkChild(Split.create(instance, yield* Split.upload(instance, names)))
      yield* advance(60_000, 60_000)
      assert.isDefined(making.pollUnsafe())
      const [batch] = yield* Split.list(instance)
      for (const remote of Split.remotes(world)) Split.complete(remote)
      assert.deepInclude(yield* Split.retrieve(instance, batch?.["id"]), { status: "in_progress" })
      yield* advance(3_900_000, 300_000)
      const ended = yield* Split.retrieve(instance, batch?.["id"])
      assert.strictEqual(ended["status"], "completed")
      const codes = Split.codesIn(yield* Split.contentOf(instance, ended["error_file_id"]))
      assert.deepStrictEqual(
        Object.values(codes),
        Array.from({ length: 3 }, () => "batch_part_refused")
      )
    })
  )

  // How the second part ends that has c and d answered, e refused, and nothing said of f.
  for (const [how, status, reason] of [
    ["expired", "expired", "batch_expired"],
    ["cancelled", "cancelled", "batch_cancelled"],
    ["failed", "completed", "batch_failed"],
    ["completed", "completed", "no_result"]
  ] as const) {
    it.effect(`of which a part has ${how} late keeps its results, and says of the others why there is none`, () =>
      Effect.gen(function* () {
        const { id, instance, world } = yield* begin
        const [first, second] = Split.remotes(world)
        assert(first !== undefined && second !== undefined)
        const [answered = "", refused = "", silent = ""] = second.names
        Split.complete(first)
        // Of a line that is in both files, the answer counts.
        const errors = Split.results([answered, refused, refused], "too_long")
        second.account.end(second.id, how, Split.results([answered]), errors)
        const batch = yield* Split.retrieve(instance, id)
        assert.deepInclude(batch, { status, errors: null })
        assert.deepStrictEqual(batch["request_counts"], { total: 6, completed: 4, failed: 2 })
        const output = Split.namesIn(yield* Split.contentOf(instance, batch["output_file_id"]))
        assert.sameMembers([...output], [...first.names, answered])
        const codes = Split.codesIn(yield* Split.contentOf(instance, batch["error_file_id"]))
        assert.deepStrictEqual(codes, { [refused]: "too_long", [silent]: reason })
        assert.isNumber(batch[`${status}_at`])
      })
    )
  }

  it.effect("is finalizing until the files of its parts have come whole", () =>
    Effect.gen(function* () {
      // Nobody else reads them.
      const world = yield* World.make({ settings: { ...settings, usage: false } })
      const instance = yield* world.start()
      const { id } = yield* Split.create(instance, yield* Split.upload(instance, names))
      for (const remote of Split.remotes(world)) Split.complete(remote)
      const cut = { _tag: "CutAnswer", at: "body" } as const
      for (const account of ["east", "west"]) world.account(account).script("content", cut, cut)
      yield* Split.retrieve(instance, id)
      assert.deepInclude(yield* Split.retrieve(instance, id), { status: "finalizing" })
      yield* pass
      const batch = yield* Split.retrieve(instance, id)
      assert.strictEqual(batch["status"], "completed")
      const output = Split.namesIn(yield* Split.contentOf(instance, batch["output_file_id"]))
      assert.sameMembers([...output], names)
    })
  )

  it.effect("has lines run elsewhere with which a provider finds fault as a whole", () =>
    Effect.gen(function* () {
      const { id, instance, world } = yield* begin
      const [first, second] = Split.remotes(world)
      assert(first !== undefined && second !== undefined)
      first.account.end(first.id, "failed", "", "")
      Split.complete(second)
      assert.deepInclude(yield* Split.retrieve(instance, id), { status: "in_progress" })
      yield* pass
      const others = Split.remotes(world).filter(({ status }) => status === "in_progress")
      assert.deepStrictEqual(
        others.map(({ account, names: lines }) => [account.id, lines]),
        [[second.account.id, first.names]]
      )
      for (const other of others) Split.complete(other)
      const batch = yield* Split.retrieve(instance, id)
      assert.deepInclude(batch, { status: "completed", error_file_id: null })
      assert.deepStrictEqual(batch["request_counts"], { total: 6, completed: 6, failed: 0 })
    })
  )

  it.effect("has lines run elsewhere of which nothing is heard any more", () =>
    Effect.gen(function* () {
      const rarely = { maintenanceInterval: 7_200_000, instanceTtl: 36_000_000 }
      const world = yield* World.make({ settings: rarely })
      const first = yield* world.start()
      const { id } = yield* Split.create(first, yield* Split.upload(first, names))
      yield* first.stop
      const instance = yield* world.start({}, ["east"])
      const day = 24 * 60 * 60 * 1000
      yield* advance(day, 7_200_000)
      assert.strictEqual(Split.remotes(world).length, 2)
      yield* advance(day / 2, 7_200_000)
      const [east, again, west] = Split.remotes(world)
      assert(east !== undefined && again !== undefined && west !== undefined)
      assert.deepStrictEqual([again.account.id, again.names], ["east", west.names])
      for (const remote of [east, again]) Split.complete(remote)
      const batch = yield* Split.retrieve(instance, id)
      assert.deepInclude(batch, { status: "completed", error_file_id: null })
      assert.deepStrictEqual(batch["request_counts"], { total: 6, completed: 6, failed: 0 })
    })
  )

  it.effect("has failed when no line of it was run, there nor elsewhere", () =>
    Effect.gen(function* () {
      const { id, instance, world } = yield* begin
      const fail = () => {
        for (const { account, id: remote } of Split.remotes(world)) account.end(remote, "failed", "", "")
      }
      fail()
      yield* pass
      assert.strictEqual(Split.remotes(world).length, 4)
      fail()
      yield* pass
      assert.strictEqual(Split.remotes(world).length, 4)
      const batch = yield* Split.retrieve(instance, id)
      assert.deepInclude(batch, { status: "failed", output_file_id: null, error_file_id: null })
      assert.deepStrictEqual(batch["request_counts"], { total: 6, completed: 0, failed: 6 })
    })
  )

  it.effect("says what its provider has said of lines that nobody else takes either", () =>
    Effect.gen(function* () {
      const { id, instance, world } = yield* begin
      const [first, second] = Split.remotes(world)
      assert(first !== undefined && second !== undefined)
      second.account.always("createBatch", answer(400))
      first.account.end(first.id, "failed", "", "")
      yield* pass
      Split.complete(second)
      const batch = yield* Split.retrieve(instance, id)
      assert.strictEqual(batch["status"], "completed")
      const codes = Split.codesIn(yield* Split.contentOf(instance, batch["error_file_id"]))
      assert.deepStrictEqual(codes, Object.fromEntries(first.names.map((name) => [name, "batch_failed"])))
    })
  )

  it.effect("is cancelled with the parts that are still to be made", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings, accounts: impatient })
      const instance = yield* world.start()
      world.account("east").always("createBatch", answer(429))
      world.account("west").script("createBatch", { _tag: "Delay", millis: 0 })
      world.account("west").always("createBatch", answer(429))
      const making = yield* Effect.forkChild(Split.create(instance, yield* Split.upload(instance, names)))
      yield* advance(20_000, 1_000)
      assert.isDefined(making.pollUnsafe())
      const [batch] = yield* Split.list(instance)
      const cancelling = yield* Split.cancel(instance, batch?.["id"])
      assert.strictEqual(cancelling["status"], "cancelling")
      for (const account of ["east", "west"]) world.account(account).mend()
      yield* pass
      const [remote, ...others] = Split.remotes(world)
      assert(remote !== undefined)
      assert.deepStrictEqual(others, [])
      assert.strictEqual(remote.status, "cancelling")
      remote.account.end(remote.id, "cancelled", Split.results(remote.names.slice(0, 1)), "")
      const ended = yield* Split.retrieve(instance, batch?.["id"])
      assert.strictEqual(ended["status"], "cancelled")
      assert.deepStrictEqual(ended["request_counts"], { total: 6, completed: 1, failed: 5 })
      const codes = Split.codesIn(yield* Split.contentOf(instance, ended["error_file_id"]))
      assert.deepStrictEqual(new Set(Object.values(codes)), new Set(["batch_cancelled"]))
    })
  )

  it.effect("is cancelled in a part, too, that is just being made", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings, accounts: impatient })
      const instance = yield* world.start()
      const latch = yield* Latch.make()
      world.account("west").script("createBatch", answer(429), { _tag: "Wait", latch })
      world.account("east").script("createBatch", { _tag: "Delay", millis: 0 }, answer(429))
      const making = yield* Effect.forkChild(Split.create(instance, yield* Split.upload(instance, names)))
      yield* advance(10_000, 1_000)
      assert.isDefined(making.pollUnsafe())
      assert.strictEqual(Split.remotes(world).length, 2)
      const [batch] = yield* Split.list(instance)
      yield* Split.cancel(instance, batch?.["id"])
      yield* latch.open
      yield* pass
      const remotes = Split.remotes(world)
      assert.deepStrictEqual(
        remotes.map(({ status }) => status),
        ["cancelling", "cancelling"]
      )
      for (const { account, id } of remotes) account.end(id, "cancelled", "", "")
      const ended = yield* Split.retrieve(instance, batch?.["id"])
      assert.strictEqual(ended["status"], "cancelled")
      assert.deepStrictEqual(ended["request_counts"], { total: 6, completed: 0, failed: 6 })
    })
  )

  it.effect("is one however many ask from however many instances while its last part ends", () =>
    Effect.gen(function* () {
      const { file, id, instance, world } = yield* begin
      const other = yield* world.start()
      assert.strictEqual((yield* Effect.flip(instance.remove(file)))._tag, "Conflicting")
      for (const remote of Split.remotes(world)) Split.complete(remote)
      const looks = yield* Effect.forEach(
        [instance, other, instance, other, instance, other],
        (one) => Split.retrieve(one, id),
        { concurrency: "unbounded" }
      ).pipe(Effect.forkChild)
      yield* pass
      assert.isDefined(looks.pollUnsafe())
      const ends = yield* Effect.forEach([instance, other], (one) => Split.retrieve(one, id))
      assert.strictEqual(new Set(ends.map(({ output_file_id }) => output_file_id)).size, 1)
      const output = Split.namesIn(yield* Split.contentOf(instance, ends[0]?.["output_file_id"]))
      assert.sameMembers([...output], names)
      yield* instance.remove(file)
      yield* pass
      assert.deepStrictEqual(problems(world), [])
    })
  )
})
