/**
 * An upload that does not run to its end: interrupted, failed by its storage, or cut off with the whole process,
 * at every single call that it makes. Nothing may be left of it, or all of it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { answer } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { advance, settle, until } from "./support/time.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import * as World from "./support/World.ts"

/** Runs until it says that there was no such call, at most 200 times. */
const forEveryCall = (attempt: (n: number) => Effect.Effect<boolean>) =>
  Effect.gen(function* () {
    let reached = 0
    while (yield* attempt(reached + 1)) {
      reached++
      assert.isBelow(reached, 200)
    }
    // Otherwise the test tests nothing.
    assert.isAtLeast(reached, 3)
  })

const inWorld = <A>(options: World.Options, use: (world: World.World) => Effect.Effect<A>) =>
  Effect.scoped(Effect.flatMap(World.make(options), use))

/** Nothing is left over; and what is there is there for its owner, whole. */
const assertAllOrNothing = Effect.fnUntraced(function* (world: World.World, instance: World.Instance, what: string) {
  assert.deepStrictEqual(problems(world), [], what)
  const { files } = yield* Effect.orDie(instance.list())
  const rows = world.storage.rows().filter(({ state }) => state === "ready")
  assert.deepStrictEqual(
    files.map(({ key }) => key),
    rows.map(({ key }) => key),
    what
  )
  for (const { id } of files) {
    assert.strictEqual(yield* Effect.orDie(instance.content(id ?? "")), "content", what)
  }
})

/** Begins an upload that takes its fiber along when it is told to. */
const begin = Effect.fnUntraced(function* (instance: World.Instance, upload: World.Upload = {}) {
  let interrupt = () => {}
  const fiber = yield* Effect.forkChild(Effect.exit(instance.upload(upload)))
  interrupt = () => fiber.interruptUnsafe()
  return { fiber, interrupt: Effect.sync(() => interrupt()) }
})

const requests: ReadonlyArray<readonly [name: string, upload: World.Upload]> = [
  ["an upload", {}],
  ["an upload under an idempotency key", { idempotencyKey: "once" }]
]

describe("an upload that is interrupted", () => {
  for (const [name, upload] of requests) {
    it.effect(`${name}, at any call to the storage`, () =>
      forEveryCall((n) =>
        inWorld({}, (world) =>
          Effect.gen(function* () {
            const instance = yield* Effect.orDie(world.start())
            const before = Object.values(instance.storage.calls).reduce((sum, count) => sum + count, 0)
            let reached = false
            const { fiber, interrupt } = yield* begin(instance, upload)
            instance.storage.interfere = SharedStorage.at(before + n, {
              _tag: n % 2 === 0 ? "RunBefore" : "RunAfter",
              effect: Effect.andThen(
                Effect.sync(() => void (reached = true)),
                interrupt
              )
            })
            yield* World.quiesce
            const exit = fiber.pollUnsafe()
            assert.isDefined(exit, `call ${n}`)
            yield* assertAllOrNothing(world, instance, `interrupted at call ${n}`)
            // All calls after the answer are those of background work.
            return reached && exit !== undefined && !(Exit.isSuccess(exit) && Exit.isSuccess(exit.value))
          })
        )
      )
    )
  }

  for (const when of ["before", "after"] as const) {
    it.effect(`right ${when} any call to a provider`, () =>
      forEveryCall((n) =>
        inWorld({}, (world) =>
          Effect.gen(function* () {
            const instance = yield* Effect.orDie(world.start())
            // One account fails in the end, so that copies are also deleted again.
            world.account("west").script("create", answer(503), answer(400))
            let reached = false
            const { interrupt } = yield* begin(instance)
            world.provider.around = {
              [when]: (count: number) =>
                count === n
                  ? Effect.andThen(
                      Effect.sync(() => void (reached = true)),
                      interrupt
                    )
                  : Effect.void
            }
            yield* World.quiesce
            yield* assertAllOrNothing(world, instance, `interrupted ${when} call ${n}`)
            return reached
          })
        )
      )
    )
  }

  it.effect("stops sending at once", () =>
    inWorld({}, (world) =>
      Effect.gen(function* () {
        const instance = yield* Effect.orDie(world.start())
        world.account("east").script("create", { _tag: "Hang", done: true })
        const { fiber, interrupt } = yield* begin(instance)
        yield* settle
        assert.strictEqual(world.account("east").active.get("create"), 1)
        yield* interrupt
        yield* settle
        assert.strictEqual(world.account("east").active.get("create"), 0)
        yield* World.quiesce
        assert.isDefined(fiber.pollUnsafe())
        assert.deepStrictEqual(world.provider.files(), [])
        yield* assertAllOrNothing(world, instance, "")
      })
    )
  )

  it.effect("before it has been received leaves nothing either", () =>
    inWorld({}, (world) =>
      Effect.gen(function* () {
        const instance = yield* Effect.orDie(world.start())
        const { fiber } = yield* begin(instance)
        yield* Fiber.interrupt(fiber)
        yield* World.quiesce
        assert.deepStrictEqual(world.storage.rows(), [])
        assert.deepStrictEqual(world.storage.blobKeys(), [])
      })
    )
  )
})

