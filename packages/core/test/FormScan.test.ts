import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as FormScan from "../src/FormScan.ts"
import { decode, encode } from "./support/json.ts"

const boundary = "xyzBoundary"
const all = (): boolean => true

const scan = (form: string, wants: (name: string) => boolean = all): FormScan.FormResult =>
  FormScan.scan(encode(form), boundary, wants)

const values = (form: string): ReadonlyArray<readonly [string, string]> => {
  const result = scan(form)
  if (result._tag === "Malformed") assert.fail(result.reason)
  return result.fields.map(({ name, value }) => [name, value])
}

const part = (head: string, value: string): string => `--${boundary}\r\n${head}\r\n\r\n${value}\r\n`
const field = (name: string, value: string): string => part(`Content-Disposition: form-data; name="${name}"`, value)
const end = `--${boundary}--\r\n`

describe("boundaryOf", () => {
  it("reads the boundary of a form, quoted or not", () => {
    assert.strictEqual(FormScan.boundaryOf("multipart/form-data; boundary=abc"), "abc")
    assert.strictEqual(FormScan.boundaryOf(`Multipart/Form-Data;charset=utf-8; boundary="a b\\"c"`), `a b"c`)
    assert.isUndefined(FormScan.boundaryOf("multipart/form-data"))
    assert.isUndefined(FormScan.boundaryOf("multipart/mixed; boundary=abc"))
    assert.isUndefined(FormScan.boundaryOf("application/json; boundary=abc"))
  })
})

describe("scan", () => {
  it("finds fields wherever they stand, and says where their values are", () => {
    const file = part(
      `Content-Disposition: form-data; name="file"; filename="model"\r\nContent-Type: audio/mpeg`,
      "\r\n--x"
    )
    const form = `preamble\r\n${file}${field("model", "whisper-1")}${field("image[file_id]", "file-é")}${end}epilogue`
    const result = scan(form)
    if (result._tag === "Malformed") assert.fail(result.reason)
    assert.deepStrictEqual(
      result.fields.map(({ end, start, ...rest }) => ({ ...rest, at: decode(encode(form).subarray(start, end)) })),
      [
        { name: "model", value: "whisper-1", at: "whisper-1" },
        { name: "image[file_id]", value: "file-é", at: "file-é" }
      ]
    )
  })

  it("leaves out what is not wanted, and files", () => {
    const form =
      field("model", "m") + field("other", "o") + part(`content-disposition: form-data; filename=a; name=b`, "c") + end
    const result = scan(form, (name) => name !== "other")
    assert.deepStrictEqual(result._tag === "Ok" && result.fields.map(({ name }) => name), ["model"])
  })

  it("takes values that are empty, long or look like the boundary", () => {
    const odd = `-${boundary}x\n--${boundary}\r\n-${boundary}`
    assert.deepStrictEqual(values(field("a", "") + field("b", odd) + end), [
      ["a", ""],
      ["b", odd]
    ])
    assert.strictEqual(scan(field("a", "a".repeat(100_000)) + end)._tag, "Malformed")
  })

  it("takes names with the ends of lines of other worlds", () => {
    assert.deepStrictEqual(values(field("a\u2028b", "1") + field("\u2029", "2") + end), [
      ["a\u2028b", "1"],
      ["\u2029", "2"]
    ])
  })

  it("refuses what is cut off, has no boundary, or parts without names", () => {
    for (const form of [
      "",
      "no form",
      field("model", "m"),
      field("model", "m").slice(0, -4),
      `--${boundary}\r\nContent-Disposition: form-data; name="model"`,
      part("content-type: text/plain", "m") + end,
      part("content-disposition: form-data", "m") + end,
      `--${boundary} x\r\n`
    ]) {
      assert.strictEqual(scan(form)._tag, "Malformed", form)
    }
  })

  it("finds the values of any form", () => {
    const value = fc.string({ unit: "grapheme" }).filter((text) => !text.includes(boundary))
    const name = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !/["\\\r\n]/.test(text))
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 5 }), (fields) => {
        assert.deepStrictEqual(values(fields.map(([name, value]) => field(name, value)).join("") + end), fields)
      })
    )
  })
})
