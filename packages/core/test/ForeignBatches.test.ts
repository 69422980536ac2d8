import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@omnifile/core/Bytes"
import { invalid } from "@omnifile/core/CallError"
import type { ChatTranslator } from "@omnifile/core/ChatTranslator"
import type { ForeignBatches } from "@omnifile/core/ForeignBatches"
import * as Input from "@omnifile/core/ForeignBatchInput"
import * as Ledger from "@omnifile/core/ForeignBatchLedger"
import { lines, Reader } from "@omnifile/core/ForeignBatchResults"
import { isObject, type JsonObject } from "@omnifile/core/Json"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const never = (): never => {
  throw new Error("not called here")
}

const batches: ForeignBatches = {
  endpoints: ["/v1/chat/completions", "/v1/responses"],
  maxRequests: 3,
  maxBytes: 100_000,
  inputFile: null,
  marked: false,
  frame: {
    open: "[",
    adapt: null,
    line: (key, body) => `{"key":"${key}","body":${body}}`,
    separator: ",",
    close: "]"
  },
  create: never,
  retrieve: never,
  cancel: never,
  list: never,
  decode: never,
  decodePage: never,
  results: { _tag: "Lines", calls: never },
  result: ({ answer, error, key, status }) =>
    typeof key === "string"
      ? Result.succeed({
          key,
          status: typeof status === "number" ? status : 0,
          answer: isObject(answer) ? answer : null,
          error: isObject(error) ? { code: String(error["code"]), message: String(error["message"]) } : null
        })
      : Result.fail("no result")
}

/** Says back what it is asked; knows no `n`. */
const translator: ChatTranslator = {
  run: never,
  ignored: () => [],
  encode: async ({ body }) => {
    if (body["n"] !== undefined) throw invalid("One answer at a time.", "n")
    return { path: "/chat", body: JSON.stringify({ said: body["messages"] }) }
  },
  decode: async ({ body, id, modelName }, answer) => {
    if (answer["said"] === undefined) throw new Error("no answer")
    return { id, model: modelName, said: answer["said"], tools: body["tools"] ?? null }
  }
}

const encoding: Input.Encoding = {
  batches,
  translator,
  filePart: null,
  rewriting: { model: "theirs", files: new Map(), allowProviderIds: false },
  modelName: "ours",
  files: new Map()
}

const line = (customId: string, body: JsonObject, url = "/v1/chat/completions"): string =>
  `${JSON.stringify({ custom_id: customId, method: "POST", url, body: { model: "ours", messages: [], ...body } })}\n`

const written = async (input: string, changes: Partial<Input.Encoding> = {}) => {
  const ledger = new Ledger.Writer(null)
  const chunks = Input.write(Bytes.fromArray(new TextEncoder().encode(input)), { ...encoding, ...changes }, ledger)
  const text = new TextDecoder().decode(await Bytes.collect(chunks))
  return { ledger, text, read: await Ledger.read(ledger.content()) }
}

const decoding = {
  batches,
  translator,
  endpoint: "/v1/chat/completions",
  model: "theirs",
  modelName: "ours",
  job: "0193a0b0-0000-7000-8000-000000000000",
  createdAt: 0
}

const output = async (reader: Reader, ...results: ReadonlyArray<JsonObject>) => {
  const source = (async function* () {
    yield* results
  })()
  const chunks: Array<Uint8Array> = []
  for await (const chunk of reader.output(source)) chunks.push(chunk)
  const found: Array<JsonObject> = []
  for await (const each of lines(Bytes.fromArray(...chunks))) found.push(each)
  return found
}

const errorsOf = async (reader: Reader, status: string): Promise<ReadonlyArray<JsonObject>> => {
  const found: Array<JsonObject> = []
  for await (const each of lines(reader.errors(status))) found.push(each)
  return found
}

