import { assert, describe, it } from "@effect/vitest"
import * as ContentType from "../src/ContentType.ts"

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))

const docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

describe("ContentType", () => {
  const detected: ReadonlyArray<
    readonly [why: string, declared: string | null, filename: string, head: string, type: string]
  > = [
    ["its first bytes, whatever its sender says", "text/plain", "a.txt", "%PDF-1.7", "application/pdf"],
    [
      "its first bytes, whatever kind of image it is said to be",
      "image/jpg",
      "a.jpg",
      "\u0089PNG\r\n\u001a\n",
      "image/png"
    ],
    ["what its sender says, as its first bytes do", "application/pdf; a=b", "a", "%PDF-1.7", "application/pdf; a=b"],
    ["what its sender says", "text/x-special", "a.pdf", "hello", "text/x-special"],
    ["what its sender says of a container", "image/heic", "a", "....ftypheic", "image/heic"],
    ["its name, where it is a container", null, "a.docx", "PK\u0003\u0004", docx],
    ["its first bytes, where nobody says what is in the container", null, "a", "PK\u0003\u0004", "application/zip"],
    ["what its sender says, with parameters", "text/plain; charset=utf-8", "a", "", "text/plain; charset=utf-8"],
    ["its name where its sender says nothing", null, "a.pdf", "", "application/pdf"],
    ["its name where its sender does not know", "application/octet-stream", "b.PNG", "", "image/png"],
    ["its name where its sender says nonsense", "not a type", "data.jsonl", "", "application/jsonl"],
    ["its last extension", null, "a.pdf.json", "", "application/json"],
    ["its first bytes where the name says nothing", null, "file", "%PDF-1.7", "application/pdf"],
    ["its first bytes, wherever they tell", null, "file", "RIFF....WEBPVP8", "image/webp"],
    ["its first bytes where the name is no use", null, "a.unknown-thing", "\u0089PNG\r\n\u001a\n", "image/png"],
    ["nothing", null, "file", "hello", "application/octet-stream"],
    ["nothing, being empty", null, "", "", "application/octet-stream"],
    ["nothing, being cut short", null, "file", "%PD", "application/octet-stream"],
    ["nothing, whatever objects have by nature", null, "constructor", "", "application/octet-stream"],
    ["nothing, whatever objects have by nature", null, "a.toString", "", "application/octet-stream"]
  ]
  for (const [why, declared, filename, head, type] of detected) {
    it(`is told from ${why}: ${JSON.stringify([declared, filename, head])}`, () => {
      assert.strictEqual(ContentType.detect(declared, filename, bytes(head)), type)
    })
  }

  it("is never taken from a sender who could add a header with it", () => {
    for (const given of ["text/plain\r\nx: y", "text/plain;\u0000", "text/", "/plain", "text plain", "", "é/x"]) {
      assert.isNull(ContentType.parse(given), given)
    }
    assert.isNull(ContentType.parse(null))
  })
})
