import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as JsonScan from "../src/JsonScan.ts"
import { decode, encode, found } from "./support/json.ts"

/** A document with its keys in order, of which several may be equal. */
type Doc =
  | { readonly kind: "object"; readonly entries: ReadonlyArray<readonly [string, Doc]> }
  | { readonly kind: "array"; readonly elements: ReadonlyArray<Doc> }
  | { readonly kind: "scalar"; readonly value: string | number | boolean | null }

const fromJson = (value: unknown): Doc => {
  if (Array.isArray(value)) return { kind: "array", elements: value.map(fromJson) }
  if (typeof value !== "object" || value === null) return { kind: "scalar", value: value as string }
  return { kind: "object", entries: Object.entries(value).map(([key, inner]) => [key, fromJson(inner)]) }
}

/** Writes a document with white space and escapes as `choose` has it. */
const write = (doc: Doc, choose: () => number): string => {
  const space = () => ["", "", "", " ", "\n", "\t\r\n  "][choose() % 6] ?? ""
  const string = (text: string) => `"${Array.from(text, (character) => spell(character, choose())).join("")}"`
  switch (doc.kind) {
    case "object": {
      const entry = ([key, value]: readonly [string, Doc]) =>
        `${space()}${string(key)}${space()}:${space()}${write(value, choose)}${space()}`
      return `{${doc.entries.map(entry).join() || space()}}`
    }
    case "array":
      return `[${doc.elements.map((element) => `${space()}${write(element, choose)}${space()}`).join() || space()}]`
    case "scalar":
      return typeof doc.value === "string" ? string(doc.value) : JSON.stringify(doc.value)
  }
}

const spell = (character: string, choice: number): string => {
  const escapes = Array.from({ length: character.length }, (_, i) => {
    const hex = character.charCodeAt(i).toString(16).padStart(4, "0")
    return `\\u${choice % 2 === 0 ? hex : hex.toUpperCase()}`
  }).join("")
  if (choice % 5 === 0) return escapes
  return character === "/" && choice % 3 === 0 ? "\\/" : JSON.stringify(character).slice(1, -1)
}

type Place = ReadonlyArray<string | number>

/** What a pattern means, in the plainest way. */
const describes = (segments: ReadonlyArray<string>, [step, ...place]: Place): boolean => {
  const [segment, ...rest] = segments
  if (segment === undefined) return step === undefined
  if (segment === "**") {
    return (
      describes(rest, step === undefined ? [] : [step, ...place]) || (step !== undefined && describes(segments, place))
    )
  }
  if (step === undefined || (typeof step === "number") !== (segment === "*")) return false
  return (segment === "*" || segment === step) && describes(rest, place)
}

const expected = (root: Doc, patterns: Readonly<Record<string, string>>) => {
  const matches: Array<{ readonly name: string; readonly path: string; readonly doc: Doc }> = []
  const visit = (doc: Doc, place: Place): void => {
    const path = place.map((step, i) => (typeof step === "number" ? `[${step}]` : i === 0 ? step : `.${step}`)).join("")
    for (const [name, pattern] of Object.entries(patterns)) {
      if (describes(pattern.split("."), place)) matches.push({ name, path, doc })
    }
    if (doc.kind === "object") for (const [key, value] of doc.entries) visit(value, [...place, key])
    if (doc.kind === "array") doc.elements.forEach((element, index) => visit(element, [...place, index]))
  }
  visit(root, [])
  return matches
}

const assertMatches = (doc: Doc, text: string, patterns: Readonly<Record<string, string>>) => {
  const bytes = encode(text)
  const matches = found(bytes, patterns)
  const order = (a: { name: string; path: string }, b: { name: string; path: string }) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : a.name < b.name ? -1 : a.name > b.name ? 1 : 0
  assert.deepStrictEqual(
    matches
      .map(({ name, path, kind, value, start, end }) => {
        const token = JSON.parse(decode(bytes.subarray(start, end)))
        if (kind !== "object" && kind !== "array") assert.deepStrictEqual(value, token)
        return { name, path, token }
      })
      .sort(order),
    expected(doc, patterns)
      .map(({ name, path, doc }) => ({ name, path, token: JSON.parse(write(doc, () => 1)) }))
      .sort(order)
  )
  matches.reduce((previous, { start }) => (assert.isAtLeast(start, previous), start), 0)
}

