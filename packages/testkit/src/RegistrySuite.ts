/**
 * The promises of `@omnifile/core/RegistryBackend`, as tests. Call a suite in a test file of the backend:
 *
 * ```ts
 * RegistrySuite.suite("sqlite", SqliteRegistry.layer({ filename }))
 * ```
 *
 * A backend passes the whole of it; nothing can be switched off. The cases use collections of their own, and
 * leave records in them: give them a database that can be thrown away.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { RegistryBackend } from "@omnifile/core/RegistryBackend"
import type { StorageError } from "@omnifile/core/StorageError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { assertConflict, caseTimeout, fixture, listed, makeFixture, type Fixture } from "./suites/registryCases.ts"
import * as registryCommitCases from "./suites/registryCommitCases.ts"
import * as registryConcurrencyCases from "./suites/registryConcurrencyCases.ts"
import * as registryIndexCases from "./suites/registryIndexCases.ts"
import * as registryModelCases from "./suites/registryModelCases.ts"
import * as registryScanCases from "./suites/registryScanCases.ts"

/** What every backend promises. */
export const suite = <E>(name: string, backend: Layer.Layer<RegistryBackend, E>): void => {
  layer(backend, { timeout: caseTimeout, excludeTestServices: true })(`RegistryBackend (${name})`, (it) => {
    registryCommitCases.register(it)
    registryConcurrencyCases.register(it)
    registryScanCases.register(it)
    registryIndexCases.register(it)
    registryModelCases.register(it)

    it.effect("says what others may have changed", () =>
      Effect.gen(function* () {
        const { backend, put, read } = yield* fixture
        yield* backend.commit([put("a", 0, "1")])
        const { _tag } = yield* backend.drainInvalidations
        assert.include(["Nothing", "Keys", "Everything"], _tag)
        assert.strictEqual((yield* read("a"))[0]?.version, 1)
      })
    )
  })
}

/** A backend that is open until the scope closes. */
const openBackend = <E>(open: () => Layer.Layer<RegistryBackend, E>) =>
  Effect.map(Layer.build(Layer.fresh(open())), (context) => Context.get(context, RegistryBackend))

/** What a backend promises besides whose records outlive it. Each call of `open` opens the same records. */
export const reopenSuite = <E>(name: string, open: () => Layer.Layer<RegistryBackend, E>): void => {
  describe(`RegistryBackend (${name}), opened again`, () => {
    it.live(
      "has kept records, their versions and their index entries",
      Effect.fnUntraced(function* () {
        const collection = `suite-${randomUUID()}`
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { backend, put, remove } = makeFixture(yield* openBackend(open), collection)
            yield* backend.commit([put("a", 0, "1", listed(["p"], "1")), put("b", 0, "1", listed(["p"], "2"))])
            yield* backend.commit([put("a", 1, "2", listed(["p"], "3")), put("c", 0, "1", listed(["p"], "4"))])
            yield* backend.commit([remove("c", 1)])
            yield* assertConflict(backend, [put("d", 0, "1"), put("a", 1, "9")], "a")
          })
        )
        const { backend, put, read, scan } = makeFixture(yield* openBackend(open), collection)
        assert.deepStrictEqual(yield* read("a", "b", "c", "d"), [
          { key: "a", version: 2, value: "2" },
          { key: "b", version: 1, value: "1" },
          undefined,
          undefined
        ])
        assert.deepStrictEqual(yield* scan({ partitions: ["p"] }), [
          { key: "b", version: 1, value: "1", sort: "2" },
          { key: "a", version: 2, value: "2", sort: "3" }
        ])
        yield* assertConflict(backend, [put("a", 1, "9")], "a")
      }),
      caseTimeout
    )

    it.live(
      "is unavailable after it was closed",
      Effect.fnUntraced(function* () {
        const scope = yield* Scope.make()
        const { backend, put, read, scan } = makeFixture(yield* Scope.provide(openBackend(open), scope))
        yield* backend.commit([put("a", 0, "1", listed(["p"], "1"))])
        yield* Scope.close(scope, Exit.void)
        const uses: Record<string, Effect.Effect<unknown, StorageError>> = {
          read: read("a"),
          commit: backend.commit([put("a", 1, "2")]),
          scan: scan({ partitions: ["p"] })
        }
        for (const [method, use] of Object.entries(uses)) {
          assert.strictEqual((yield* Effect.flip(use)).reason._tag, "Unavailable", method)
        }
      }),
      caseTimeout
    )
  })
}

