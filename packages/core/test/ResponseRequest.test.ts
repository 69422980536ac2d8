import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Bytes from "../src/Bytes.ts"
import * as ResponseRequest from "../src/ResponseRequest.ts"
import { decode, encode } from "./support/json.ts"

const parse = (body: unknown) => {
  const bytes = encode(typeof body === "string" ? body : JSON.stringify(body))
  return { bytes, result: ResponseRequest.parse(Bytes.fromArray(bytes), null) }
}

const accepted = (body: unknown) => {
  const { bytes, result } = parse(body)
  if (Result.isFailure(result)) assert.fail(result.failure.message)
  return {
    ...result.success,
    at: ({ end, start }: { start: number; end: number }) => decode(bytes.subarray(start, end))
  }
}

const refusedParam = (body: unknown): string | null => {
  const { result } = parse(body)
  return Result.isFailure(result) ? result.failure.param : assert.fail("the body was taken")
}

const filePart = (id: string) => ({ type: "input_file", file_id: id })

describe("parse", () => {
  it("finds files wherever the API takes them", () => {
    const { at, files } = accepted({
      model: "m",
      input: [
        { role: "user", content: [filePart("file-1"), { type: "input_image", file_id: "file-2" }] },
        { type: "function_call_output", call_id: "c", output: [filePart("file-3")] },
        { type: "computer_call_output", output: { type: "computer_screenshot", file_id: "file-4" } },
        { role: "user", content: [{ deep: { er: [filePart("file-5")] } }] }
      ],
      tools: [
        { type: "code_interpreter", container: { type: "auto", file_ids: ["file-6", "file-7"] } },
        { type: "shell", environment: { type: "container_auto", file_ids: ["file-8"] } },
        { type: "image_generation", input_image_mask: { file_id: "file-9" } }
      ],
      prompt: { id: "pmpt_1", variables: { anything: filePart("file-10") } }
    })
    assert.deepStrictEqual(
      files.map((file) => [file.id, file.param, at(file), file.required]),
      [
        ["file-1", "input[0].content[0].file_id"],
        ["file-2", "input[0].content[1].file_id"],
        ["file-3", "input[1].output[0].file_id"],
        ["file-4", "input[2].output.file_id"],
        ["file-5", "input[3].content[0].deep.er[0].file_id"],
        ["file-6", "tools[0].container.file_ids[0]"],
        ["file-7", "tools[0].container.file_ids[1]"],
        ["file-8", "tools[1].environment.file_ids[0]"],
        ["file-9", "tools[2].input_image_mask.file_id"],
        ["file-10", "prompt.variables.anything.file_id"]
      ].map(([id, param]) => [id, param, `"${id}"`, undefined])
    )
  })

  it("leaves texts, metadata, schemas and attributes alone", () => {
    const { containers, files } = accepted({
      model: "m",
      input: [
        { role: "user", content: [{ type: "input_text", text: '{"file_id":"file-1"}' }] },
        { type: "file_search_call", results: [{ attributes: { file_id: "file-2" } }] }
      ],
      metadata: { file_id: "file-3" },
      tools: [
        { type: "function", parameters: { properties: { file_id: { default: "file-4" } }, file_ids: ["file-5"] } }
      ]
    })
    assert.deepStrictEqual([files, containers], [[], []])
  })

  it("takes what an earlier answer said for what it is: known perhaps, but not asked for", () => {
    const annotation = { type: "container_file_citation", file_id: "cfile_1", container_id: "cntr_1" }
    const { containers, files, pastContainers } = accepted({
      model: "m",
      input: [
        { type: "code_interpreter_call", container_id: "cntr_2" },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "", annotations: [annotation] }] },
        { type: "file_search_call", results: [{ file_id: "file-1" }] }
      ]
    })
    assert.deepStrictEqual(
      [...files, ...pastContainers, ...containers].map(({ id, required }) => [id, required]),
      [
        ["cfile_1", false],
        ["file-1", false],
        ["cntr_2", undefined],
        ["cntr_1", false]
      ]
    )
  })

  it("finds what the call goes on from, and what is not managed here", () => {
    const { containers, previous, shared } = accepted({
      model: "m",
      previous_response_id: "resp_1",
      conversation: { id: "conv_1" },
      tools: [
        { type: "code_interpreter", container: "cntr_1" },
        { type: "shell", environment: { type: "container_reference", container_id: "cntr_2" } },
        { type: "file_search", vector_store_ids: ["vs_1"] }
      ]
    })
    assert.deepInclude(previous, { id: "resp_1", param: "previous_response_id" })
    assert.deepStrictEqual(
      containers.map(({ id, param }) => [id, param]),
      [
        ["cntr_1", "tools[0].container"],
        ["cntr_2", "tools[1].environment.container_id"]
      ]
    )
    assert.deepStrictEqual(shared, [
      { param: "conversation", what: "conversation" },
      { param: "tools[2].vector_store_ids", what: "vector store" }
    ])
  })

  it("reads the model and how the answer is wanted", () => {
    const read = accepted('{"model":"a","stream":true,"store":false,"background":true,"input":"hi","model":"b"}')
    assert.deepInclude(read, { model: "b", stream: true, store: false, background: true, previous: null, shared: [] })
    assert.deepStrictEqual(read.modelTokens.map(read.at), [`"a"`, `"b"`])
    const plain = accepted({ model: "a", store: null, previous_response_id: null })
    assert.deepInclude(plain, { stream: false, store: true, background: false, previous: null })
  })

  it("refuses a body by the field that is wrong", () => {
    assert.strictEqual(refusedParam({ input: "hi" }), "model")
    assert.strictEqual(refusedParam({ model: 1 }), "model")
    assert.strictEqual(refusedParam({ model: "m", previous_response_id: 1 }), "previous_response_id")
    assert.strictEqual(
      refusedParam('{"model":"m","previous_response_id":"resp_1","previous_response_id":"resp_2"}'),
      "previous_response_id"
    )
    assert.strictEqual(
      refusedParam({ model: "m", input: [{ content: [{ file_id: 1 }] }] }),
      "input[0].content[0].file_id"
    )
    assert.strictEqual(refusedParam('{"model"'), null)
    const many = Array.from({ length: 1_001 }, (_, index) => filePart(`file-${index}`))
    assert.strictEqual(refusedParam({ model: "m", input: [{ content: many }] }), "input")
  })
})
