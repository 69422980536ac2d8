/**
 * Random histories of split batches: parts that are refused or lost on the way, end in every way that there is, say of
 * each line what they like, and instances that die. Whatever happened, each line is in one of the files, once.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { answer, type Fault } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import * as Split from "./support/split.ts"
import { advance } from "./support/time.ts"
import * as World from "./support/World.ts"

const faults: ReadonlyArray<Fault> = [
  answer(400),
  answer(429),
  answer(500),
  { _tag: "Refuse" },
  { _tag: "CutAnswer", at: "head" },
  { _tag: "Delay", millis: 500 }
]

/** What a part's files say of one of its lines: answered, refused, both, either twice, nothing. */
const fates = ["o", "e", "oe", "oo", "ee", ""] as const

const history = fc.record({
  lines: fc.integer({ min: 2, max: 9 }),
  east: fc.array(fc.constantFrom(...faults), { maxLength: 2 }),
  west: fc.array(fc.constantFrom(...faults), { maxLength: 2 }),
  /** At which calls of their storage the first two instances die. */
  deaths: fc.array(fc.integer({ min: 25, max: 160 }), { maxLength: 2 }),
  ends: fc.infiniteStream(fc.constantFrom("completed", "completed", "failed", "expired", "cancelled")),
  fates: fc.infiniteStream(fc.constantFrom(...fates)),
  isCancelled: fc.boolean()
})

type History = typeof history extends fc.Arbitrary<infer H> ? H : never

const accounts = ["east", "west"] as const

const rest = advance(60_000, 10_000)

const play = (past: History) =>
  Effect.gen(function* () {
    const policy = { attempts: 1 }
    const world = yield* World.make({
      settings: { maintenanceInterval: 5_000 },
      accounts: accounts.map((id) => ({ id, policy }))
    })
    const names = Array.from({ length: past.lines }, (_, index) => `line ${index}`)
    let instance = yield* world.start()
    const file = yield* Split.upload(instance, names)
    for (const account of accounts) world.account(account).script("createBatch", ...past[account])
    const deaths = [...past.deaths]
    /** The instance's successor, if it has died; else an order for its death. */
    const next = Effect.gen(function* () {
      if (instance.storage.isDead()) instance = yield* world.start()
      const death = deaths.shift()
      const { calls, die } = instance.storage
      const sum = Object.values(calls).reduce((total, count) => total + count, 0)
      const interference = { _tag: "RunAfter", effect: Effect.sync(die) } as const
      instance.storage.interfere = death === undefined ? () => undefined : SharedStorage.at(sum + death, interference)
    })
    yield* next
    yield* Effect.forkDetach(Split.create(instance, file))
    yield* rest
    yield* next
    yield* rest
    if (instance.storage.isDead()) yield* next
    yield* rest
    for (const account of accounts) world.account(account).mend()
    const seen = instance.storage.isDead() ? [] : yield* Split.list(instance)
    if (past.isCancelled && seen[0] !== undefined) yield* Effect.forkDetach(Split.cancel(instance, seen[0]["id"]))
    yield* advance(120_000, 10_000)
    // What has failed before a line was run comes again elsewhere.
    for (let rounds = 0; rounds < 3; rounds++) {
      for (const { account, id, names: lines, status: now } of Split.remotes(world)) {
        if (now !== "in_progress" && now !== "cancelling") continue
        const [status = "completed"] = past.ends.take(1)
        const told = lines.map((line) => ({ line, fate: past.fates.next().value ?? "" }))
        const of = (letter: "o" | "e") =>
          told.flatMap(({ fate, line }) => [...fate].flatMap((found) => (found === letter ? [line] : [])))
        account.end(id, status, Split.results(of("o")), Split.results(of("e"), "too_long"))
      }
      yield* rest
      instance.storage.interfere = () => undefined
      if (instance.storage.isDead()) instance = yield* world.start()
      yield* rest
    }
    yield* rest

    const remotes = Split.remotes(world)
    // No line has been run twice.
    const isRun = ({ account, id }: Split.Remote) => {
      const batch = account.batches.get(id)
      return batch?.status !== "failed" || batch.outputFileId !== null || batch.errorFileId !== null
    }
    const run = remotes.filter(isRun).flatMap((remote) => remote.names)
    assert.strictEqual(new Set(run).size, run.length)
    const batches = yield* Split.list(instance)
    assert.strictEqual(batches.length, remotes.length === 0 ? 0 : 1)
    for (const { error_file_id, output_file_id, request_counts, status } of batches) {
      assert.include(["completed", "failed", "expired", "cancelled"], status)
      const output = Split.namesIn(yield* Split.contentOf(instance, output_file_id))
      const errors = Split.namesIn(yield* Split.contentOf(instance, error_file_id))
      const counts = { total: names.length, completed: output.length, failed: errors.length }
      if (status === "failed") assert.deepStrictEqual([output, errors], [[], []])
      else assert.sameMembers([...output, ...errors], names)
      assert.deepStrictEqual(request_counts, status === "failed" ? { ...counts, failed: names.length } : counts)
    }
    const nobodys = world.storage.rows().filter(({ owner, state }) => owner.user === null && state === "ready")
    assert.deepStrictEqual(nobodys, [])
    assert.deepStrictEqual(problems(world), [])
  }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))

describe("a history of a split batch", () => {
  it("ends with every line in one of its files, once", async () => {
    await fc.assert(
      fc.asyncProperty(history, (past) => Effect.runPromise(play(past))),
      { numRuns: 5, seed: 3 }
    )
  }, 60_000)
})
