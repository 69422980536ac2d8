import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as BatchLines from "../src/BatchLines.ts"
import * as BatchReading from "../src/BatchReading.ts"
import * as BatchVariant from "../src/BatchVariant.ts"
import * as Bytes from "../src/Bytes.ts"
import * as LineReader from "../src/LineReader.ts"
import { Sha256, layerPortable } from "../src/Sha256.ts"
import { decode, encode } from "./support/FakeProvider.ts"
import { row } from "./support/rows.ts"

/** The same content in pieces of these sizes, over and over. */
const inPieces = (text: string, sizes: ReadonlyArray<number>): Bytes.Bytes => {
  const bytes = encode(text)
  const chunks: Array<Uint8Array> = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return Bytes.fromArray(...chunks)
}

const sizes = fc
  .array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 5 })
  .filter((all) => all.some((n) => n > 0))

const linesOf = async (text: string, pieces: ReadonlyArray<number>): Promise<ReadonlyArray<string>> => {
  const lines: Array<string> = []
  for await (const { bytes, terminated } of LineReader.read(inPieces(text, pieces), 1_000_000)) {
    lines.push(decode(bytes) + (terminated ? "\n" : ""))
  }
  return lines
}

describe("LineReader", () => {
  it("cuts at line feeds and nowhere else, however the content comes", () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom("a", "\n", "\r", "é", "{}", "\n\n")), sizes, async (parts, pieces) => {
        const text = parts.join("")
        const lines = await linesOf(text, pieces)
        assert.strictEqual(lines.join(""), text)
        assert.deepStrictEqual(lines, text.match(/[^\n]*\n|[^\n]+$/g) ?? [])
      })
    ))

  it("stops at a line that is too long, before it is whole", async () => {
    let taken = 0
    const endless: Bytes.Bytes = {
      async *[Symbol.asyncIterator]() {
        yield encode("short\n")
        for (;;) yield encode("x".repeat(++taken))
      }
    }
    const read = async (): Promise<number> => {
      let seen = 0
      for await (const { number } of LineReader.read(endless, 100)) seen = number
      return seen
    }
    const error = await read().catch((cause: unknown) => cause)
    assert(error instanceof LineReader.LineTooLong)
    assert.strictEqual(error.line, 2)
    assert.isBelow(taken, 20)
  })
})

const name = fc.constantFrom("m", "model-é", 'quo"te', "\u2028", "file-1", "file-2", "a\\b")

const request = fc.record({
  custom_id: fc.string({ minLength: 1 }),
  method: fc.constant("POST"),
  url: fc.constant("/v1/chat/completions"),
  body: fc.record({
    model: name,
    messages: fc.array(
      fc.record({
        role: fc.constant("user"),
        content: fc.oneof(
          fc.string(),
          fc.array(
            fc.oneof(
              fc.record({ type: fc.constant("file"), file: fc.record({ file_id: name }) }),
              fc.record({ type: fc.constant("text"), text: name, file_id: name })
            )
          )
        )
      })
    ),
    metadata: fc.record({ model: name, file_id: name })
  })
})

type Request = typeof request extends fc.Arbitrary<infer R> ? R : never

/** What a rewriting is to make of a request, by way of parse and stringify. */
const rewritten = ({ body, ...rest }: Request, model: string, files: ReadonlyMap<string, string>): unknown => ({
  ...rest,
  body: {
    ...body,
    model,
    messages: body.messages.map(({ content, ...message }) => ({
      ...message,
      content:
        typeof content === "string"
          ? content
          : content.map((part) =>
              "file" in part ? { ...part, file: { file_id: files.get(part.file.file_id) ?? part.file.file_id } } : part
            )
    }))
  }
})

