import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Bytes from "../src/Bytes.ts"
import * as ChatRequest from "../src/ChatRequest.ts"
import { decode, encode } from "./support/FakeProvider.ts"

const parse = (text: string) => ChatRequest.parse(Bytes.fromArray(encode(text)))

const parsed = (text: string) => Result.getOrThrow(parse(text))

const fileMessage = (id: string, role = "user"): string =>
  `{"role":"${role}","content":[{"type":"text","text":"x"},{"type":"file","file":{"file_id":${id}}}]}`

describe("ChatRequest.parse", () => {
  const refused: ReadonlyArray<readonly [name: string, body: string, param: string | null]> = [
    ["an empty body", "", null],
    ["no JSON", "hello", null],
    ["JSON that is cut short", '{"model":"m","messages":[', null],
    ["something after the JSON", '{"model":"m","messages":[]} x', null],
    ["an array", '[{"model":"m","messages":[]}]', "model"],
    ["a string", '"model"', "model"],
    ["null", "null", "model"],
    ["no model", '{"messages":[]}', "model"],
    ["a model that is null", '{"model":null,"messages":[]}', "model"],
    ["a model that is a number", '{"model":4,"messages":[]}', "model"],
    ["a second model that is no string", '{"model":"m","model":{},"messages":[]}', "model"],
    ["no messages", '{"model":"m"}', "messages"],
    ["messages that are null", '{"model":"m","messages":null}', "messages"],
    ["messages that are an object", '{"model":"m","messages":{}}', "messages"],
    [
      "a file ID that is a number",
      `{"model":"m","messages":[{},${fileMessage("7")}]}`,
      "messages[1].content[1].file.file_id"
    ],
    ["a million open arrays", `{"model":"m","messages":${"[".repeat(1_000_000)}`, null],
    [
      "too many files",
      `{"model":"m","messages":[${fileMessage('"f"').concat(",").repeat(1_000)}${fileMessage('"f"')}]}`,
      "messages"
    ]
  ]
  for (const [name, body, param] of refused) {
    it(`refuses ${name}`, () => {
      const result = parse(body)
      assert.isTrue(Result.isFailure(result))
      if (!Result.isFailure(result)) return
      assert.strictEqual(result.failure._tag, "InvalidRequest")
      assert.strictEqual(result.failure.param, param)
      assert.isNotEmpty(result.failure.message)
    })
  }

  it("keeps the body as it is and finds the model's token", () => {
    const text = '{ "messages": [], "temperature": 1e2, "model" : "gpt-4o" }'
    const request = parsed(text)
    assert.strictEqual(decode(Bytes.concat(request.body.chunks)), text)
    assert.strictEqual(request.model, "gpt-4o")
    assert.deepStrictEqual(
      request.modelTokens.map(({ end, start }) => text.slice(start, end)),
      ['"gpt-4o"']
    )
    assert.deepStrictEqual(request.files, [])
  })

  it("reads escapes in names and keys as JSON does", () => {
    const request = parsed('{"mod\\u0065l":"\\u0067pt","messages":[]}')
    assert.strictEqual(request.model, "gpt")
    assert.strictEqual(request.modelTokens.length, 1)
  })

  it("knows the model elsewhere in the body from the model", () => {
    const request = parsed('{"metadata":{"model":"x"},"model":"m","messages":[{"model":"y"}]}')
    assert.strictEqual(request.model, "m")
    assert.strictEqual(request.modelTokens.length, 1)
  })

  it("finds the token of every model where there are several, and takes the last as JSON.parse does", () => {
    const text = '{"model":"first","messages":[],"model":"last"}'
    const request = parsed(text)
    assert.strictEqual(request.model, "last")
    assert.deepStrictEqual(
      request.modelTokens.map(({ end, start }) => text.slice(start, end)),
      ['"first"', '"last"']
    )
  })

  const streams: ReadonlyArray<readonly [body: string, stream: boolean]> = [
    ['{"model":"m","messages":[]}', false],
    ['{"model":"m","messages":[],"stream":true}', true],
    ['{"model":"m","messages":[],"stream":false}', false],
    ['{"model":"m","messages":[],"stream":null}', false],
    ['{"model":"m","messages":[],"stream":"true"}', false],
    ['{"model":"m","messages":[],"options":{"stream":true}}', false]
  ]
  for (const [body, stream] of streams) {
    it(`${stream ? "streams" : "does not stream"}: ${body}`, () => {
      assert.strictEqual(parsed(body).stream, stream)
    })
  }

  it("finds files in messages of every role, with their places", () => {
    const roles = ["system", "user", "assistant", "tool", "developer"]
    const text = `{"model":"m","messages":[${roles.map((role, n) => fileMessage(`"file-${n}"`, role)).join(",")}]}`
    const { files } = parsed(text)
    assert.deepStrictEqual(
      files.map(({ end, id, param, start }) => [id, param, text.slice(start, end)]),
      roles.map((_, n) => [`file-${n}`, `messages[${n}].content[1].file.file_id`, `"file-${n}"`])
    )
  })

  const without: ReadonlyArray<readonly [where: string, body: string]> = [
    ["texts", '{"model":"m","messages":[{"role":"user","content":"{\\"file_id\\":\\"file-x\\"}"}]}'],
    ["names", '{"model":"m","messages":[{"name":"file-x","content":[{"type":"text","text":"file-x"}]}]}'],
    ["metadata", '{"model":"m","metadata":{"file_id":"file-x"},"messages":[]}'],
    ["a null", `{"model":"m","messages":[${fileMessage("null")}]}`],
    ["inline data", '{"model":"m","messages":[{"content":[{"type":"file","file":{"file_data":"file-x"}}]}]}']
  ]
  for (const [where, body] of without) {
    it(`takes nothing for a file in ${where}`, () => {
      assert.deepStrictEqual(parsed(body).files, [])
    })
  }

  it("counts both where a file ID stands twice", () => {
    const { files } = parsed(
      '{"model":"m","messages":[{"content":[{"file":{"file_id":"file-1","file_id":"file-2"}}]}]}'
    )
    assert.deepStrictEqual(
      files.map(({ id }) => id),
      ["file-1", "file-2"]
    )
  })
})
