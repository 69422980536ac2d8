import { assert, describe, it } from "@effect/vitest"
import * as AnswerIds from "../src/AnswerIds.ts"
import { encode } from "./support/json.ts"

const find = (paths: AnswerIds.AnswerPaths, value: unknown) =>
  AnswerIds.find(encode(typeof value === "string" ? value : JSON.stringify(value)), paths).map(
    ({ kind, value }) => `${kind} ${value}`
  )

const annotations = [
  { type: "file_citation", file_id: "file-1", filename: "a.pdf", index: 1 },
  { type: "container_file_citation", file_id: "cfile_1", container_id: "cntr_1", filename: "b.csv" },
  { type: "url_citation", url: "file_id" }
]
const inAnnotations = [
  "type file_citation",
  "output file-1",
  "filename a.pdf",
  "type container_file_citation",
  "output cfile_1",
  "container cntr_1",
  "filename b.csv",
  "type url_citation"
]

const items = [
  { id: "msg_1", type: "message", content: [{ type: "output_text", text: '{"file_id":"x"}', annotations }] },
  {
    id: "ci_1",
    type: "code_interpreter_call",
    container_id: "cntr_2",
    code: "file_id",
    outputs: [{ type: "files", files: [{ file_id: "cfile_2" }] }]
  },
  { id: "ig_1", type: "image_generation_call", file_id: "file-6" },
  { id: "fs_1", type: "file_search_call", results: [{ file_id: "file-2", attributes: { file_id: "x" } }] },
  { id: "fc_1", type: "function_call", arguments: '{"file_id":"x"}' },
  { id: "msg_2", type: "message", role: "user", content: [{ type: "input_file", file_id: "file-3" }] },
  { id: "co_1", type: "computer_call_output", output: { file_id: "file-4" } }
]
const inItems = [
  ...inAnnotations,
  "container cntr_2",
  "output cfile_2",
  "output file-6",
  "file file-2",
  "file file-3",
  "file file-4"
]

const response = {
  id: "resp_2",
  object: "response",
  previous_response_id: "resp_1",
  metadata: { file_id: "x", id: "x", container_id: "x" },
  output: items,
  tools: [
    { type: "code_interpreter", container: { type: "auto", file_ids: ["file-5"] } },
    { type: "code_interpreter", container: "cntr_3" },
    { type: "function", parameters: { file_id: "x", container_id: "x" } }
  ]
}
const inResponse = ["response resp_2", "previous resp_1", ...inItems, "file file-5", "container cntr_3"]

describe("responses", () => {
  const { responsePaths } = AnswerIds

  it("knows the places of a response, and of events that carry one", () => {
    assert.deepStrictEqual(find(responsePaths, response), inResponse)
    assert.deepStrictEqual(find(responsePaths, { type: "response.completed", response }), inResponse)
  })

  it("knows the places of items, parts and annotations in events and lists", () => {
    assert.deepStrictEqual(find(responsePaths, { object: "list", data: items, first_id: "msg_1" }), inItems)
    assert.deepStrictEqual(find(responsePaths, { item: items[0], item_id: "msg_1" }), inAnnotations)
    assert.deepStrictEqual(find(responsePaths, { part: { annotations } }), inAnnotations)
    assert.deepStrictEqual(find(responsePaths, { annotation: annotations[1] }), inAnnotations.slice(3, 7))
  })

  it("tells which object a value belongs to", () => {
    const [, file, container] = AnswerIds.find(encode(JSON.stringify({ annotation: annotations[1] })), responsePaths)
    assert.deepStrictEqual([file?.object, container?.object], ["annotation", "annotation"])
  })

  it("finds nothing in what is no JSON", () => {
    assert.deepStrictEqual(find(responsePaths, "[DONE]"), [])
    assert.deepStrictEqual(find(responsePaths, ""), [])
    assert.deepStrictEqual(find(responsePaths, '{"id":"resp_1"'), [])
  })
})

describe("messages", () => {
  const { messagePaths } = AnswerIds
  const content = [
    { type: "server_tool_use", id: "srvtoolu_1", input: { file_id: "x" } },
    {
      type: "bash_code_execution_tool_result",
      content: { type: "bash_code_execution_result", content: [{ file_id: "file_1" }] }
    },
    { type: "container_upload", file_id: "file_2" },
    { type: "text", text: "file_id", citations: [{ type: "page_location", file_id: "file_3" }] }
  ]
  const inContent = ["output file_1", "output file_2", "file file_3"]

  it("knows the places of a message, and of events that carry one", () => {
    const message = { id: "msg_1", content, container: { id: "container_1" }, metadata: { file_id: "x" } }
    assert.deepStrictEqual(find(messagePaths, message), [...inContent, "container container_1"])
    assert.deepStrictEqual(find(messagePaths, { message }), [...inContent, "container container_1"])
  })

  it("knows the places of blocks and deltas", () => {
    assert.deepStrictEqual(find(messagePaths, { content_block: content[1] }), ["output file_1"])
    assert.deepStrictEqual(find(messagePaths, { content_block: content[0] }), [])
    assert.deepStrictEqual(
      find(messagePaths, { delta: { type: "citations_delta", citation: { file_id: "file_4" } } }),
      ["file file_4"]
    )
    assert.deepStrictEqual(find(messagePaths, { delta: { container: { id: "container_1" } } }), [
      "container container_1"
    ])
  })
})
