/** Instances that die while a batch of parts is made, or while its files are put together. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { problems } from "./support/invariants.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import * as Split from "./support/split.ts"
import { advance, settle } from "./support/time.ts"
import * as World from "./support/World.ts"

const names = ["a", "b", "c", "d", "e", "f"]

/** Time for recovery, as long as the providers are well. */
const quiesce = advance(45_000, 7_500)

const settings = { maintenanceInterval: 7_500 }

/** Every line runs at one provider, and has its answer in one output in the end. */
const check = Effect.fnUntraced(function* (world: World.World, successor: World.Instance) {
  const remotes = Split.remotes(world)
  assert.sameMembers(
    remotes.flatMap((remote) => remote.names),
    remotes.length === 0 ? [] : names
  )
  const rows = world.storage.jobs()
  assert.isTrue(rows.every(({ state }) => state !== "creating"))
  for (const { id } of remotes) assert.strictEqual(rows.filter(({ remoteId }) => remoteId === id).length, 1)
  for (const remote of remotes) if (remote.status === "in_progress") Split.complete(remote)
  yield* quiesce
  const batches = yield* Split.list(successor)
  assert.deepStrictEqual(
    batches.map(({ status }) => status),
    remotes.length === 0 ? [] : ["completed"]
  )
  for (const { error_file_id, output_file_id, request_counts } of batches) {
    const output = Split.namesIn(yield* Split.contentOf(successor, output_file_id))
    assert.sameMembers([...output], names)
    assert.isNotOk(error_file_id)
    assert.deepStrictEqual(request_counts, { total: 6, completed: 6, failed: 0 })
  }
  // What the parts have made is gone.
  const nobodys = world.storage.rows().filter(({ owner, state }) => owner.user === null && state === "ready")
  assert.deepStrictEqual(nobodys, [])
  assert.deepStrictEqual(problems(world), [])
  return remotes
})

const callsOf = (instance: World.Instance) =>
  Object.values(instance.storage.calls).reduce((sum, count) => sum + count, 0)

describe("the making of a split batch", () => {
  // A create makes 42 calls to its storage; from the 32nd on there are batches.
  for (const call of [18, 30, 33, 34, 36, 38, 41]) {
    it.effect(`goes on when its instance dies around storage call ${call}`, () =>
      Effect.gen(function* () {
        const world = yield* World.make({ settings })
        const doomed = yield* world.start()
        const file = yield* Split.upload(doomed, names)
        const die = Effect.sync(() => doomed.kill())
        const interference = { _tag: call % 4 === 2 ? "RunAfter" : "RunBefore", effect: die } as const
        doomed.storage.interfere = SharedStorage.at(callsOf(doomed) + call, interference)
        // What it was at never ends.
        yield* Effect.forkDetach(Split.create(doomed, file))
        yield* settle
        assert.isTrue(doomed.storage.isDead())
        const successor = yield* world.start()
        yield* quiesce
        yield* check(world, successor)
      })
    )
  }

  // Two copies of lines and two batches are made, side by side.
  for (let call = 2; call <= 4; call++) {
    for (const when of ["before", "after"] as const) {
      it.effect(`goes on when its instance dies ${when} call ${call} to a provider`, () =>
        Effect.gen(function* () {
          const world = yield* World.make({ settings })
          const doomed = yield* world.start()
          const file = yield* Split.upload(doomed, names)
          let calls = 0
          world.provider.around = {
            [when]: () =>
              Effect.suspend(() => {
                if (++calls !== call) return Effect.void
                doomed.kill()
                return Effect.never
              })
          }
          yield* Effect.forkDetach(Split.create(doomed, file))
          yield* settle
          assert.isTrue(doomed.storage.isDead())
          const successor = yield* world.start()
          yield* quiesce
          yield* check(world, successor)
        })
      )
    }
  }

  it.effect("goes on elsewhere when the account of a part is not configured any more", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { maintenanceInterval: 60_000, instanceTtl: 120_000 } })
      const doomed = yield* world.start()
      const file = yield* Split.upload(doomed, names)
      world.account("west").script("createBatch", { _tag: "Hang", done: false })
      yield* Effect.forkDetach(Split.create(doomed, file))
      yield* settle
      doomed.kill()
      assert.strictEqual(Split.remotes(world).length, 1)
      const successor = yield* world.start({}, ["east"])
      yield* advance(540_000, 60_000)
      assert.strictEqual(Split.remotes(world).length, 1)
      yield* advance(420_000, 60_000)
      const remotes = Split.remotes(world)
      assert.deepStrictEqual(
        remotes.map(({ account }) => account.id),
        ["east", "east"]
      )
      assert.sameMembers(
        remotes.flatMap((remote) => remote.names),
        names
      )
      for (const remote of remotes) Split.complete(remote)
      yield* advance(120_000, 60_000)
      assert.deepInclude((yield* Split.list(successor))[0], { status: "completed" })
    })
  )
})

