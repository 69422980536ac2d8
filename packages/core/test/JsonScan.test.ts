import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as JsonScan from "../src/JsonScan.ts"

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)

const scan = (text: string, patterns: Readonly<Record<string, string>> = { all: "**" }) =>
  JsonScan.scan(encode(text), JsonScan.compile(patterns))

/** The matches in a document that has to be valid. */
const found = (bytes: Uint8Array, patterns: Readonly<Record<string, string>>) => {
  const result = JsonScan.scan(bytes, JsonScan.compile(patterns))
  if (result._tag === "Malformed") assert.fail(`${result.reason} at byte ${result.offset}: ${decode(bytes)}`)
  return result.matches
}

const values = (text: string, pattern: string) => found(encode(text), { it: pattern }).map((match) => match.value)
const pathsIn = (text: string, pattern: string) => found(encode(text), { it: pattern }).map((match) => match.path)

const assertMalformed = (
  text: string,
  offset: number,
  reason: JsonScan.Reason,
  patterns?: Readonly<Record<string, string>>
) => assert.deepStrictEqual(scan(text, patterns), { _tag: "Malformed", offset, reason }, text)

describe("matches", () => {
  const fileIds = { file: "messages.*.content.*.file.file_id", model: "model", stream: "stream" }

  it("says where a value is and what it is", () => {
    const text =
      `{"model":"gpt-4o","messages":[{"role":"system","content":"be brief"},` +
      `{"content":[{"type":"text","text":"\\"file_id\\""},{"file":{"file_id":"file-1"}}]}],"stream":true}`
    const match = (name: string, path: string, kind: string, value: unknown, token: string) => {
      const start = text.indexOf(token)
      return { name, path, start, end: start + token.length, kind, value }
    }
    assert.deepStrictEqual(found(encode(text), fileIds) as unknown, [
      match("model", "model", "string", "gpt-4o", `"gpt-4o"`),
      match("file", "messages[1].content[1].file.file_id", "string", "file-1", `"file-1"`),
      match("stream", "stream", "boolean", true, "true")
    ])
  })

  it("knows every kind of value", () => {
    const text = `{"a":[ "x" , -1.5e3, true, false, null, {"b":1}, [2] ]}`
    assert.deepStrictEqual(
      found(encode(text), { it: "a.*" }).map(({ kind, value, start, end }) => [kind, value, text.slice(start, end)]),
      [
        ["string", "x", `"x"`],
        ["number", -1500, "-1.5e3"],
        ["boolean", true, "true"],
        ["boolean", false, "false"],
        ["null", null, "null"],
        ["object", undefined, `{"b":1}`],
        ["array", undefined, "[2]"]
      ]
    )
  })

  it("takes a document of any kind", () => {
    for (const text of [`"x"`, " -0 ", "\ttrue\r\n", "null", "{}", "[ ]"]) {
      const [match, ...others] = found(encode(text), { document: "**" })
      assert.deepStrictEqual(others, [])
      assert.strictEqual(match?.path, "")
      assert.strictEqual(text.slice(match?.start, match?.end), text.trim())
    }
  })

  it("reports a container before what is in it, and what stands under several patterns once for each", () => {
    const text = `{"a":[{"b":1}]}`
    const all = found(encode(text), { list: "a", item: "a.*", same: "a.*", value: "a.*.b" })
    assert.deepStrictEqual(
      all.map(({ name, path, start, end }) => [name, path, text.slice(start, end)]),
      [
        ["list", "a", `[{"b":1}]`],
        ["item", "a[0]", `{"b":1}`],
        ["same", "a[0]", `{"b":1}`],
        ["value", "a[0].b", "1"]
      ]
    )
  })

  it("reports every one of several equal keys, on any level", () => {
    assert.deepStrictEqual(values(`{"a":{"b":1,"b":2},"a":{"b":3},"a":4}`, "a.b"), [1, 2, 3])
  })

  it("knows a key however it is spelled", () => {
    for (const key of ["file_id", "fi\\u006ce_id", "\\u0066\\u0069\\u006C\\u0065\\u005F\\u0069\\u0064"]) {
      assert.deepStrictEqual(values(`{"${key}":1}`, "file_id"), [1], key)
    }
    assert.deepStrictEqual(values(`{"caf\\u00e9":1,"café":2,"cafe":3}`, "café"), [1, 2])
    assert.deepStrictEqual(values(`{"a\\/b":1,"a/b":2,"a\\\\/b":3}`, "a/b"), [1, 2])
    assert.deepStrictEqual(values(`{"a\\"b":1,"a\\\\b":2}`, `a"b`), [1])
    assert.deepStrictEqual(values(`{"a\\"b":1,"a\\\\b":2}`, "a\\b"), [2])
  })

  it("does not take a longer, shorter or otherwise different key for a known one", () => {
    const keys = ["file_i", "file_idd", "File_id", "file_id ", "\uFEFFfile_id", "file_id\u0000", "file_id\uFEFF", ""]
    const text = `{${keys.map((key) => `${JSON.stringify(key)}:1`).join()}}`
    assert.deepStrictEqual(values(text, "file_id"), [])
  })

  it("treats the names of Object.prototype as any other key", () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"]
    for (const name of names) {
      assert.deepStrictEqual(values(`{"${name}":{"a":1}}`, `${name}.a`), [1])
      assert.deepStrictEqual(values(`{"${name}":{"a":1}}`, "b.a"), [])
    }
  })

  it("matches elements with * and keys by name only", () => {
    assert.deepStrictEqual(values(`{"a":[[1],{"*":2,"0":3}]}`, "a.*.*"), [1])
    assert.deepStrictEqual(values(`{"a":[[1],{"*":2,"0":3}]}`, "a.*.0"), [3])
    assert.deepStrictEqual(values(`[{"a":1}]`, "a"), [])
    assert.deepStrictEqual(values(`{"":{"":1}}`, "."), [1])
  })

  it("matches any depth with **", () => {
    const text = `{"id":0,"in":[{"id":1},[{"x y":{"id":2}}],{"id":{"id":3}}],"in":{"id":4}}`
    assert.deepStrictEqual(values(text, "in.**.id"), [1, 2, undefined, 3, 4])
    assert.deepStrictEqual(pathsIn(text, "in.**.id"), [
      "in[0].id",
      "in[1][0].x y.id",
      "in[2].id",
      "in[2].id.id",
      "in.id"
    ])
    assert.deepStrictEqual(values(text, "**.id"), [0, 1, 2, undefined, 3, 4])
    assert.deepStrictEqual(values(text, "in.**.*.id"), [1, undefined])
  })

  it("decodes strings", () => {
    const text = "short, long: " + "x".repeat(100)
    for (const value of [
      "",
      "a",
      text,
      `"\\/\b\f\n\r\t\u0001\u007f`,
      "é€😀\u2028",
      "\uFEFFa",
      "\ud800",
      "\udc00\ud800"
    ]) {
      assert.deepStrictEqual(values(JSON.stringify([value]), "*"), [value])
    }
    assert.deepStrictEqual(values(`["\\ud83d\\ude00\\/\\u00E9"]`, "*"), ["😀/é"])
  })

  it("reads bytes at any alignment", () => {
    const text = `{"long":"${"x".repeat(33)}\\"","id":"é"}`
    for (let offset = 0; offset < 9; offset++) {
      const memory = encode(`${'"'.repeat(offset)}${text}""`)
      const bytes = memory.subarray(offset, memory.length - 2)
      const [match] = found(bytes, { it: "id" })
      assert.strictEqual(match?.value, "é")
      assert.strictEqual(decode(bytes.subarray(match?.start, match?.end)), `"é"`)
    }
  })
})

