import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Bytes from "../src/Bytes.ts"
import * as MessageRequest from "../src/MessageRequest.ts"
import { encode } from "./support/json.ts"

const headers = { version: "2023-06-01", beta: null }

const parse = (body: unknown) => MessageRequest.parseMessage(Bytes.fromArray(encode(JSON.stringify(body))), headers)

const accepted = (body: unknown) => {
  const result = parse(body)
  return Result.isSuccess(result) ? result.success : assert.fail(result.failure.message)
}

const fromFile = (id: string) => ({ type: "file", file_id: id })
const document = (id: string) => ({ type: "document", source: fromFile(id) })
const said = (...content: ReadonlyArray<unknown>) => accepted({ model: "m", messages: [{ role: "user", content }] })

describe("parse", () => {
  it("finds files in documents, images, uploads to a container, and the results of tools", () => {
    const { files } = said(
      document("file_1"),
      { type: "image", source: fromFile("file_2") },
      { type: "container_upload", file_id: "file_3" },
      { type: "tool_result", content: [{ type: "image", source: fromFile("file_4") }] },
      { type: "document", source: { type: "content", content: [{ type: "image", source: fromFile("file_5") }] } }
    )
    assert.deepStrictEqual(
      files.map(({ id, param, required }) => [id, param, required]),
      [
        ["file_1", "messages[0].content[0].source.file_id", undefined],
        ["file_2", "messages[0].content[1].source.file_id", undefined],
        ["file_3", "messages[0].content[2].file_id", undefined],
        ["file_4", "messages[0].content[3].content[0].source.file_id", undefined],
        ["file_5", "messages[0].content[4].source.content[0].source.file_id", undefined]
      ]
    )
  })

  it("leaves what tools were called with, texts and schemas alone", () => {
    const { files } = accepted({
      model: "m",
      messages: [
        {
          role: "assistant",
          content: [{ type: "tool_use", input: { source: fromFile("file_1"), file_id: "file_2" } }]
        },
        { role: "user", content: '{"file_id":"file_3"}' }
      ],
      metadata: { user_id: "u", file_id: "file_4" },
      tools: [{ name: "t", input_schema: { properties: { file_id: { default: "file_5" } } } }]
    })
    assert.deepStrictEqual(files, [])
  })

  it("takes citations and outputs of an earlier answer for what they are", () => {
    const { files } = said(
      { type: "text", text: "", citations: [{ type: "char_location", file_id: "file_1" }] },
      { type: "code_execution_tool_result", content: { content: [{ file_id: "file_2" }] } }
    )
    assert.deepStrictEqual(
      files.map(({ id, required }) => [id, required]),
      [
        ["file_1", false],
        ["file_2", false]
      ]
    )
  })

  it("finds a container, by itself or with its skills", () => {
    for (const container of ["container_1", { id: "container_1", skills: [] }]) {
      const { containers } = accepted({ model: "m", messages: [], container })
      assert.deepStrictEqual(
        containers.map(({ id }) => id),
        ["container_1"]
      )
    }
  })

  it("refuses a body by the field that is wrong", () => {
    for (const [body, param] of [
      [{ messages: [] }, "model"],
      [{ model: "m" }, "messages"],
      [{ model: "m", messages: "hi" }, "messages"],
      [{ model: "m", messages: [{ content: [{ source: { file_id: 7 } }] }] }, "messages[0].content[0].source.file_id"]
    ] as const) {
      const result = parse(body)
      assert.strictEqual(Result.isFailure(result) ? result.failure.param : "taken", param)
    }
  })

  it("reads a request to count tokens in the same way", () => {
    const body = Bytes.fromArray(encode(JSON.stringify({ model: "m", messages: [{ content: [document("file_1")] }] })))
    const result = MessageRequest.parseCount(body, headers)
    if (Result.isFailure(result)) assert.fail(result.failure.message)
    assert.deepInclude(result.success, { _tag: "CountTokens", model: "m", headers })
    assert.lengthOf(result.success.files, 1)
  })
})