describe("the files of a split batch", () => {
  /** A batch whose parts are over, though nobody has looked yet; one line of it has an error. */
  const begin = Effect.gen(function* () {
    const world = yield* World.make({ settings })
    const instance = yield* world.start()
    const { id } = yield* Split.create(instance, yield* Split.upload(instance, names))
    const [first, second] = Split.remotes(world)
    assert(first !== undefined && second !== undefined)
    Split.complete(first)
    const [refused = "", ...answered] = second.names
    second.account.end(second.id, "completed", Split.results(answered), Split.results([refused], "too_long"))
    return { world, instance, id, refused }
  })

  type Begun = Effect.Success<typeof begin>

  const checkFiles = Effect.fnUntraced(function* ({ id, refused, world }: Begun, instance: World.Instance) {
    const batch = yield* Split.retrieve(instance, id)
    assert.strictEqual(batch["status"], "completed")
    assert.deepStrictEqual(batch["request_counts"], { total: 6, completed: 5, failed: 1 })
    const output = Split.namesIn(yield* Split.contentOf(instance, batch["output_file_id"]))
    assert.sameMembers(
      [...output],
      names.filter((name) => name !== refused)
    )
    assert.deepStrictEqual(Split.codesIn(yield* Split.contentOf(instance, batch["error_file_id"])), {
      [refused]: "too_long"
    })
    const nobodys = world.storage.rows().filter(({ owner, state }) => owner.user === null && state === "ready")
    assert.deepStrictEqual(nobodys, [])
    assert.deepStrictEqual(problems(world), [])
    return batch
  })

  it.effect("are put together by one instance, however long it takes", () =>
    Effect.gen(function* () {
      const begun = yield* begin
      const { id, instance, world } = begun
      const latch = yield* Latch.make()
      instance.storage.interfere = ({ method }) => (method === "blob" ? { _tag: "Wait", latch } : undefined)
      const first = yield* Effect.forkChild(Split.retrieve(instance, id))
      yield* settle
      const other = yield* world.start()
      for (let minutes = 0; minutes < 12; minutes++) {
        yield* advance(60_000, 20_000)
        assert.strictEqual((yield* Split.retrieve(other, id))["status"], "finalizing")
      }
      assert.strictEqual(other.storage.calls.blob, 0)
      // Its caller has been told how things are.
      assert.isDefined(first.pollUnsafe())
      yield* latch.open
      yield* quiesce
      yield* checkFiles(begun, other)
    })
  )

  it.effect("stay as they are when somebody wakes up who was taken for dead", () =>
    Effect.gen(function* () {
      const begun = yield* begin
      const { id, instance, world } = begun
      const latch = yield* Latch.make()
      // Nothing of it is heard from the moment on at which it has all contents.
      instance.storage.interfere = SharedStorage.at(
        instance.storage.calls.blob + 4,
        {
          _tag: "RunBefore",
          effect: Effect.suspend(() => {
            instance.storage.interfere = () => ({ _tag: "Wait", latch })
            return latch.await
          })
        },
        "blob"
      )
      yield* Effect.forkChild(Split.retrieve(instance, id))
      yield* settle
      const other = yield* world.start()
      yield* advance(120_000, 7_500)
      const ended = yield* checkFiles(begun, other)
      instance.storage.interfere = () => undefined
      yield* latch.open
      yield* quiesce
      assert.deepStrictEqual(yield* checkFiles(begun, other), ended)
    })
  )

  // Putting them together makes some 60 calls to the storage.
  for (let call = 3; call <= 51; call += 8) {
    it.effect(`are put together by another when an instance dies around storage call ${call} of it`, () =>
      Effect.gen(function* () {
        const begun = yield* begin
        const { id, instance, world } = begun
        const die = Effect.sync(() => instance.kill())
        const interference = { _tag: call % 16 === 3 ? "RunAfter" : "RunBefore", effect: die } as const
        instance.storage.interfere = SharedStorage.at(callsOf(instance) + call, interference)
        yield* Effect.forkDetach(Split.retrieve(instance, id))
        yield* settle
        assert.isTrue(instance.storage.isDead())
        const successor = yield* world.start()
        yield* advance(75_000, 7_500)
        yield* checkFiles(begun, successor)
      })
    )
  }
})