describe("malformed documents", () => {
  it("are told from valid ones, with the offset of what is wrong", () => {
    const cases: ReadonlyArray<readonly [text: string, offset: number]> = [
      ["{a:1}", 1],
      ["{'a':1}", 1],
      [`{"a" 1}`, 5],
      [`{"a":}`, 5],
      [`{"a":1,}`, 7],
      [`{"a":1 "b":2}`, 7],
      [`{,}`, 1],
      [`{"a":1]`, 6],
      ["[1,]", 3],
      ["[,1]", 1],
      ["[1 2]", 3],
      ["[1}", 2],
      ["]", 0],
      ["1 2", 2],
      ["{}{}", 2],
      ["[]\u00a0", 2],
      ["[\f1]", 1],
      ["tru3", 3],
      ["nulll", 4],
      ["[False]", 1],
      ["01", 1],
      ["-a", 1],
      ["+1", 0],
      [".5", 0],
      ["1.a", 2],
      ["1.5.5", 3],
      ["1e+a", 3],
      ["0x10", 1],
      ["NaN", 0],
      ["/**/1", 0],
      ["\uFEFF{}", 0]
    ]
    for (const [text, offset] of cases) assertMalformed(text, offset, "unexpected character")
  })

  it("may just end too early", () => {
    const text = `{"a":[1.5e+1,"x\\"",true,{"b":null}]}`
    for (let length = 0; length < text.length; length++) {
      assertMalformed(text.slice(0, length), length, "unexpected end of input")
    }
    for (const part of [" ", "-", "1.", "1e", "1e-", `"`, `"a\\`, `"\\"`, "tru"]) {
      assertMalformed(part, part.length, "unexpected end of input")
    }
    assertMalformed(`"${"x".repeat(99)}\\"`, 102, "unexpected end of input")
  })

  it("are so for a string that is wanted and invalid", () => {
    for (const bad of ["\u0000", "\n", "\u001f", "\\x", "\\u12", "\\u12g4", "\\U0041"]) {
      assertMalformed(`{"b":1,"a":"-${bad}"}`, 11, "invalid string", { it: "a" })
    }
  })

  it("are so for a key that is invalid where a key is looked for", () => {
    for (const bad of ["\u0000", "\n", "\\x", "\\u12"]) {
      assertMalformed(`{"b":1,"a${bad}":1}`, 7, "invalid string", { it: "a" })
      assertMalformed(`{"b":1,"a${bad}":1,}`, 7, "invalid string", { it: "a" })
    }
  })

  it("are so for invalid UTF-8 in a string that is wanted", () => {
    for (const bad of [[0xff], [0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
      const bytes = Uint8Array.of(...encode(`{"a":"`), ...bad, ...encode(`"}`))
      const malformed = { _tag: "Malformed", offset: 5, reason: "invalid string" }
      assert.deepStrictEqual<unknown>(JsonScan.scan(bytes, JsonScan.compile({ it: "a" })), malformed)
      assert.deepStrictEqual(found(bytes, { it: "b" }), [])
    }
  })

  it("are not so for what is in a string that nobody wants", () => {
    assert.deepStrictEqual(values(`{"b":"\n\\x\\u12","c":{"\\x":1},"a":1}`, "a"), [1])
  })

  it("are those that nest too deeply, and no depth overflows the stack", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)
    for (const patterns of [{ it: "a" }, { it: "**" }]) {
      assert.strictEqual(scan(nested(JsonScan.maxDepth), patterns)._tag, "Ok")
      assertMalformed(nested(JsonScan.maxDepth + 1), JsonScan.maxDepth, "nested too deeply", patterns)
      assertMalformed("[".repeat(1_000_000), JsonScan.maxDepth, "nested too deeply", patterns)
      assertMalformed(`{"a":`.repeat(1_000_000), JsonScan.maxDepth * 5, "nested too deeply", patterns)
    }
  })
})

// Each of these would take minutes if the time grew with the square of the length.
describe("long documents", () => {
  const size = 1_000_000
  const units = ["\\\\", '\\"', '\\\\\\"', "\\n", "x", '","', '"],["', '","a":"', '"},{"a":"', '"  ,  "']
  for (const unit of units) {
    it(`take linear time if made of ${JSON.stringify(unit)}`, () => {
      const body = unit.repeat(size / unit.length)
      for (const pattern of ["b", "**.a"]) {
        const [open, close] = unit.includes(":") ? [`[{"a":"`, `"}]`] : [`[["`, `"]]`]
        assert.strictEqual(scan(`${open}${body}${close}`, { it: pattern })._tag, "Ok")
        assertMalformed(`${open}${body}`, open.length + body.length, "unexpected end of input", { it: pattern })
      }
    })
  }
})

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
        assert.deepStrictEqual(values(text, "it"), [1])
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