/** What a backend promises besides that several processes use at once. Each call of `open` opens the same records. */
export const sharedSuite = <E>(name: string, open: () => Layer.Layer<RegistryBackend, E>): void => {
  const openTwice = Effect.gen(function* () {
    const collection = `suite-${randomUUID()}`
    const [one, other] = [yield* openBackend(open), yield* openBackend(open)]
    return [makeFixture(one, collection), makeFixture(other, collection)] as const
  })

  /** Waits until the backend reports a change of the key, as it may do late. */
  const untilInvalidated = ({ backend, collection }: Fixture, key: string) =>
    backend.drainInvalidations.pipe(
      Effect.repeat({
        schedule: Schedule.spaced("5 millis"),
        until: (invalidation) =>
          invalidation._tag === "Everything" ||
          (invalidation._tag === "Keys" &&
            invalidation.keys.some((changed) => changed.collection === collection && changed.key === key))
      })
    )

  describe(`RegistryBackend (${name}), opened twice`, () => {
    it.live(
      "shows commits to both",
      Effect.fnUntraced(function* () {
        const [one, other] = yield* openTwice
        assert.deepStrictEqual(yield* other.read("a"), [undefined])
        yield* one.backend.commit([one.put("a", 0, "1", listed(["p"], "1"))])
        assert.deepStrictEqual(yield* other.read("a"), [{ key: "a", version: 1, value: "1" }])
        assert.deepStrictEqual(yield* other.scanKeys({ partitions: ["p"] }), ["a"])
        yield* assertConflict(other.backend, [other.put("a", 0, "2")], "a")
        yield* other.backend.commit([other.put("a", 1, "2")])
        assert.deepStrictEqual(yield* one.read("a"), [{ key: "a", version: 2, value: "2" }])
        yield* one.backend.commit([one.remove("a", 2)])
        assert.deepStrictEqual(yield* other.read("a"), [undefined])
      }),
      caseTimeout
    )

    it.live(
      "reports to each what the other has changed",
      Effect.fnUntraced(function* () {
        const [one, other] = yield* openTwice
        for (const [writer, reader] of [
          [one, other],
          [other, one]
        ] as const) {
          const key = `from-${writer === one ? "one" : "other"}`
          yield* writer.backend.commit([writer.put(key, 0, "1")])
          yield* untilInvalidated(reader, key)
          yield* writer.backend.commit([writer.put(key, 1, "2")])
          yield* untilInvalidated(reader, key)
          yield* writer.backend.commit([writer.remove(key, 2)])
          yield* untilInvalidated(reader, key)
        }
      }),
      caseTimeout
    )

    it.live(
      "loses no change of either",
      Effect.fnUntraced(function* () {
        const handles = yield* openTwice
        yield* handles[0].backend.commit([handles[0].put("counter", 0, "0")])
        const increment = ({ backend, put, read }: Fixture) =>
          Effect.gen(function* () {
            const [counter] = yield* read("counter")
            if (counter === undefined) return yield* Effect.die(new Error("the counter is gone"))
            yield* backend.commit([put("counter", counter.version, String(Number(counter.value) + 1))])
          }).pipe(Effect.retry({ while: ({ reason }) => reason._tag === "Conflict" }))
        yield* Effect.forEach(
          handles,
          (handle) => Effect.forEach(Array.from({ length: 50 }), () => increment(handle), { discard: true }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(yield* handles[1].read("counter"), [{ key: "counter", version: 101, value: "100" }])
      }),
      caseTimeout
    )
  })
}