describe("an upload whose storage fails", () => {
  for (const [name, upload] of requests) {
    for (const method of ["commit", "blob", "read"] as const) {
      for (const _tag of ["Fail", "FailAfter"] as const) {
        it.effect(`${name}, at any ${method} ${_tag === "Fail" ? "before" : "after"} it is done`, () =>
          forEveryCall((n) =>
            inWorld({}, (world) =>
              Effect.gen(function* () {
                const instance = yield* Effect.orDie(world.start())
                const before = instance.storage.calls[method]
                const { fiber } = yield* begin(instance, upload)
                instance.storage.interfere = SharedStorage.at(before + n, { _tag }, method)
                yield* settle
                const reached = instance.storage.calls[method] - before >= n
                yield* World.quiesce
                instance.storage.interfere = () => undefined
                assert.isDefined(fiber.pollUnsafe())
                yield* assertAllOrNothing(world, instance, `failed at ${method} ${n}`)
                return reached
              })
            )
          )
        )
      }
    }
  }

  it.effect("is undone by its own instance, however eagerly others look after it", () =>
    inWorld({}, (world) =>
      Effect.gen(function* () {
        // This one comes first in every round, and sees an instance that lives.
        yield* world.start()
        const instance = yield* world.start()
        const before = instance.storage.calls.commit
        instance.storage.interfere = SharedStorage.at(before + 1, { _tag: "FailAfter" }, "commit")
        assert.strictEqual((yield* Effect.flip(instance.upload()))._tag, "StorageError")
        assert.strictEqual(world.storage.rows()[0]?.state, "receiving")
        yield* World.quiesce
        assert.deepStrictEqual(world.storage.rows(), [])
      }).pipe(Effect.orDie)
    )
  )

  it.effect("for as long as it lasts, and is undone when it is back", () =>
    forEveryCall((n) =>
      inWorld({}, (world) =>
        Effect.gen(function* () {
          const instance = yield* Effect.orDie(world.start())
          const before = instance.storage.calls.commit
          const { fiber } = yield* begin(instance)
          instance.storage.interfere = ({ method, ofMethod }) =>
            method === "commit" && ofMethod >= before + n ? { _tag: "Fail" } : undefined
          yield* advance(10_000, 1_000)
          const reached = fiber.pollUnsafe()?._tag === "Success" && instance.storage.calls.commit - before >= n
          const failed = world.storage.rows().every(({ state }) => state !== "ready")
          instance.storage.interfere = () => undefined
          yield* World.quiesce
          yield* assertAllOrNothing(world, instance, `down from commit ${n} on`)
          return reached && failed
        })
      )
    )
  )
})