describe("BatchVariant", () => {
  it.effect("has each line as parse and stringify would write it, and exactly the bytes that it promised", () =>
    Effect.gen(function* () {
      const sha256 = yield* Sha256
      const files = new Map([
        ["file-1", "file-provider-1"],
        ['quo"te', "é"]
      ])
      const options = { allowProviderIds: false, sha256 }
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.uniqueArray(request, { selector: ({ custom_id }) => custom_id, minLength: 1, maxLength: 6 }),
            fc.constantFrom("\n", "\r\n", "\n \n", "\n\n"),
            fc.boolean(),
            name,
            sizes,
            async (requests, separator, ends, model, pieces) => {
              const texts = requests.map((one) => JSON.stringify(one))
              const text = texts.join(separator) + (ends ? separator : "")
              const file = row("a", { bytes: encode(text).byteLength })
              const open = Effect.sync(() => inPieces(text, pieces))
              const summary = await Effect.runPromise(
                Effect.flatMap(open, (bytes) => BatchReading.summarise(bytes, options))
              )
              assert.strictEqual(summary.requests, requests.length)
              const rewriting = { model, files, allowProviderIds: false }
              const source = BatchVariant.source(file, summary, rewriting, sha256, open)
              const bytes = await Effect.runPromise(
                Effect.scoped(Effect.flatMap(source.open, (content) => Effect.promise(() => Bytes.collect(content))))
              )
              const expected = requests.map((one) => JSON.stringify(rewritten(one, model, files)))
              assert.strictEqual(decode(bytes), expected.join(separator) + (ends ? separator : ""))
              assert.strictEqual(bytes.byteLength, source.length)
            }
          ),
          { numRuns: 150 }
        )
      )
    }).pipe(Effect.provide(layerPortable))
  )
})

const good = {
  custom_id: "1",
  method: "POST",
  url: "/v1/responses",
  body: { model: "m", input: [{ content: [{ type: "input_file", file_id: "f" }] }] as unknown }
}

describe("BatchLines", () => {
  const parse = (line: unknown, allow = false) => BatchLines.parse(encode(JSON.stringify(line)), allow)
  const body = (more: object) => ({ ...good, body: { ...good.body, ...more } })

  it("finds the files of a response, however deep, but not those of an answer that is fed back", () => {
    const input = [
      { content: [{ file_id: "a" }, { deep: [{ file_id: "b" }] }] },
      { content: [{ annotations: [{ file_id: "fed back" }] }] }
    ]
    const tools = [{ type: "code_interpreter", container: { type: "auto", file_ids: ["c"] } }]
    const line = Result.getOrThrow(parse(body({ input, tools, metadata: { file_id: "no" } })))
    assert.deepStrictEqual(
      line.files.map(({ value }) => value),
      ["a", "b", "c"]
    )
  })

  for (const more of [
    { previous_response_id: "resp_1" },
    { conversation: "conv_1" },
    { conversation: { id: "conv_1" } },
    { tools: [{ container: "cntr_1" }] },
    { tools: [{ environment: { container_id: "cntr_1" } }] },
    { tools: [{ vector_store_ids: ["vs_1"] }] }
  ]) {
    it(`refuses ${JSON.stringify(more)}, which knows no owner`, () => {
      assert.isTrue(Result.isFailure(parse(body(more))))
      assert.isTrue(Result.isSuccess(parse(body(more), true)))
    })
  }

  it("finds the files of what is edited, and none where a call has no place for them", () => {
    const edit = { model: "m", image: { file_id: "a" }, images: [{ file_id: "b" }], mask: { file_id: "c" } }
    const filesAt = (url: string) =>
      Result.getOrThrow(parse({ ...good, url, body: edit })).files.map(({ value }) => value)
    assert.deepStrictEqual(filesAt("/v1/images/edits"), ["a", "b", "c"])
    assert.deepStrictEqual(filesAt("/v1/embeddings"), [])
  })

  it("refuses a key that stands twice, of which a provider may believe the other", () => {
    const text = JSON.stringify(good)
    for (const twice of ['"url":"/v1/embeddings",', '"method":"GET",', '"custom_id":"2",', '"body":{},']) {
      assert.isTrue(Result.isFailure(BatchLines.parse(encode(`{${twice}${text.slice(1)}`), false)), twice)
    }
  })
})

describe("BatchReading", () => {
  const read = (content: Bytes.Bytes) =>
    Effect.flatMap(Sha256, (sha256) => BatchReading.summarise(content, { allowProviderIds: false, sha256 })).pipe(
      Effect.provide(layerPortable)
    )

  it.effect("takes 50,000 requests and no more", () =>
    Effect.gen(function* () {
      const lines = (count: number): Bytes.Bytes => ({
        async *[Symbol.asyncIterator]() {
          for (let n = 0; n < count; n++) yield encode(`${JSON.stringify({ ...good, custom_id: String(n) })}\n`)
        }
      })
      assert.strictEqual((yield* read(lines(50_000))).requests, 50_000)
      const error = yield* Effect.flip(read(lines(50_001)))
      assert.include(String(error.message), "50000 requests (line 50001)")
    })
  )
})
