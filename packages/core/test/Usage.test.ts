import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Usage from "../src/Usage.ts"

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

const tokens = (input: number, cachedInput: number, output: number): Usage.Tokens => ({ input, cachedInput, output })

const chat = {
  prompt_tokens: 20,
  completion_tokens: 7,
  total_tokens: 27,
  prompt_tokens_details: { cached_tokens: 5, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 3 }
}

const responses = {
  input_tokens: 20,
  input_tokens_details: { cached_tokens: 5 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 3 },
  total_tokens: 27
}

const messages = {
  input_tokens: 12,
  cache_creation_input_tokens: 3,
  cache_read_input_tokens: 5,
  output_tokens: 7,
  service_tier: "standard"
}

describe("usage is read from", () => {
  it.each([
    ["chat", chat, tokens(20, 5, 7)],
    ["Responses", responses, tokens(20, 5, 7)],
    ["Messages, where cached input is counted beside the rest", messages, tokens(20, 5, 7)],
    ["embeddings", { prompt_tokens: 8, total_tokens: 8 }, tokens(8, 0, 0)],
    ["a provider that only says a total", { total_tokens: 9 }, tokens(9, 0, 0)],
    ["counts beside null", { prompt_tokens: 1, completion_tokens: null }, tokens(1, 0, 0)]
  ])("%s", (_, usage, expected) => {
    assert.deepStrictEqual(Usage.read(usage), expected)
    assert.deepStrictEqual(Usage.ofJson(bytes({ id: "a", usage })), expected)
    assert.deepStrictEqual(Usage.ofChat(bytes({ id: "a", usage })), expected)
    assert.deepStrictEqual(Usage.ofChat(bytes({ usage, choices: ["x".repeat(3_000)] })), expected)
    assert.deepStrictEqual(Usage.ofChat(bytes({ usage: { ...usage, x: "}{" }, end: "\u0001" })), expected)
  })

  it.each([[null], [undefined], ["12"], [[1]], [{}], [{ prompt_tokens: "12" }], [{ input_tokens: -1 }]])(
    "nothing that counts no tokens: %j",
    (usage) => {
      assert.isNull(Usage.read(usage))
      assert.isNull(Usage.ofJson(bytes({ usage: usage ?? null })))
      assert.isNull(Usage.ofChat(bytes({ usage: usage ?? null })))
    }
  )

  it("a line of a batch's output, and not from what only looks like it", () => {
    const line = { custom_id: "a", response: { status_code: 200, body: { usage: chat } }, error: null }
    assert.deepStrictEqual(Usage.ofJson(bytes(line)), tokens(20, 5, 7))
    assert.isNull(Usage.ofJson(bytes({ choices: [{ message: { usage: chat } }], metadata: { usage: chat } })))
    const later = { type: "function", parameters: { usage: { input_tokens: 0 } } }
    assert.deepStrictEqual(Usage.ofParts(event({ response: { usage: responses, tools: [later] } })), tokens(20, 5, 7))
    assert.isNull(Usage.ofJson(new TextEncoder().encode(`{"usage":${JSON.stringify(chat)}`)))
  })
})

const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`

describe("usage of a stream", () => {
  it("is in the last chunk of chat, where those before have null", () => {
    const text = [event({ choices: [], usage: null }), event({ choices: [], usage: chat }), "data: [DONE]\n\n"].join("")
    assert.deepStrictEqual(Usage.ofParts(text), tokens(20, 5, 7))
  })

  it("is in the response of the last event of Responses", () => {
    const tools = [{ type: "function", parameters: { properties: { usage: { type: "object" } } } }]
    const completed = event({ type: "response.completed", response: { tools, usage: responses, metadata: {} } })
    assert.deepStrictEqual(Usage.ofParts("", `...cut off {"usage":{"a":${completed}`), tokens(20, 5, 7))
  })

  it("comes in two parts from Messages", () => {
    const start = event({ type: "message_start", message: { usage: { ...messages, output_tokens: 1 } } })
    const delta = event({ type: "message_delta", delta: {}, usage: { output_tokens: 7 } })
    assert.deepStrictEqual(Usage.ofParts(start, delta), tokens(20, 5, 7))
  })

  it("is never taken from text that the model wrote", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(), (text, output) => {
        const spoken = `${text}"usage":{"prompt_tokens":1,"completion_tokens":1}${text}`
        const said = event({ choices: [{ delta: { content: spoken } }], usage: null })
        assert.isNull(Usage.ofParts(said))
        assert.isNull(Usage.ofChat(bytes({ choices: [{ message: { content: spoken } }] })))
        const counted = event({ usage: { prompt_tokens: 4, completion_tokens: output } })
        assert.deepStrictEqual(Usage.ofParts(said + counted), tokens(4, 0, output))
      })
    )
  })

  it("is null when none is reported", () => {
    assert.isNull(Usage.ofParts(event({ choices: [] }), "data: [DONE]\n\n"))
  })
})
