/** An index lists each record where its newest entries say. */
import { assert } from "@effect/vitest"
import type { IndexEntry } from "@omnifile/core/RegistryBackend"
import * as Effect from "effect/Effect"
import { caseTimeout, fixture, listed, type It } from "./registryCases.ts"

const partitions = (it: It): void => {
  it.effect(
    "lists a record once, however many partitions have it",
    Effect.fnUntraced(function* () {
      const { backend, put, scan, scanKeys } = yield* fixture
      yield* backend.commit([
        put("a", 0, "1", listed(["p", "q", "r"], "1")),
        put("b", 0, "2", listed(["q"], "2")),
        put("c", 0, "3", listed(["r", "p"], "3")),
        put("d", 0, "4", listed(["s"], "4"))
      ])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["r", "q", "p"] }), ["a", "b", "c"])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["p", "p", "p"] }), ["a", "c"])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["p", "q"], limit: 2 }), ["a", "b"])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["p", "q"], order: "desc", limit: 2 }), ["c", "b"])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["none", "s"] }), ["d"])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["none"] }), [])
      assert.deepStrictEqual(yield* scanKeys({ partitions: [] }), [])
      assert.deepStrictEqual(yield* scan({ partitions: ["q", "r"], limit: 1 }), [
        { key: "a", version: 1, value: "1", sort: "1" }
      ])
    }),
    caseTimeout
  )

  it.effect(
    "merges hundreds of partitions",
    Effect.fnUntraced(function* () {
      const { backend, put, scanKeys } = yield* fixture
      const numbers = Array.from({ length: 600 }, (_, index) => String(index).padStart(3, "0"))
      yield* backend.commit(numbers.map((number) => put(number, 0, "0", listed([`p${number}`, "every"], number))))
      const all = [...numbers.map((number) => `p${number}`).toReversed(), "every"]
      assert.deepStrictEqual(yield* scanKeys({ partitions: all }), numbers)
      const after = { sort: "300", key: "300" }
      const expected = numbers.slice(200, 300).toReversed()
      assert.deepStrictEqual(yield* scanKeys({ partitions: all, order: "desc", after, limit: 100 }), expected)
    }),
    caseTimeout
  )

  it.effect(
    "takes partition, sort text and index as they are",
    Effect.fnUntraced(function* () {
      const { backend, put, scanKeys } = yield* fixture
      const long = "x".repeat(511)
      const texts = [
        "",
        "a",
        "A",
        "a ",
        " a",
        "ab",
        "a%",
        "%",
        "_",
        "a_",
        "'",
        '"',
        "\\",
        ";",
        "a?b",
        `${long}y`,
        `${long}z`
      ]
      const entries = (index: string, partition: string, sort: string): ReadonlyArray<IndexEntry> => [
        { index, partitions: [partition], sort }
      ]
      const changes = texts.flatMap((text, number) => [
        put(`partition-${number}`, 0, "0", entries("i", text, "bc")),
        put(`index-${number}`, 0, "0", entries(`i${text}`.slice(0, 512), `only-${number}`, "bc")),
        put(`sort-${number}`, 0, "0", entries("i", "sorts", text))
      ])
      yield* backend.commit(changes)
      for (const [number, text] of texts.entries()) {
        assert.deepStrictEqual(yield* scanKeys({ partitions: [text] }), [`partition-${number}`], text)
        assert.deepStrictEqual(
          yield* scanKeys({ index: `i${text}`.slice(0, 512), partitions: [`only-${number}`] }),
          [`index-${number}`],
          text
        )
        const page = { partitions: ["sorts"], after: { sort: text, key: "" }, until: text }
        assert.deepStrictEqual(yield* scanKeys(page), [`sort-${number}`], text)
      }
    }),
    caseTimeout
  )

  it.effect(
    "takes keys of 1 KiB in an index",
    Effect.fnUntraced(function* () {
      const { backend, put, scanKeys } = yield* fixture
      const text = (ending: string, length: number) =>
        Array.from({ length }, (_, index) => String.fromCharCode(33 + ((index * 7919) % 94)))
          .join("")
          .slice(0, -1) + ending
      const keys = ["a", "b"].map((ending) => text(ending, 1_024))
      yield* backend.commit(keys.map((key) => put(key, 0, "0", listed([text("p", 512)], text("s", 512)))))
      assert.deepStrictEqual(yield* scanKeys({ partitions: [text("p", 512)] }), keys)
    }),
    caseTimeout
  )
}

const entriesOfRecords = (it: It): void => {
  it.effect(
    "finds a record under its newest entries only",
    Effect.fnUntraced(function* () {
      const { backend, put, scan, scanKeys } = yield* fixture
      const both = (partition: string, sort: string, other: string): ReadonlyArray<IndexEntry> => [
        { index: "i", partitions: [partition, "all"], sort },
        { index: "j", partitions: ["all"], sort: other }
      ]
      yield* backend.commit([put("a", 0, "1", both("p", "1", "x"))])
      assert.deepStrictEqual(yield* scan({ partitions: ["p"] }), [{ key: "a", version: 1, value: "1", sort: "1" }])
      assert.deepStrictEqual(yield* scan({ index: "j", partitions: ["all"] }), [
        { key: "a", version: 1, value: "1", sort: "x" }
      ])
      yield* backend.commit([put("a", 1, "2", both("p", "1", "x"))])
      assert.deepStrictEqual(yield* scan({ partitions: ["p", "all"] }), [
        { key: "a", version: 2, value: "2", sort: "1" }
      ])
      yield* backend.commit([put("a", 2, "3", both("q", "2", "y"))])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["p"] }), [])
      assert.deepStrictEqual(yield* scan({ partitions: ["q", "all"] }), [
        { key: "a", version: 3, value: "3", sort: "2" }
      ])
      assert.deepStrictEqual(yield* scanKeys({ index: "j", partitions: ["all"], until: "x" }), [])
      yield* backend.commit([put("a", 3, "4", listed(["q"], "2"))])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["all"] }), [])
      assert.deepStrictEqual(yield* scanKeys({ index: "j", partitions: ["all"] }), [])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["q"] }), ["a"])
      yield* backend.commit([put("a", 4, "5")])
      assert.deepStrictEqual(yield* scanKeys({ partitions: ["q"] }), [])
    }),
    caseTimeout
  )
}

export const register = (it: It): void => {
  partitions(it)
  entriesOfRecords(it)
}
