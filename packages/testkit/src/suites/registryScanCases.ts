/** Pages of an index are in order, begin and end where they should, and follow on each other. */
import { assert } from "@effect/vitest"
import type { Position } from "@omnifile/core/RegistryBackend"
import * as Effect from "effect/Effect"
import { caseTimeout, fixture, listed, type Fixture, type It } from "./registryCases.ts"

/** In the order of their bytes, which is not that of any language. */
const orderedTexts = [
  "",
  " ",
  "!",
  "%",
  "'",
  "-",
  "0",
  "10",
  "9",
  "A",
  "B",
  "Z",
  "[",
  "\\",
  "_",
  "a",
  "a ",
  "aa",
  "b",
  "~"
]

const order = (it: It): void => {
  it.effect(
    "orders by the bytes of the sort text, both ways",
    Effect.fnUntraced(function* () {
      const { backend, put, scan } = yield* fixture
      const shuffled = orderedTexts.toSorted((a, b) => a.length - b.length || (a < b ? 1 : -1))
      for (const [index, sort] of shuffled.entries()) {
        yield* backend.commit([put(`key-${index}`, 0, "0", listed(["p"], sort))])
      }
      const ascending = yield* scan({ partitions: ["p"] })
      assert.deepStrictEqual(
        ascending.map(({ sort }) => sort),
        orderedTexts
      )
      const descending = yield* scan({ partitions: ["p"], order: "desc" })
      assert.deepStrictEqual(descending, ascending.toReversed())
    }),
    caseTimeout
  )

  it.effect(
    "orders records of one sort text by the bytes of their keys, both ways",
    Effect.fnUntraced(function* () {
      const { backend, put, scanKeys } = yield* fixture
      const keys = orderedTexts.filter((key) => key !== "")
      yield* backend.commit(keys.toReversed().map((key) => put(key, 0, "0", listed(["p", "q"], "same"))))
      for (const partitions of [["p"], ["q", "p"]]) {
        assert.deepStrictEqual(yield* scanKeys({ partitions }), keys)
        assert.deepStrictEqual(yield* scanKeys({ partitions, order: "desc" }), keys.toReversed())
      }
    }),
    caseTimeout
  )
}

const bounds = (it: It): void => {
  /** The records a1, a2, b1, ... d2: two of each sort text, in two partitions by turns. */
  const prepare = Effect.gen(function* () {
    const { backend, put, ...rest } = yield* fixture
    const places = ["a", "b", "c", "d"].flatMap((sort) => [1, 2].map((number) => ({ sort, key: `${sort}${number}` })))
    yield* backend.commit(
      places.map(({ key, sort }) => put(key, 0, "0", listed([key.endsWith("1") ? "p" : "q"], sort)))
    )
    return { backend, put, ...rest, keys: places.map(({ key }) => key) }
  })

  it.effect(
    "begins after a place, whether or not a record is there",
    Effect.fnUntraced(function* () {
      const { keys, scanKeys } = yield* prepare
      const cases: ReadonlyArray<readonly [Position, number]> = [
        [{ sort: "", key: "" }, 0],
        [{ sort: "a", key: "a0" }, 0],
        [{ sort: "a", key: "a1" }, 1],
        [{ sort: "a", key: "a15" }, 1],
        [{ sort: "a", key: "a2" }, 2],
        [{ sort: "a", key: "zz" }, 2],
        [{ sort: "ab", key: "" }, 2],
        [{ sort: "b", key: "" }, 2],
        [{ sort: "c", key: "c1" }, 5],
        [{ sort: "d", key: "d2" }, 8],
        [{ sort: "e", key: "a1" }, 8]
      ]
      for (const [after, before] of cases) {
        const name = JSON.stringify(after)
        assert.deepStrictEqual(yield* scanKeys({ partitions: ["p", "q"], after }), keys.slice(before), name)
        const ones = keys.slice(before).filter((key) => key.endsWith("1"))
        assert.deepStrictEqual(yield* scanKeys({ partitions: ["p"], after }), ones, name)
        const isThere = keys.includes(after.key) && after.sort === after.key.charAt(0)
        const expected = keys.slice(0, isThere ? before - 1 : before).toReversed()
        assert.deepStrictEqual(yield* scanKeys({ partitions: ["p", "q"], after, order: "desc" }), expected, name)
      }
    }),
    caseTimeout
  )

  it.effect(
    "ends with a sort text, that one included",
    Effect.fnUntraced(function* () {
      const { keys, scanKeys } = yield* prepare
      const partitions = ["p", "q"]
      for (const [until, count] of [
        ["", 0],
        ["a", 2],
        ["aa", 2],
        ["b", 4],
        ["d", 8],
        ["x", 8]
      ] as const) {
        assert.deepStrictEqual(yield* scanKeys({ partitions, until }), keys.slice(0, count), until)
        const exact = ["a", "b", "d"].includes(until)
        const expected = keys.slice(exact ? count - 2 : count).toReversed()
        assert.deepStrictEqual(yield* scanKeys({ partitions, until, order: "desc" }), expected, until)
      }
      const after = { sort: "a", key: "a1" }
      assert.deepStrictEqual(yield* scanKeys({ partitions, after, until: "b" }), ["a2", "b1", "b2"])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["p"], after, until: "b" }), ["b1"])
      assert.deepStrictEqual(yield* scanKeys({ partitions, after: { sort: "c", key: "c1" }, until: "b" }), [])
    }),
    caseTimeout
  )

  it.effect(
    "holds no more records than the limit",
    Effect.fnUntraced(function* () {
      const { keys, scanKeys } = yield* prepare
      for (const limit of [1, 3, 7, 8, 9, 10_000]) {
        assert.deepStrictEqual(yield* scanKeys({ partitions: ["p", "q"], limit }), keys.slice(0, limit))
        const after = { sort: "b", key: "b1" }
        assert.deepStrictEqual(yield* scanKeys({ partitions: ["q", "p"], after, limit }), keys.slice(3, 3 + limit))
      }
    }),
    caseTimeout
  )
}

