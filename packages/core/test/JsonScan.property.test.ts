import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as JsonScan from "../src/JsonScan.ts"
import { decode, encode, found } from "./support/json.ts"
import { chooser, type Doc, doc, fromJson, keys, write } from "./support/jsonDocuments.ts"

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

const pattern = fc.array(fc.constantFrom(...keys), { minLength: 1, maxLength: 4 }).map((segments) => segments.join("."))
const patterns = fc.dictionary(fc.constantFrom("p", "q", "r", "__proto__"), pattern, {
  minKeys: 1,
  noNullPrototype: true
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
      { numRuns: 1_000 }
    )
  })

  it("is malformed exactly when JSON.parse refuses it with empty strings, if no string is wanted", () => {
    fc.assert(
      fc.property(damaged, (text) => {
        const empty = encode(text.replace(/"(?:[^"\\]|\\[^])*"/g, '""'))
        assert.strictEqual(JsonScan.scan(encode(text), nothing)._tag, parses(empty) ? "Ok" : "Malformed")
      }),
      { numRuns: 1_000 }
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
      { numRuns: 1_000 }
    )
  })
})
