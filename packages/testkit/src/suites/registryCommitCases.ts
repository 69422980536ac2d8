/** Records are versioned, and commits apply as a whole or not at all. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertConflict, caseTimeout, fixture, listed, type It } from "./registryCases.ts"

const printableAscii = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join("")

const values: ReadonlyArray<readonly [string, string]> = [
  ["the shortest JSON", "0"],
  ["an empty string", '""'],
  ["characters of many alphabets", JSON.stringify({ name: "naïve 文件 📎 \u202e\ufeff ﷽", quotes: `'"\\\`$1?` })],
  ["escaped control characters and half a surrogate pair", JSON.stringify("\0\u0001\n\u007f\ud800")],
  ["white space at both ends", ' \n{ "a": 1 }\t '],
  ["1 MiB", JSON.stringify("x".repeat(1024 * 1024))]
]

const reading = (it: It): void => {
  it.effect.each(values)(
    "keeps values as they are: %s",
    ([, value]) =>
      Effect.gen(function* () {
        const { backend, put, read } = yield* fixture
        yield* backend.commit([put("a", 0, value)])
        assert.deepStrictEqual(yield* read("a"), [{ key: "a", version: 1, value }])
        yield* backend.commit([put("a", 1, `[${value}]`)])
        assert.deepStrictEqual(yield* read("a"), [{ key: "a", version: 2, value: `[${value}]` }])
      }),
    caseTimeout
  )

  it.effect(
    "reads in the order of the keys, undefined where there is no record",
    Effect.fnUntraced(function* () {
      const { backend, put, read } = yield* fixture
      yield* backend.commit(["a", "b", "c"].map((key) => put(key, 0, `"${key}"`)))
      const found = yield* read("c", "x", "a", "c", "", "b")
      assert.deepStrictEqual(
        found.map((record) => record?.key),
        ["c", undefined, "a", "c", undefined, "b"]
      )
      assert.deepStrictEqual(yield* read("x"), [undefined])
      assert.deepStrictEqual(yield* read(), [])
    }),
    caseTimeout
  )

  it.effect(
    "commits and reads a thousand records at once",
    Effect.fnUntraced(function* () {
      const { backend, put, read } = yield* fixture
      const keys = Array.from({ length: 1_000 }, (_, index) => `key-${index}`)
      yield* backend.commit(keys.map((key, index) => put(key, 0, String(index), listed(["p"], String(index)))))
      const found = yield* read(...keys)
      assert.deepStrictEqual(
        found,
        keys.map((key, index) => ({ key, version: 1, value: String(index) }))
      )
    }),
    caseTimeout
  )

  it.effect(
    "takes every printable ASCII character in keys, and keys of 8 KiB",
    Effect.fnUntraced(function* () {
      const { backend, put, read } = yield* fixture
      const long = printableAscii.repeat(90).slice(0, 8 * 1024 - 1)
      const keys = [
        ...printableAscii,
        printableAscii,
        " a",
        "a ",
        "A",
        "a",
        "aa",
        "a%",
        "a_",
        "--",
        `${long}x`,
        `${long}y`
      ]
      const distinct = [...new Set(keys)]
      for (const key of distinct) yield* backend.commit([put(key, 0, JSON.stringify(key))])
      const found = yield* read(...distinct)
      assert.deepStrictEqual(
        found,
        distinct.map((key) => ({ key, version: 1, value: JSON.stringify(key) }))
      )
    }),
    caseTimeout
  )

  it.effect(
    "keeps collections apart",
    Effect.fnUntraced(function* () {
      const [one, other] = [yield* fixture, yield* fixture]
      const entries = listed(["p"], "1")
      yield* one.backend.commit([one.put("a", 0, "1", entries), other.put("a", 0, "2", entries)])
      yield* one.backend.commit([one.put("a", 1, "3", entries)])
      assert.deepStrictEqual(yield* one.read("a"), [{ key: "a", version: 2, value: "3" }])
      assert.deepStrictEqual(yield* other.read("a"), [{ key: "a", version: 1, value: "2" }])
      yield* one.backend.commit([one.remove("a", 2)])
      assert.deepStrictEqual(yield* one.scanKeys({ partitions: ["p"] }), [])
      assert.deepStrictEqual(yield* other.scan({ partitions: ["p"] }), [
        { key: "a", version: 1, value: "2", sort: "1" }
      ])
    }),
    caseTimeout
  )
}

const expectations = (it: It): void => {
  it.effect(
    "refuses a change whose expectation does not hold",
    Effect.fnUntraced(function* () {
      const { backend, put, read, remove } = yield* fixture
      yield* backend.commit([put("a", 0, "1"), put("b", 0, "1")])
      yield* backend.commit([put("a", 1, "2")])
      const refused = [
        put("a", 0, "9"),
        put("a", 1, "9"),
        put("a", 3, "9"),
        remove("a", 0),
        remove("a", 1),
        remove("a", 3)
      ]
      for (const change of refused) yield* assertConflict(backend, [change], "a")
      for (const change of [put("x", 1, "9"), remove("x", 1)]) yield* assertConflict(backend, [change], "x")
      assert.deepStrictEqual(yield* read("a", "b", "x"), [
        { key: "a", version: 2, value: "2" },
        { key: "b", version: 1, value: "1" },
        undefined
      ])
    }),
    caseTimeout
  )

  it.effect(
    "removes a record, and lets its key begin again at version 1",
    Effect.fnUntraced(function* () {
      const { backend, put, read, remove, scanKeys } = yield* fixture
      yield* backend.commit([put("a", 0, "1", listed(["p"], "1"))])
      yield* backend.commit([put("a", 1, "2", listed(["p"], "1"))])
      yield* backend.commit([remove("a", 2)])
      assert.deepStrictEqual(yield* read("a"), [undefined])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["p"] }), [])
      yield* assertConflict(backend, [put("a", 2, "3")], "a")
      yield* backend.commit([put("a", 0, "3")])
      assert.deepStrictEqual(yield* read("a"), [{ key: "a", version: 1, value: "3" }])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["p"] }), [])
    }),
    caseTimeout
  )

  it.effect(
    "takes the removal of no record as the expectation that there is none",
    Effect.fnUntraced(function* () {
      const { backend, put, read, remove } = yield* fixture
      yield* backend.commit([remove("a", 0), put("b", 0, "1")])
      assert.deepStrictEqual(yield* read("a", "b"), [undefined, { key: "b", version: 1, value: "1" }])
      yield* assertConflict(backend, [put("c", 0, "1"), remove("b", 0)], "b")
      assert.deepStrictEqual(yield* read("c"), [undefined])
    }),
    caseTimeout
  )

  it.effect(
    "applies nothing of a commit of which one change does not hold",
    Effect.fnUntraced(function* () {
      const { backend, put, read, remove, scanKeys } = yield* fixture
      yield* backend.commit([
        put("replaced", 0, "1", listed(["p"], "1")),
        put("removed", 0, "1", listed(["p"], "2")),
        put("stale", 0, "1", listed(["p"], "3"))
      ])
      const sound = [
        put("new", 0, "2", listed(["p"], "0")),
        put("replaced", 1, "2", listed(["q"], "9")),
        remove("removed", 1)
      ]
      const stale = put("stale", 2, "2", listed(["q"], "1"))
      for (let position = 0; position <= sound.length; position++) {
        yield* assertConflict(backend, sound.toSpliced(position, 0, stale), "stale")
      }
      const unsound = [put("stale", 7, "2"), ...sound, put("gone", 1, "2")]
      yield* assertConflict(backend, unsound, "stale", "gone")
      assert.deepStrictEqual(yield* read("new", "replaced", "removed", "stale"), [
        undefined,
        { key: "replaced", version: 1, value: "1" },
        { key: "removed", version: 1, value: "1" },
        { key: "stale", version: 1, value: "1" }
      ])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["p", "q"] }), ["replaced", "removed", "stale"])
      yield* backend.commit(sound)
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["p", "q"] }), ["new", "stale", "replaced"])
    }),
    caseTimeout
  )

  it.effect(
    "takes a commit of no changes",
    Effect.fnUntraced(function* () {
      const { backend } = yield* fixture
      yield* backend.commit([])
    }),
    caseTimeout
  )
}

export const register = (it: It): void => {
  reading(it)
  expectations(it)
}