const paging = (it: It): void => {
  /** All pages of partition `p`, with something done after each. */
  const readPages = Effect.fnUntraced(function* <E>(
    { scan }: Fixture,
    order: "asc" | "desc",
    between: (last: Position) => Effect.Effect<unknown, E>
  ) {
    const keys: Array<string> = []
    let after: Position | undefined
    for (;;) {
      const page = yield* scan({ partitions: ["p"], order, after, limit: 7 })
      keys.push(...page.map(({ key }) => key))
      after = page.at(-1)
      if (after === undefined) return keys
      yield* between(after)
    }
  })

  it.effect.each(["asc", "desc"] as const)(
    "pages through all records once while others come and go (%s)",
    (order) =>
      Effect.gen(function* () {
        const store = yield* fixture
        const { backend, put, remove } = store
        // Three records of each sort text, so that pages end in the middle of one.
        const keys = Array.from({ length: 100 }, (_, index) => `k${String(index).padStart(3, "0")}`)
        const sortOf = (index: number) => String(Math.floor(index / 3)).padStart(3, "0")
        yield* backend.commit(keys.map((key, index) => put(key, 0, "0", listed(["p", "q"], sortOf(index)))))
        const expected = order === "asc" ? keys : keys.toReversed()

        assert.deepStrictEqual(yield* readPages(store, order, () => Effect.void), expected)

        let inserted = 0
        const insertAround = ({ key, sort }: Position) =>
          backend.commit([
            put(`${key}-${inserted++}`, 0, "0", listed(["p"], sort)),
            put(`j-${inserted++}`, 0, "0", listed(["p"], sort)),
            put(`first-${inserted++}`, 0, "0", listed(["p"], "")),
            put(`last-${inserted++}`, 0, "0", listed(["p"], "~"))
          ])
        const seen = yield* readPages(store, order, (last) => (inserted < 80 ? insertAround(last) : Effect.void))
        assert.deepStrictEqual(
          seen.filter((key) => keys.includes(key)),
          expected
        )
        assert.strictEqual(new Set(seen).size, seen.length)

        const before = yield* readPages(store, order, () => Effect.void)
        const removed = yield* readPages(store, order, ({ key }) => backend.commit([remove(key, 1)]))
        assert.deepStrictEqual(removed, before)
      }),
    caseTimeout
  )
}

export const register = (it: It): void => {
  order(it)
  bounds(it)
  paging(it)
}
