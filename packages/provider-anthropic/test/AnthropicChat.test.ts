import { assert, it } from "@effect/vitest"
import * as Bytes from "@omnifile/core/Bytes"
import type { JsonObject } from "@omnifile/core/Json"
import { chat } from "../src/AnthropicChat.ts"

const answer = async (...events: ReadonlyArray<JsonObject>): Promise<string> => {
  const text = events.map((event) => `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`).join("")
  const request = {
    wire: "chat",
    body: { messages: [{ role: "user", content: "Hi" }], stream: true },
    model: "claude-sonnet-4-5",
    modelName: "smart",
    files: new Map(),
    id: "0193",
    now: 0
  } as const
  const response = await chat.run(request, async () => ({
    status: 200,
    headers: { "content-type": "text/event-stream" },
    complete: null,
    body: Bytes.fromArray(new TextEncoder().encode(text)),
    cancel: () => {}
  }))
  return new TextDecoder().decode(await Bytes.collect(response.body))
}

const usage = { input_tokens: 5, output_tokens: 1 }
const start: JsonObject = {
  type: "message_start",
  message: { type: "message", id: "m", role: "assistant", model: "c", content: [], stop_reason: null, usage }
}
const block: JsonObject = { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }
const hello: JsonObject = { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello" } }
const end: ReadonlyArray<JsonObject> = [
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 7 } },
  { type: "message_stop" }
]

it("events of kinds that are still to come trouble nobody", async () => {
  const later: JsonObject = { type: "weather_report", sky: { is: "blue" } }
  const told = await answer(start, later, { type: "ping" }, block, hello, later, ...end)
  assert.include(told, '"content":"Hello"')
  assert.isTrue(told.endsWith("data: [DONE]\n\n"))
})

it("a known event that cannot be read ends the stream", async () => {
  const failed = await answer(start, block, hello, { type: "content_block_delta", index: 0 }, ...end).catch(
    (cause: unknown) => cause
  )
  assert.instanceOf(failed, Error)
})

it("is asked for JSON in its prompt, also in a batch", async () => {
  const request = {
    wire: "chat",
    body: { messages: [{ role: "user", content: "Hi" }], response_format: { type: "json_object" } },
    model: "claude-sonnet-4-5",
    modelName: "smart",
    files: new Map(),
    id: "0193",
    now: 0
  } as const
  assert.include(JSON.stringify(await chat.encode(request)), "one valid JSON object")
})