describe("the input of a batch in another form", () => {
  it("has the lines that have a translation, under keys of ours, in the provider's frame", async () => {
    const { ledger, read, text } = await written(
      `${line("a", { messages: ["x"] })}\n${line("b", { n: 2 })}${line("c", {}, "/v1/embeddings")}${line("ü d", {})}`
    )
    assert.deepStrictEqual(JSON.parse(text), [
      { key: "l-1", body: { said: ["x"] } },
      { key: "l-5", body: { said: [] } }
    ])
    assert.strictEqual(ledger.sent, 2)
    assert.deepStrictEqual(
      Array.from({ length: read.size }, (_, place) => read.at(place)),
      [
        { line: 1, customId: "a", shape: {} },
        { line: 3, customId: "b", message: "One answer at a time. (n)" },
        { line: 4, customId: "c", message: "The model cannot be called at /v1/embeddings in a batch." },
        { line: 5, customId: "ü d", shape: {} }
      ]
    )
    assert.deepStrictEqual(
      ["l-1", "l-2", "l-3", "l-5", "l-05", "l-6", "5"].map((key) => read.find(key)),
      [0, undefined, undefined, 3, undefined, undefined, undefined]
    )
  })

  it("goes as it is, but for the deployment's own names, where the provider speaks OpenAI's chat", async () => {
    const rewriting = { model: "theirs", files: new Map([["file-a", "theirs-1"]]), allowProviderIds: false }
    const part = { type: "file", file: { file_id: "file-a" } }
    const file = {
      id: "file-a",
      contentType: "application/pdf",
      filename: "a.pdf",
      as: { _tag: "Reference", value: "theirs-1" }
    } as const
    const { text } = await written(line("a", { messages: [{ role: "user", content: [part] }], n: 2 }), {
      translator: null,
      rewriting,
      files: new Map([["file-a", file]]),
      filePart: (_, { reference }) => ({ type: "document", document: reference })
    })
    const content = [{ type: "document", document: "theirs-1" }]
    assert.deepStrictEqual(JSON.parse(text), [
      { key: "l-1", body: { model: "theirs", messages: [{ role: "user", content }], n: 2 } }
    ])
  })

  it("is refused as a whole if it is more than the provider takes", async () => {
    const four = ["a", "b", "c", "d"].map((name) => line(name, {})).join("")
    const many = await written(four).catch((cause: unknown) => cause)
    assert.instanceOf(many, Input.InputTooLarge)
    const large = await written(line("a", { messages: ["x".repeat(100_000)] })).catch((cause: unknown) => cause)
    assert.instanceOf(large, Input.InputTooLarge)
  })

  it("is one document, however long its lines and their pieces are", () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 30_000 }), { minLength: 1, maxLength: 3 }), async (lengths) => {
        const input = lengths.map((length, index) => line(String(index), { messages: ["x".repeat(length)] })).join("")
        const parsed: unknown = JSON.parse((await written(input)).text)
        assert.strictEqual(Array.isArray(parsed) ? parsed.length : 0, lengths.length)
      }),
      { numRuns: 20 }
    ))
})

describe("the results of a batch in another form", () => {
  const tools = [{ type: "function", function: { name: "f" } }]
  const sent = () => written(line("a", { tools }) + line("b", { n: 2 }) + line("c", {}) + line("d", {}))

  it("become OpenAI's lines in any order, each once", async () => {
    const reader = new Reader(decoding, (await sent()).read)
    const ok = (key: string) => ({ key, status: 200, answer: { said: key } })
    const found = await output(reader, ok("l-4"), ok("l-1"), ok("l-1"), ok("l-9"), { no: "result" })
    assert.deepStrictEqual(
      found.map(({ custom_id }) => custom_id),
      ["d", "a"]
    )
    assert.deepStrictEqual(found[1]?.["response"], {
      status_code: 200,
      request_id: "batch_req_0193a0b0000070008000000000000000_1",
      body: { id: `${decoding.job}-1`, model: "ours", said: "l-1", tools }
    })
    assert.deepStrictEqual(
      (await errorsOf(reader, "completed")).map(({ custom_id, error, response }) => [
        custom_id,
        isObject(error) ? error["code"] : null,
        isObject(response) ? response["status_code"] : null
      ]),
      [
        ["b", "invalid_request", 400],
        ["c", "no_result", null]
      ]
    )
    assert.deepStrictEqual(reader.counts("completed"), { completed: 2, failed: 2 })
  })

  it("that the provider refused, or that make no sense, are in the error file", async () => {
    const reader = new Reader(decoding, (await sent()).read)
    const found = await output(
      reader,
      { key: "l-1", status: 400, error: { code: "bad", message: "x".repeat(10_000) } },
      { key: "l-3", status: 200, answer: {} },
      { key: "l-4", status: 500, answer: { said: "no" } }
    )
    assert.deepStrictEqual(found, [])
    const errors = await errorsOf(reader, "completed")
    assert.deepStrictEqual(
      errors.map(({ custom_id, error }) => [custom_id, isObject(error) ? error["code"] : null]),
      [
        ["a", "bad"],
        ["b", "invalid_request"],
        ["c", "provider_error"],
        ["d", "provider_error"]
      ]
    )
    assert.isBelow(JSON.stringify(errors[0]).length, 2_000)
  })

  it.each([
    ["expired", "batch_expired"],
    ["cancelled", "batch_cancelled"]
  ])("of a batch that is %s are the lines that never ran, too", async (status, code) => {
    const reader = new Reader(decoding, (await sent()).read)
    await output(reader)
    const codes = (await errorsOf(reader, status)).map(({ error }) => (isObject(error) ? error["code"] : null))
    assert.deepStrictEqual(codes, [code, "invalid_request", code, code])
  })
})
