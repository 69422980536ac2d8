/** Instances that die in the middle of an upload, and storage that fails there: all or nothing, and no litter. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { CallError } from "../src/CallError.ts"
import { problems } from "./support/invariants.ts"
import { at, type Interference } from "./support/SharedStorage.ts"
import { advance, settle } from "./support/time.ts"
import * as uploads from "./support/uploads.ts"
import * as World from "./support/World.ts"

/** Longer than an instance is believed to live, and time for what follows. */
const recovery = advance(9_000, 1_500)

/** An upload of two parts, and an instance that is to be disturbed from here on. */
const prepared = Effect.fnUntraced(function* () {
  const world = yield* World.make()
  const other = yield* world.start()
  const instance = yield* world.start()
  const { session } = yield* uploads.begin(other, 4, { models: ["east-only"] })
  const parts = [yield* uploads.add(other, session.id, "ab"), yield* uploads.add(other, session.id, "cd")]
  // The calls of its own loops have ended.
  yield* settle
  const { blob, commit, read, scan } = instance.storage.calls
  return { world, other, instance, id: session.id, parts, calls: blob + commit + read + scan }
})

type Prepared = Effect.Success<ReturnType<typeof prepared>>
type Use = (prepared: Prepared) => Effect.Effect<void, CallError>

/** How many calls of the storage it takes, of which each can be the last. */
const callsOf = Effect.fnUntraced(function* (use: Use) {
  const before = yield* prepared()
  yield* use(before)
  const { blob, commit, read, scan } = before.instance.storage.calls
  return blob + commit + read + scan - before.calls
})

/** What holds in the end: the upload can be completed, or is, and then there is one file with all of its content. */
const isWhole = Effect.fnUntraced(function* ({ id, other, parts, world }: Prepared) {
  const ready = world.storage.rows().filter(({ state }) => state === "ready")
  const { file } = yield* uploads.complete(other, id, parts)
  if (file === null || file.id === null) return assert.fail("there is no file")
  assert.strictEqual(yield* other.content(file.id), "abcd")
  if (ready.length > 0)
    assert.deepStrictEqual(
      ready.map(({ key }) => key),
      [file.key]
    )
  yield* recovery
  assert.deepStrictEqual(problems(world), [])
  assert.strictEqual(world.storage.count("upload_parts"), 0)
})

const completing: Use = ({ id, instance, parts }) => Effect.asVoid(uploads.complete(instance, id, parts))
const adding: Use = ({ id, instance }) => Effect.asVoid(uploads.add(instance, id, "unused"))

describe("an instance that dies", () => {
  for (const [what, use] of [
    ["while it completes an upload", completing],
    ["while it adds a part", adding]
  ] as const) {
    it.effect(`${what}, at any call of the storage`, () =>
      Effect.gen(function* () {
        const calls = yield* callsOf(use)
        assert.isAbove(calls, 3)
        for (let call = 1; call <= calls + 1; call++) {
          const before = yield* prepared()
          const { instance } = before
          instance.storage.interfere = at(before.calls + call, {
            _tag: "RunBefore",
            effect: Effect.sync(instance.kill)
          })
          // Nobody waits for what a dead process was at.
          yield* Effect.forkDetach(use(before))
          yield* recovery
          yield* isWhole(before)
        }
      })
    )
  }
})

describe("storage that fails", () => {
  const failures: ReadonlyArray<Interference> = [{ _tag: "Fail" }, { _tag: "FailAfter" }, { _tag: "Conflict" }]
  for (const [what, use] of [
    ["while an upload is completed", completing],
    ["while a part is added", adding]
  ] as const) {
    for (const failure of use === completing ? failures : failures.slice(1)) {
      it.effect(`${what}: ${failure._tag} of any call`, () =>
        Effect.gen(function* () {
          const calls = yield* callsOf(use)
          for (let call = 1; call <= calls; call++) {
            const before = yield* prepared()
            before.instance.storage.interfere = at(before.calls + call, failure)
            const outcome = yield* Effect.exit(use(before))
            yield* recovery
            if (use === completing && Exit.isSuccess(outcome)) {
              assert.lengthOf(
                before.world.storage.rows().filter(({ state }) => state === "ready"),
                1
              )
            }
            yield* isWhole(before)
          }
        })
      )
    }
  }
})

describe("a part that is added at the moment when its upload ends", () => {
  it.effect("is added or refused, and removed in any case", () =>
    Effect.gen(function* () {
      const calls = yield* callsOf(adding)
      for (let call = 1; call <= calls; call++) {
        for (const when of ["RunBefore", "RunAfter"] as const) {
          const before = yield* prepared()
          const { id, instance, other, world } = before
          const effect = Effect.ignore(Effect.andThen(uploads.cancel(other, id), uploads.tidy(other)))
          instance.storage.interfere = at(before.calls + call, { _tag: when, effect })
          yield* Effect.exit(adding(before))
          yield* recovery
          assert.strictEqual(world.storage.count("upload_parts"), 0)
          assert.deepStrictEqual(world.storage.blobKeys(), [])
        }
      }
    })
  )
})
