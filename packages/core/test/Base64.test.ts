import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Base64 from "../src/Base64.ts"
import * as Bytes from "../src/Bytes.ts"
import * as JsonEdit from "../src/JsonEdit.ts"
import * as Effect from "effect/Effect"
import { decode, encode } from "./support/FakeProvider.ts"

describe("Base64", () => {
  it("is the same however the content comes in chunks", () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 10 }), { maxLength: 20 }), async (chunks) => {
        const text = decode(await Bytes.collect(Base64.encode(Bytes.fromArray(...chunks))))
        const whole = Buffer.concat(chunks)
        assert.strictEqual(text, whole.toString("base64"))
        assert.strictEqual(text.length, Base64.lengthOf(whole.length))
      })
    ))

  it("comes in pieces however large the content is at once", async () => {
    const content = new Uint8Array(1_000_000).map((_, index) => (index * 31) % 256)
    const pieces: Array<Uint8Array> = []
    for await (const piece of Base64.encode(Bytes.fromArray(content))) pieces.push(piece)
    assert.isTrue(pieces.every(({ length }) => length <= 64 * 1024))
    assert.strictEqual(decode(Bytes.concat(pieces)), Buffer.from(content).toString("base64"))
  })
})

describe("compose", () => {
  it("puts content in its place, and knows its length", () => {
    const document = encode('{"a":{"id":1},"b":"x"}')
    const open = Effect.succeed(Bytes.fromArray(encode("CONTENT")))
    const pieces = JsonEdit.compose(
      [document.subarray(0, 7), document.subarray(7)],
      [
        { start: 18, end: 21, value: "y" },
        { start: 5, end: 13, value: '{"data":"', raw: true, content: { length: 7, open, after: '"}' } }
      ]
    )
    const text = pieces.map((piece) => (piece instanceof Uint8Array ? decode(piece) : "CONTENT")).join("")
    assert.strictEqual(text, '{"a":{"data":"CONTENT"},"b":"y"}')
    assert.strictEqual(
      pieces.reduce((sum, { length }) => sum + length, 0),
      text.length
    )
  })
})
