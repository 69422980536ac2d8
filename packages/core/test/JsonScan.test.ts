import { assert, describe, it } from "@effect/vitest"
import * as JsonScan from "../src/JsonScan.ts"
import { decode, encode, found, scan } from "./support/json.ts"

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