const keys = ["a", "b", "file_id", "é", "", "__proto__", "*", "**"]
const pattern = fc.array(fc.constantFrom(...keys), { minLength: 1, maxLength: 4 }).map((segments) => segments.join("."))
const patterns = fc.dictionary(fc.constantFrom("p", "q", "r", "__proto__"), pattern, {
  minKeys: 1,
  noNullPrototype: true
})

const { doc } = fc.letrec<{ doc: Doc; object: Doc; array: Doc; scalar: Doc }>((tie) => ({
  doc: fc.oneof({ depthSize: "medium", withCrossShrink: true }, tie("scalar"), tie("object"), tie("array")),
  object: fc.record({
    kind: fc.constant("object" as const),
    entries: fc.array(
      fc.tuple(
        fc.oneof(
          { weight: 4, arbitrary: fc.constantFrom(...keys) },
          { weight: 1, arbitrary: fc.string({ unit: "binary" }) }
        ),
        tie("doc")
      ),
      { maxLength: 5 }
    )
  }),
  array: fc.record({ kind: fc.constant("array" as const), elements: fc.array(tie("doc"), { maxLength: 5 }) }),
  scalar: fc.record({
    kind: fc.constant("scalar" as const),
    value: fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.string({ unit: fc.constantFrom("\\", '"', "x", "#", "]", "\ud800"), maxLength: 60 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.constantFrom(true, false, null)
    )
  })
}))

/** Endless choices that shrink to none at all. */
const chooser = fc.array(fc.nat({ max: 29 }), { maxLength: 40 }).map((choices) => () => {
  let i = 0
  return () => choices[i++ % choices.length] ?? 1
})

describe("any document", () => {
  it("has the matches that a plain walk finds, whatever its keys, escapes and white space", () => {
    fc.assert(
      fc.property(doc, patterns, chooser, (doc, patterns, choices) => {
        assertMatches(doc, write(doc, choices()), patterns)
      }),
      { numRuns: 1_000 }
    )
  })

  it("has the matches that a walk of JSON.parse's result finds", () => {
    fc.assert(
      fc.property(fc.jsonValue(), patterns, fc.constantFrom(0, 2), (value, patterns, indent) => {
        const text = JSON.stringify(value, null, indent)
        assertMatches(fromJson(JSON.parse(text)), text, patterns)
      }),
      { numRuns: 300 }
    )
  })

  it("is valid without regard to what its strings are made of", () => {
    const unit = fc.constantFrom("\\\\", '\\"', "\\n", "\\u0022", "x", "xxxxxxx", "]", "#", "é")
    const body = fc.array(unit, { maxLength: 40 }).map((units) => units.join(""))
    fc.assert(
      fc.property(body, body, (skipped, key) => {
        const text = `{"skipped":"${skipped}","${key}":{"":"${skipped}"},"it":1}`
        const its = found(encode(text), { it: "it" }).map((match) => match.value)
        assert.deepStrictEqual(its, [1])
      }),
      { numRuns: 1_000 }
    )
  })
})

/** A document with a few characters of it changed. */
const damaged = fc
  .tuple(
    doc,
    chooser,
    fc.array(
      fc.record({
        at: fc.nat(),
        remove: fc.nat({ max: 2 }),
        insert: fc.oneof(
          fc.constantFrom(...'"\\{}[]:,0123.-+eEtfnu \n\u0001\uFEFFé'),
          fc.constantFrom("true", "null", "\\u00", "1e5", "")
        )
      }),
      { maxLength: 3 }
    )
  )
  .map(([doc, choices, changes]) =>
    changes.reduce(
      (text, { at, remove, insert }) => {
        const start = at % (text.length + 1)
        return text.slice(0, start) + insert + text.slice(start + remove)
      },
      write(doc, choices())
    )
  )

const parses = (bytes: Uint8Array): boolean => {
  try {
    JSON.parse(decode(bytes))
    return true
  } catch {
    return false
  }
}

describe("any text", () => {
  const everything = JsonScan.compile({ all: "**" })
  const nothing = JsonScan.compile({})

  it("is malformed exactly when JSON.parse refuses it, if every string is wanted", () => {
    fc.assert(
      fc.property(damaged, (text) => {
        const bytes = encode(text)
        assert.strictEqual(JsonScan.scan(bytes, everything)._tag, parses(bytes) ? "Ok" : "Malformed")
      }),
      { numRuns: 3_000 }
    )
  })

  it("is malformed exactly when JSON.parse refuses it with empty strings, if no string is wanted", () => {
    fc.assert(
      fc.property(damaged, (text) => {
        const empty = encode(text.replace(/"(?:[^"\\]|\\[^])*"/g, '""'))
        assert.strictEqual(JsonScan.scan(encode(text), nothing)._tag, parses(empty) ? "Ok" : "Malformed")
      }),
      { numRuns: 3_000 }
    )
  })

  it("is malformed, if at all, at an offset within it", () => {
    fc.assert(
      fc.property(damaged, (text) => {
        const bytes = encode(text)
        const result = JsonScan.scan(bytes, everything)
        if (result._tag === "Ok") return
        assert.isAtMost(result.offset, bytes.length)
        if (result.reason === "unexpected end of input") assert.strictEqual(result.offset, bytes.length)
        // What is before the offset can still become a document, so a scan of it alone fails at its end.
        if (result.reason !== "unexpected character") return
        const before = JsonScan.scan(bytes.subarray(0, result.offset), everything)
        if (before._tag === "Malformed") assert.strictEqual(before.offset, result.offset)
      }),
      { numRuns: 1_000 }
    )
  })
})

describe("any bytes", () => {
  const everything = JsonScan.compile({ all: "**" })

  it("are scanned without a throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.strictEqual(JsonScan.scan(bytes, everything)._tag, parses(bytes) ? "Ok" : "Malformed")
      }),
      { numRuns: 1_000 }
    )
  })

  it("are malformed exactly when JSON.parse or UTF-8 refuses them, if every string is wanted", () => {
    fc.assert(
      fc.property(doc, chooser, fc.nat(), fc.nat({ max: 255 }), (doc, choices, at, byte) => {
        const bytes = encode(write(doc, choices()))
        bytes[at % bytes.length] = byte
        assert.strictEqual(JsonScan.scan(bytes, everything)._tag, parses(bytes) ? "Ok" : "Malformed")
      }),
      { numRuns: 2_000 }
    )
  })
})

