import { assert, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as BodyPieces from "../src/BodyPieces.ts"
import * as Bytes from "../src/Bytes.ts"
import type { StreamBody } from "../src/HttpTransport.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const content = (text: string) => ({
  bytes: Bytes.inSequence([Bytes.fromArray(encoder.encode(text))]),
  length: text.length
})

const textOf = async (body: StreamBody | undefined): Promise<string | undefined> =>
  body === undefined ? undefined : decoder.decode(await Bytes.collect(body.bytes))

const turned = (text: Uint8Array): Uint8Array => {
  const values: ReadonlyArray<unknown> = JSON.parse(decoder.decode(text))
  return encoder.encode(JSON.stringify(values.toReversed()))
}

/** An array of texts, with content after each but the last. */
const inPieces = (texts: ReadonlyArray<string>) =>
  texts.flatMap((text, index) => [
    encoder.encode(`${index === 0 ? "[" : '",'}${JSON.stringify(text)}${index === texts.length - 1 ? "]" : ',"'}`),
    ...(index === texts.length - 1 ? [] : [content(`C${index}`)])
  ])

const texts = fc.oneof(fc.string(), fc.constantFrom("content", "contentqq", "ü \u{1f600}", '"}],'))

it("content goes where its place in the text goes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(texts, { minLength: 1, maxLength: 5 }), async (others) => {
      const pieces = inPieces(["contentq0z", ...others])
      const before = JSON.parse((await textOf(BodyPieces.body(pieces))) ?? "")
      const body = BodyPieces.rewritten(pieces, turned)
      const text = await textOf(body)
      assert.deepStrictEqual(JSON.parse(text ?? ""), before.toReversed())
      assert.strictEqual(body?.length, encoder.encode(text).length)
    }),
    { numRuns: 40 }
  )
})

it("nothing is made of what loses content, has it twice or makes nothing of the text", () => {
  const pieces = inPieces(["a", "b"])
  const made = (write: (text: string) => string | undefined) =>
    BodyPieces.rewritten(pieces, (text) => {
      const result = write(decoder.decode(text))
      return result === undefined ? undefined : encoder.encode(result)
    })
  assert.isDefined(made((text) => text))
  assert.isUndefined(made(() => "[]"))
  assert.isUndefined(made((text) => text + text))
  assert.isUndefined(made(() => undefined))
})
