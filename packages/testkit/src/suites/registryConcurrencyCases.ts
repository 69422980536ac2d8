/** Of commits that meet, one wins, and nobody sees half of one. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { caseTimeout, fixture, type It } from "./registryCases.ts"

export const register = (it: It): void => {
  it.effect.each([0, 1])(
    "lets one of many commits that expect version %s win",
    (expected) =>
      Effect.gen(function* () {
        const { backend, put, read } = yield* fixture
        if (expected === 1) yield* backend.commit([put("a", 0, '"first"')])
        const commits = Array.from({ length: 20 }, (_, index) => put("a", expected, String(index)))
        const results = yield* Effect.forEach(commits, (change) => Effect.result(backend.commit([change])), {
          concurrency: "unbounded"
        })
        const winners = commits.filter((_, index) => results[index]?._tag === "Success")
        const reasons = results.filter(Result.isFailure).map(({ failure }) => failure.reason._tag)
        assert.deepStrictEqual(
          reasons,
          Array.from({ length: 19 }, () => "Conflict" as const)
        )
        assert.deepStrictEqual(yield* read("a"), [
          { key: "a", version: expected + 1, value: winners[0]?.record?.value ?? "" }
        ])
      }),
    caseTimeout
  )

  it.effect(
    "loses no change of those that are tried again after a conflict",
    Effect.fnUntraced(function* () {
      const { backend, put, read } = yield* fixture
      yield* backend.commit([put("counter", 0, "0")])
      const increment = Effect.gen(function* () {
        const [counter] = yield* read("counter")
        if (counter === undefined) return yield* Effect.die(new Error("the counter is gone"))
        yield* backend.commit([put("counter", counter.version, String(Number(counter.value) + 1))])
      })
      const persistent = Effect.retry(increment, { while: ({ reason }) => reason._tag === "Conflict" })
      yield* Effect.all(
        Array.from({ length: 100 }, () => persistent),
        { concurrency: 10 }
      )
      assert.deepStrictEqual(yield* read("counter"), [{ key: "counter", version: 101, value: "100" }])
    }),
    caseTimeout
  )

  it.effect(
    "serves commits that name the same records in different orders",
    Effect.fnUntraced(function* () {
      const { backend, put, read } = yield* fixture
      yield* backend.commit([put("a", 0, "0"), put("b", 0, "0")])
      for (let version = 1; version <= 20; version++) {
        const [one, other] = [put("a", version, "1"), put("b", version, "1")]
        const results = yield* Effect.forEach(
          [
            [one, other],
            [other, one]
          ],
          (changes) => Effect.result(backend.commit(changes)),
          {
            concurrency: "unbounded"
          }
        )
        const reasons = results.filter(Result.isFailure).map(({ failure }) => failure.reason._tag)
        assert.deepStrictEqual(reasons, ["Conflict"])
      }
      assert.deepStrictEqual(
        (yield* read("a", "b")).map((record) => record?.version),
        [21, 21]
      )
    }),
    caseTimeout
  )

  it.effect(
    "shows a reader all of a commit or none of it",
    Effect.fnUntraced(function* () {
      const { backend, put, read } = yield* fixture
      const keys = Array.from({ length: 10 }, (_, index) => `key-${index}`)
      const commits = Array.from({ length: 30 }, (_, round) => keys.map((key) => put(key, round, String(round))))
      const writing = Effect.forEach(commits, (changes) => Effect.andThen(backend.commit(changes), Effect.yieldNow), {
        discard: true
      })
      const reading = Effect.gen(function* () {
        for (let round = 0; round < 30; round++) {
          const versions = (yield* read(...keys)).map((record) => record?.version)
          assert.strictEqual(new Set(versions).size, 1, versions.join())
          yield* Effect.yieldNow
        }
      })
      yield* Effect.all([writing, reading, reading], { concurrency: "unbounded" })
    }),
    caseTimeout
  )
}