describe("splice", () => {
  const edit = (start: number, end: number, value: string): JsonScan.Edit => ({ start, end, value })
  const spliced = (text: string, ...edits: ReadonlyArray<JsonScan.Edit>) => decode(JsonScan.splice(encode(text), edits))

  it("gives back the same array if there is nothing to do", () => {
    const bytes = encode("{}")
    assert.strictEqual(JsonScan.splice(bytes, []), bytes)
  })

  it("makes the same of pieces", () => {
    const bytes = encode('{"a": "b", "c": "d"}')
    const edits = [edit(16, 19, "longer"), edit(6, 9, "")]
    const pieces = JsonScan.splicePieces(bytes, edits)
    assert.strictEqual(pieces.map(decode).join(""), decode(JsonScan.splice(bytes, edits)))
    assert.strictEqual(pieces[0]?.buffer, bytes.buffer)
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
    assert.strictEqual(decode(JsonScan.splice(bytes, edits)), `["a","b"]`)
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
      fc.property(doc, chooser, fc.string({ unit: "binary" }), (doc, choices, added) => {
        const bytes = encode(write(doc, choices()))
        const edits = found(bytes, { file: "**.file_id" }).flatMap((match) =>
          match.kind === "string" ? [edit(match.start, match.end, added + match.value)] : []
        )
        const result = JsonScan.splice(bytes, edits.toReversed())
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
