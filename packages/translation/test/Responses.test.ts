import { assert, describe, it } from "@effect/vitest"
import { InvalidRequest } from "@omnifile/core/CallError"
import type { FilePlacement } from "@omnifile/core/ChatTranslator"
import type { JsonObject } from "@omnifile/core/Json"
import * as Vendors from "./support/vendors.ts"

const { anthropic, gemini } = Vendors

const pdf: FilePlacement = {
  id: "file-a",
  contentType: "application/pdf",
  filename: "a.pdf",
  as: { _tag: "Reference", value: "https://g/files/a" }
}

const request = (body: JsonObject) =>
  Vendors.request(body, {
    wire: "responses",
    model: "gemini-2.5-flash",
    files: new Map([["file-a", pdf]])
  })

const generated = (...parts: ReadonlyArray<JsonObject>): JsonObject => ({
  candidates: [{ content: { role: "model", parts }, finishReason: "STOP" }],
  usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 7, totalTokenCount: 12 }
})

const parameters = { type: "object", properties: { city: { type: "string" } } }

describe("a response of a model that has no Responses API", () => {
  it("is asked for with the conversation so far", async () => {
    const upstream = Vendors.json(generated({ text: "Warm." }))
    await gemini.run(
      request({
        instructions: "Be brief.",
        input: [
          { role: "user", content: [{ type: "input_file", file_id: "file-a" }] },
          { type: "reasoning", id: "rs_1", summary: [] },
          { type: "message", role: "assistant", content: [{ type: "output_text", text: "Let me see." }] },
          { type: "function_call", call_id: "c1", name: "weather", arguments: '{"city":"Oslo"}' },
          { type: "function_call_output", call_id: "c1", output: "5 C" },
          { role: "user", content: "And now?" }
        ],
        tools: [{ type: "function", name: "weather", parameters, strict: false }],
        max_output_tokens: 50,
        text: { format: { type: "text" } },
        stream: false
      }),
      upstream.send
    )
    const [body] = upstream.bodies
    assert.deepStrictEqual(body?.["systemInstruction"], { parts: [{ text: "Be brief." }] })
    assert.deepStrictEqual(body?.["contents"], [
      { role: "user", parts: [{ fileData: { mimeType: "application/pdf", fileUri: "https://g/files/a" } }] },
      {
        role: "model",
        parts: [{ text: "Let me see." }, { functionCall: { id: "c1", name: "weather", args: { city: "Oslo" } } }]
      },
      {
        role: "user",
        parts: [{ functionResponse: { id: "c1", name: "weather", response: { name: "weather", content: "5 C" } } }]
      },
      { role: "user", parts: [{ text: "And now?" }] }
    ])
  })

  it("comes back as OpenAI answers", async () => {
    const upstream = Vendors.json(
      generated({ text: "Let me see." }, { functionCall: { id: "c1", name: "weather", args: {} } })
    )
    const answer = await Vendors.bodyOf(await gemini.run(request({ input: "Hi", metadata: { a: "b" } }), upstream.send))
    assert.deepStrictEqual(answer["output"], [
      {
        id: "msg_0193-0",
        type: "message",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text: "Let me see.", annotations: [], logprobs: [] }]
      },
      { id: "fc_0193-1", type: "function_call", status: "completed", arguments: "{}", call_id: "c1", name: "weather" }
    ])
    assert.deepInclude(answer, {
      id: "resp_0193",
      object: "response",
      model: "smart",
      status: "completed",
      store: false,
      metadata: { a: "b" },
      usage: {
        input_tokens: 5,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 12
      }
    })
  })

  it("says why it is not complete", async () => {
    const cut = { candidates: [{ content: { role: "model", parts: [{ text: "Wa" }] }, finishReason: "MAX_TOKENS" }] }
    const answer = await Vendors.bodyOf(await gemini.run(request({ input: "Hi" }), Vendors.json(cut).send))
    assert.deepInclude(answer, { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } })
  })

  it("streams its events in the order of their numbers", async () => {
    const part = (...parts: ReadonlyArray<JsonObject>): JsonObject => ({ candidates: [{ content: { parts } }] })
    const upstream = Vendors.sse(
      part({ text: "Let me " }),
      part({ text: "see." }),
      generated({ functionCall: { id: "c1", name: "weather", args: { city: "Oslo" } } })
    )
    const events = Vendors.dataOf(
      await Vendors.textOf(await gemini.run(request({ input: "Hi", stream: true }), upstream.send))
    )
    assert.deepStrictEqual(
      events.map(({ sequence_number }) => sequence_number),
      events.map((_, index) => index)
    )
    const names = events.map(({ type }) => type)
    assert.deepStrictEqual(names, [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.completed"
    ])
    const last = events.at(-1)?.["response"] as JsonObject
    assert.deepStrictEqual(
      (last["output"] as ReadonlyArray<JsonObject>).map(({ id, type }) => [id, type]),
      [
        ["msg_0193-0", "message"],
        ["fc_0193-1", "function_call"]
      ]
    )
    assert.deepInclude(last, { status: "completed" })
    assert.deepInclude(last["usage"], { total_tokens: 12 })
  })

  it.each<readonly [JsonObject, string]>([
    [{ input: "Hi", previous_response_id: "resp_1" }, "previous_response_id"],
    [{ input: "Hi", background: true }, "background"],
    [{ input: "Hi", conversation: "conv_1" }, "conversation"],
    [{ input: "Hi", tools: [{ type: "web_search" }] }, "tools[0].type"],
    [{ input: [{ type: "item_reference", id: "x" }] }, "input[0].type"],
    [
      { input: [{ role: "user", content: [{ type: "input_file", file_id: "file-z" }] }] },
      "input[0].content[0].file_id"
    ],
    [{ input: [] }, "input"],
    [{}, "input"]
  ])("is refused for what is only OpenAI's: %j", async (body, param) => {
    const upstream = Vendors.json({})
    const failed = await anthropic.run(request(body), upstream.send).catch((cause: unknown) => cause)
    assert.instanceOf(failed, InvalidRequest)
    assert.strictEqual(failed.param, param)
    assert.strictEqual(upstream.calls.length, 0)
  })
})
