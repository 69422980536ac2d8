import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Bytes from "../src/Bytes.ts"
import * as MultipartBody from "../src/MultipartBody.ts"
import { decode, encode } from "./support/FakeProvider.ts"
import { parseForm } from "./support/multipart.ts"

const encodeForm = async (
  fields: ReadonlyArray<readonly [string, string]>,
  file: Partial<MultipartBody.MultipartFile> & { readonly content?: string }
) => {
  const content = encode(file.content ?? "content")
  const form = MultipartBody.encode(
    fields,
    {
      name: "file",
      filename: "a.txt",
      contentType: "text/plain",
      bytes: Bytes.fromArray(content),
      length: content.byteLength,
      ...file
    },
    "unforeseeable"
  )
  return { form, body: await Bytes.collect(form.body.bytes) }
}

describe("MultipartBody.encode", () => {
  it("has the length that it says", async () => {
    const text = fc.string({ unit: "grapheme", maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(text, text, text, async (value, filename, content) => {
        const { body, form } = await encodeForm([["purpose", value]], { filename, content })
        assert.strictEqual(body.byteLength, form.body.length)
      }),
      { seed: 6 }
    )
  })

  it("brings fields and content through unchanged", async () => {
    const value = fc.string({ unit: "grapheme", maxLength: 40 }).filter((text) => !text.includes("--omnifile"))
    await fc.assert(
      fc.asyncProperty(value, value, async (field, content) => {
        const { body, form } = await encodeForm([["purpose", field]], { content })
        const parsed = parseForm(form.contentType, body)
        assert.strictEqual(parsed.fields.get("purpose"), field)
        assert.strictEqual(decode(parsed.file.content), content)
      }),
      { seed: 7 }
    )
  })

  it("lets no filename add a header, a field or a parameter", async () => {
    const hostile = fc
      .array(fc.constantFrom('"', "\r", "\n", "\r\n", ";", "x: y", "name=", "--", "\\", "é", "a"), { maxLength: 12 })
      .map((parts) => parts.join(""))
    await fc.assert(
      fc.asyncProperty(hostile, async (filename) => {
        const { body } = await encodeForm([], { filename })
        const head = decode(body).split("\r\n\r\n")[0] ?? ""
        // The boundary, and the two headers of the file.
        assert.strictEqual(head.split(/\r\n|\r|\n/).length, 3)
        assert.strictEqual(head.split('"').length, 5)
      }),
      { seed: 8 }
    )
  })

  it("keeps a filename that needs no care as it is", async () => {
    for (const filename of ["report 2029.pdf", "naïve résumé.txt", "日本語.md", "a;b=c,d", "100%.txt"]) {
      const { body, form } = await encodeForm([], { filename })
      assert.strictEqual(parseForm(form.contentType, body).file.filename, filename)
    }
  })

  it("does not pass on a content type that could be more than one", async () => {
    for (const contentType of ["text/plain\r\nx-evil: 1", "text/plain\nx", "täxt/plain", ""]) {
      const { body, form } = await encodeForm([], { contentType })
      assert.strictEqual(parseForm(form.contentType, body).file.contentType, "application/octet-stream")
    }
  })
})