describe("an upload whose process is killed", () => {
  /** Another instance, which is to have cleaned up within 15 seconds. */
  const recover = Effect.fnUntraced(function* (world: World.World, what: string) {
    const second = yield* Effect.orDie(world.start())
    yield* until(what, () => problems(world).length === 0, 15_000, 500)
    yield* assertAllOrNothing(world, second, what)
  })

  for (const [name, upload] of requests) {
    for (const when of ["RunBefore", "RunAfter"] as const) {
      it.effect(`${name}, at any call to the storage, ${when === "RunBefore" ? "before" : "after"} it is done`, () =>
        forEveryCall((n) =>
          inWorld({}, (world) =>
            Effect.gen(function* () {
              const first = yield* Effect.orDie(world.start())
              yield* advance(1_500)
              const before = Object.values(first.storage.calls).reduce((sum, count) => sum + count, 0)
              yield* Effect.forkDetach(Effect.exit(first.upload(upload)))
              first.storage.interfere = SharedStorage.at(before + n, { _tag: when, effect: Effect.sync(first.kill) })
              yield* settle
              if (!first.storage.isDead()) return false
              yield* recover(world, `killed at call ${n}`)
              return true
            })
          )
        )
      )
    }
  }

  for (const when of ["before", "after"] as const) {
    it.effect(`right ${when} any call to a provider`, () =>
      forEveryCall((n) =>
        inWorld({}, (world) =>
          Effect.gen(function* () {
            const first = yield* Effect.orDie(world.start())
            world.account("west").script("create", answer(503), answer(400))
            yield* Effect.forkDetach(Effect.exit(first.upload()))
            world.provider.around = {
              [when]: (count: number) => (count === n ? Effect.sync(first.kill) : Effect.void)
            }
            yield* advance(2_000)
            if (!first.storage.isDead()) return false
            world.provider.around = {}
            yield* recover(world, `killed ${when} call ${n}`)
            return true
          })
        )
      )
    )
  }

  it.effect("with several instances watching is undone by them together", () =>
    inWorld({}, (world) =>
      Effect.gen(function* () {
        const first = yield* Effect.orDie(world.start())
        const others = [yield* Effect.orDie(world.start()), yield* Effect.orDie(world.start())]
        world.account("east").script("create", { _tag: "Hang", done: true })
        yield* Effect.forkDetach(Effect.exit(first.upload()))
        yield* settle
        first.kill()
        yield* until("recovery", () => problems(world).length === 0, 15_000)
        assert.strictEqual(others.flatMap(({ logs }) => logs).filter(({ level }) => level === "Error").length, 0)
      })
    )
  )

  it.effect("is left alone while its instance lives, however long it takes", () =>
    inWorld({}, (world) =>
      Effect.gen(function* () {
        const first = yield* Effect.orDie(world.start())
        yield* Effect.orDie(world.start())
        world.account("east").script("create", { _tag: "Delay", millis: 120_000 })
        const { fiber } = yield* begin(first)
        yield* advance(121_000, 1_000)
        const exit = yield* Effect.flatten(Fiber.join(fiber))
        assert.strictEqual(exit.state, "ready")
        assert.deepStrictEqual(problems(world), [])
      }).pipe(Effect.orDie)
    )
  )

  it.effect("on a shared account: known copies are deleted, what may be somebody else's is reported and stays", () =>
    inWorld(
      {
        accounts: [
          { id: "east", exclusive: false },
          { id: "west", exclusive: false }
        ]
      },
      (world) =>
        Effect.gen(function* () {
          const first = yield* Effect.orDie(world.start())
          // West's copy is recorded, east's answer never comes.
          world.account("east").script("create", { _tag: "Hang", done: true })
          yield* Effect.forkDetach(Effect.exit(first.upload({ filename: "orphan.txt" })))
          yield* settle
          assert.strictEqual(world.provider.files().length, 2)
          first.kill()
          const second = yield* Effect.orDie(world.start())
          yield* until("the rows are gone", () => world.storage.rows().length === 0, 15_000)
          assert.deepStrictEqual(
            world.provider.files().map(({ account, filename }) => [account, filename]),
            [["east", "orphan.txt"]]
          )
          const reports = second.logs.filter(({ message }) => message.startsWith("Suspected orphan"))
          assert.strictEqual(reports.length, 1)
          assert.strictEqual(reports[0]?.level, "Warn")
          yield* World.quiesce
          assert.deepStrictEqual(world.storage.blobKeys(), [])
        })
    )
  )

  it.effect("an unknown copy is not confused with those of other files of the same name and size", () =>
    inWorld({}, (world) =>
      Effect.gen(function* () {
        const first = yield* Effect.orDie(world.start())
        const second = yield* Effect.orDie(world.start())
        const kept = yield* Effect.orDie(first.upload())
        world.account("east").script("create", { _tag: "Hang", done: true })
        yield* Effect.forkDetach(Effect.exit(first.upload()))
        yield* settle
        first.kill()
        yield* advance(9_000)
        // The same name and size again, on its way for as long as the other one is looked for.
        world.account("east").script("create", { _tag: "Delay", millis: 1 }, { _tag: "Hang", done: true })
        const also = yield* Effect.forkChild(Effect.orDie(second.upload()))
        yield* World.quiesce
        const ids = [kept, yield* Fiber.join(also)].flatMap(({ replicas }) => replicas.map(({ remoteId }) => remoteId))
        assert.sameMembers(
          world.provider.files().map(({ id }) => id),
          ids
        )
        assert.deepStrictEqual(problems(world), [])
      })
    )
  )

  for (const [by, settings] of [
    ["background work", {}],
    ["the next call", { maintenanceInterval: 3_600_000 }]
  ] as const) {
    it.effect(`a copy on demand that nobody finishes is taken over by ${by}, and what it left is looked for`, () =>
      inWorld({}, (world) =>
        Effect.gen(function* () {
          const first = yield* world.start()
          const file = yield* first.upload({ models: [] })
          world.account("east").script("create", { _tag: "Hang", done: true })
          const chat = { model: "east-only", files: [file.id ?? ""] }
          yield* Effect.forkDetach(Effect.exit(first.chat(chat)))
          yield* settle
          first.kill()
          const second = yield* world.start(settings)
          if (by === "background work") yield* advance(10_000)
          const waiting = yield* Effect.forkChild(second.chat(chat))
          yield* until("an answer", () => waiting.pollUnsafe() !== undefined, 15_000)
          yield* world.start()
          yield* World.quiesce
          assert.strictEqual(world.account("east").files.size, 1)
          assert.deepStrictEqual(problems(world), [])
        }).pipe(Effect.orDie)
      )
    )
  }

  it.effect("one that was taken for dead does not blame its storage for content that is gone", () =>
    inWorld({}, (world) =>
      Effect.gen(function* () {
        const first = yield* world.start()
        yield* world.start()
        world.account("east").script("create", answer(429, "later", { "retry-after": "25" }))
        const upload = yield* Effect.forkChild(Effect.result(first.upload()))
        yield* settle
        first.storage.interfere = ({ method }) => (method === "blob" ? undefined : { _tag: "Fail" })
        yield* advance(20_000, 1_000)
        assert.deepStrictEqual(world.storage.blobKeys(), [])
        first.storage.interfere = () => undefined
        yield* advance(10_000, 1_000)
        const outcome = yield* Fiber.join(upload)
        const error = Result.isFailure(outcome) ? outcome.failure : undefined
        assert.strictEqual(error?._tag === "StorageError" ? error.reason._tag : error?._tag, "Unavailable")
      }).pipe(Effect.orDie)
    )
  )

  it.effect("one that is not dead but was taken for dead does no harm", () =>
    inWorld({}, (world) =>
      Effect.gen(function* () {
        const first = yield* world.start()
        const second = yield* world.start()
        world.account("east").script("create", { _tag: "Delay", millis: 40_000 })
        const upload = yield* Effect.forkChild(Effect.result(first.upload()))
        yield* settle
        // It is cut off from its storage and cannot say that it lives.
        first.storage.interfere = () => ({ _tag: "Fail" })
        yield* advance(20_000, 1_000)
        assert.deepStrictEqual(world.storage.rows(), [])
        first.storage.interfere = () => undefined
        yield* advance(30_000, 1_000)
        const outcome = yield* Fiber.join(upload)
        // No provider is to blame.
        assert.strictEqual(Result.isFailure(outcome) ? outcome.failure._tag : "Success", "StorageError")
        yield* World.quiesce
        assert.deepStrictEqual(world.storage.rows(), [])
        assert.deepStrictEqual(problems(world), [])
        assert.deepStrictEqual((yield* second.list()).files, [])
      }).pipe(Effect.orDie)
    )
  )
})
