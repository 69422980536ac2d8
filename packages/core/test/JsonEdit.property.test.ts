import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Bytes from "../src/Bytes.ts"
import * as JsonEdit from "../src/JsonEdit.ts"
import { decode, encode, found } from "./support/json.ts"
import { chooser, type Doc, doc, write } from "./support/jsonDocuments.ts"

const joined = (pieces: ReadonlyArray<Uint8Array>): string => decode(Bytes.concat(pieces))

const cuts = fc.array(fc.nat(), { maxLength: 4 })

/** The bytes in chunks, some of which may be empty. */
const cut = (bytes: Uint8Array, cuts: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const places = cuts.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b)
  return [0, ...places].map((start, index) => bytes.subarray(start, places[index]))
}

describe("splice", () => {
  const edit = (start: number, end: number, value: string): JsonEdit.Edit => ({ start, end, value })
  const spliced = (text: string, ...edits: ReadonlyArray<JsonEdit.Edit>) =>
    joined(JsonEdit.splice([encode(text)], edits))

  it("gives back the same chunks if there is nothing to do", () => {
    const chunks = [encode("{}")]
    assert.strictEqual(JsonEdit.splice(chunks, []), chunks)
  })

  it("copies what is short into one piece, and nothing that is long", () => {
    const [before, after] = ["b".repeat(20_000), "a".repeat(20_000)]
    const bytes = encode(`["${before}", "x", "y", "${after}"]`)
    const start = before.length + 5
    const pieces = JsonEdit.splice([bytes], [edit(start, start + 3, "first"), edit(start + 5, start + 8, "second")])
    assert.strictEqual(joined(pieces), `["${before}", "first", "second", "${after}"]`)
    assert.deepStrictEqual(
      pieces.map(({ buffer }) => buffer === bytes.buffer),
      [true, false, true]
    )
    assert.lengthOf(JsonEdit.splice([encode('["x",'), encode('"y"]')], [edit(1, 4, "z")]), 1)
  })

  it("writes strings as JSON.stringify does, in place of longer and shorter tokens", () => {
    assert.strictEqual(
      spliced(`["a", "bc"]`, edit(1, 4, 'x"\n'), edit(6, 10, "é€😀\ud800")),
      `["x\\"\\n", "é€😀\\ud800"]`
    )
    assert.strictEqual(spliced(`"0123456789"`, edit(0, 12, "")), `""`)
  })

  it("takes edits in any order, and tokens that touch", () => {
    assert.strictEqual(spliced("1234", edit(3, 4, "d"), edit(0, 1, "a"), edit(1, 3, "bc")), `"a""bc""d"`)
  })

  it("leaves its arguments alone", () => {
    const bytes = encode("[1,2]")
    const edits = [edit(3, 4, "b"), edit(1, 2, "a")]
    assert.strictEqual(joined(JsonEdit.splice([bytes], edits)), `["a","b"]`)
    assert.strictEqual(decode(bytes), "[1,2]")
    assert.deepStrictEqual(edits, [edit(3, 4, "b"), edit(1, 2, "a")])
  })

  it("refuses edits that overlap or are out of bounds", () => {
    for (const edits of [
      [edit(0, 2, ""), edit(1, 3, "")],
      [edit(0, 2, ""), edit(0, 2, "")],
      [edit(-1, 1, "")],
      [edit(3, 5, "")],
      [edit(2, 1, "")],
      [edit(Number.NaN, 1, "")]
    ]) {
      assert.throws(() => spliced("1234", ...edits), RangeError)
    }
  })

  it("makes the document that has the new values, and changes no byte beside them", () => {
    const replace = (doc: Doc, by: (value: string) => string, key?: string): Doc => {
      if (doc.kind === "array") return { ...doc, elements: doc.elements.map((element) => replace(element, by)) }
      if (doc.kind === "object") {
        return { ...doc, entries: doc.entries.map(([key, value]) => [key, replace(value, by, key)] as const) }
      }
      return key === "file_id" && typeof doc.value === "string" ? { ...doc, value: by(doc.value) } : doc
    }
    fc.assert(
      fc.property(doc, chooser, fc.string({ unit: "binary" }), cuts, (doc, choices, added, cuts) => {
        const bytes = encode(write(doc, choices()))
        const edits = found(bytes, { file: "**.file_id" }).flatMap((match) =>
          match.kind === "string" ? [edit(match.start, match.end, added + match.value)] : []
        )
        const result = Bytes.concat(JsonEdit.splice(cut(bytes, cuts), edits.toReversed()))
        const after = replace(doc, (value) => added + value)
        assert.deepStrictEqual(JSON.parse(decode(result)), JSON.parse(write(after, () => 1)))

        let kept = 0
        const pieces = edits.flatMap(({ start, end, value }) => {
          const piece = [...bytes.subarray(kept, start), ...encode(JSON.stringify(value))]
          kept = end
          return piece
        })
        assert.deepStrictEqual([...result], [...pieces, ...bytes.subarray(kept)])
      }),
      { numRuns: 500 }
    )
  })
})
