import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@omnifile/core/Bytes"
import type { JsonObject } from "@omnifile/core/Json"
import * as fc from "fast-check"
import * as Vendors from "./support/vendors.ts"

const { anthropic, gemini, request } = Vendors

const start: JsonObject = {
  type: "message_start",
  message: {
    type: "message",
    id: "msg_1",
    role: "assistant",
    model: "claude-sonnet-4-5",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 5, output_tokens: 1 }
  }
}
const block = (index: number, content_block: JsonObject): JsonObject => ({
  type: "content_block_start",
  index,
  content_block
})
const delta = (index: number, change: JsonObject): JsonObject => ({ type: "content_block_delta", index, delta: change })
const textDelta = (text: string): JsonObject => delta(0, { type: "text_delta", text })
const stop = (index: number): JsonObject => ({ type: "content_block_stop", index })
const end = (stop_reason: string): ReadonlyArray<JsonObject> => [
  { type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 7 } },
  { type: "message_stop" }
]

const spoken = (...pieces: ReadonlyArray<string>): ReadonlyArray<JsonObject> => [
  start,
  block(0, { type: "text", text: "" }),
  ...pieces.map(textDelta),
  stop(0),
  ...end("end_turn")
]

const hello: JsonObject = { messages: [{ role: "user", content: "Hi" }], stream: true }

const choiceOf = (chunk: JsonObject): JsonObject => {
  const [choice] = chunk["choices"] as ReadonlyArray<JsonObject>
  return choice ?? {}
}
const deltaOf = (chunk: JsonObject): JsonObject => (choiceOf(chunk)["delta"] ?? {}) as JsonObject

describe("a streamed chat completion", () => {
  it("is chunks that end with a reason and [DONE]", async () => {
    const upstream = Vendors.sse(...spoken("Hel", "lo"))
    const answer = await anthropic.run(request(hello), upstream.send)
    assert.strictEqual(upstream.bodies[0]?.["stream"], true)
    assert.strictEqual(answer.headers["content-type"], "text/event-stream; charset=utf-8")
    const text = await Vendors.textOf(answer)
    const chunk = (delta: JsonObject, finish_reason: string | null): JsonObject => ({
      id: "chatcmpl-0193",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: "smart",
      choices: [{ index: 0, delta, logprobs: null, finish_reason }]
    })
    assert.deepStrictEqual(Vendors.dataOf(text), [
      chunk({ role: "assistant", content: "", refusal: null }, null),
      chunk({ content: "Hel" }, null),
      chunk({ content: "lo" }, null),
      chunk({}, "stop")
    ])
    assert.isTrue(text.endsWith("data: [DONE]\n\n"))
  })

  it("says what it has used beside the events, when it is over", async () => {
    const whole = await anthropic.run(request(hello), Vendors.sse(...spoken("Hello")).send)
    assert.isNull(whole.used?.())
    assert.notInclude(await Vendors.textOf(whole), "usage")
    assert.deepStrictEqual({ ...whole.used?.() }, { input: 5, cachedInput: 0, output: 7 })
    const cut = await anthropic.run(request(hello), Vendors.sse(...spoken("Hello").slice(0, 4)).send)
    await Vendors.textOf(cut).catch(() => "")
    assert.isNull(cut.used?.())
  })

  it("tells what has been used if it is asked for", async () => {
    const answer = await anthropic.run(
      request({ ...hello, stream_options: { include_usage: true } }),
      Vendors.sse(...spoken("Hello")).send
    )
    const chunks = Vendors.dataOf(await Vendors.textOf(answer))
    const last = chunks.at(-1)
    assert.deepStrictEqual(last?.["choices"], [])
    assert.deepInclude(last?.["usage"], { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 })
    assert.isTrue(chunks.slice(0, -1).every(({ usage }) => usage === null))
  })

  it("has tool calls in pieces, each with its place", async () => {
    const upstream = Vendors.sse(
      start,
      block(0, { type: "tool_use", id: "toolu_1", name: "weather", input: {} }),
      delta(0, { type: "input_json_delta", partial_json: '{"city":' }),
      delta(0, { type: "input_json_delta", partial_json: '"Oslo"}' }),
      stop(0),
      block(1, { type: "tool_use", id: "toolu_2", name: "now", input: {} }),
      stop(1),
      ...end("tool_use")
    )
    const chunks = Vendors.dataOf(await Vendors.textOf(await anthropic.run(request(hello), upstream.send)))
    const calls = chunks.flatMap((chunk) => (deltaOf(chunk)["tool_calls"] ?? []) as ReadonlyArray<JsonObject>)
    assert.deepStrictEqual(calls, [
      { index: 0, id: "toolu_1", type: "function", function: { name: "weather", arguments: "" } },
      { index: 0, function: { arguments: '{"city":' } },
      { index: 0, function: { arguments: '"Oslo"}' } },
      { index: 1, id: "toolu_2", type: "function", function: { name: "now", arguments: "" } },
      { index: 1, function: { arguments: "{}" } }
    ])
    assert.strictEqual(choiceOf(chunks.at(-1) ?? {})["finish_reason"], "tool_calls")
  })

  it("comes from Gemini's events alike", async () => {
    const part = (text: string): JsonObject => ({ candidates: [{ content: { role: "model", parts: [{ text }] } }] })
    const upstream = Vendors.sse(part("Hel"), part("lo"), {
      candidates: [
        {
          content: { role: "model", parts: [{ functionCall: { id: "c1", name: "now", args: {} } }] },
          finishReason: "STOP"
        }
      ],
      usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 7, totalTokenCount: 12 }
    })
    const answer = await gemini.run(request(hello, { model: "gemini-2.5-flash" }), upstream.send)
    assert.strictEqual(upstream.calls[0]?.path, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    const chunks = Vendors.dataOf(await Vendors.textOf(answer))
    assert.strictEqual(chunks.map((chunk) => deltaOf(chunk)["content"] ?? "").join(""), "Hello")
    const calls = chunks.flatMap((chunk) => (deltaOf(chunk)["tool_calls"] ?? []) as ReadonlyArray<JsonObject>)
    assert.strictEqual(calls.map((call) => (call["function"] as JsonObject)["arguments"]).join(""), "{}")
    assert.strictEqual(choiceOf(chunks.at(-1) ?? {})["finish_reason"], "tool_calls")
  })

  it("joins to the whole answer, wherever the provider's bytes are cut", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 40 }),
        async (pieces, size) => {
          const bytes = new TextEncoder().encode(Vendors.events(...spoken(...pieces)).join(""))
          const cut: Array<Uint8Array> = []
          for (let i = 0; i < bytes.length; i += size) cut.push(bytes.subarray(i, i + size))
          const answer = await anthropic.run(request(hello), async () => ({
            status: 200,
            headers: { "content-type": "text/event-stream" },
            complete: null,
            body: Bytes.fromArray(...cut),
            cancel: () => {}
          }))
          const chunks = Vendors.dataOf(await Vendors.textOf(answer))
          assert.strictEqual(chunks.map((chunk) => deltaOf(chunk)["content"] ?? "").join(""), pieces.join(""))
        }
      ),
      { numRuns: 30 }
    ))
})

describe("a stream that fails", () => {
  const overloaded: JsonObject = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }

  it("before it begins is an answer with the error's status", async () => {
    const upstream = Vendors.sse(overloaded)
    const answer = await anthropic.run(request(hello), upstream.send)
    assert.strictEqual(answer.status, 529)
    assert.include(await Vendors.textOf(answer), "Overloaded")
    const gone = { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } }
    const other = await gemini.run(request(hello), Vendors.sse(gone).send)
    assert.strictEqual(other.status, 503)
    assert.include(await Vendors.textOf(other), "The model is overloaded.")
  })

  it("later breaks off without [DONE]", async () => {
    const answer = await anthropic.run(request(hello), Vendors.sse(...spoken("Hel").slice(0, 3), overloaded).send)
    assert.strictEqual(answer.status, 200)
    const seen: Array<string> = []
    const failed = await (async () => {
      for await (const chunk of answer.body) seen.push(new TextDecoder().decode(chunk))
    })().catch((cause: unknown) => cause)
    assert.instanceOf(failed, Error)
    assert.include(seen.join(""), '"content":"Hel"')
    assert.notInclude(seen.join(""), "[DONE]")
  })

  it("by its end, without the provider's last word, does not look whole", async () => {
    const part = { candidates: [{ content: { role: "model", parts: [{ text: "Hel" }] } }] }
    for (const [translator, cut] of [
      [anthropic, Vendors.sse(...spoken("Hel").slice(0, 3))],
      [gemini, Vendors.sse(part)]
    ] as const) {
      const answer = await translator.run(request(hello), cut.send)
      const failed = await Vendors.textOf(answer).catch((cause: unknown) => cause)
      assert.instanceOf(failed, Error)
    }
  })

  it("is cancelled at the provider when nobody wants the rest", async () => {
    const upstream = Vendors.sse(...spoken("Hel", "lo"))
    const answer = await anthropic.run(request(hello), upstream.send)
    answer.cancel()
    assert.isAtLeast(upstream.cancelled, 1)
  })

  it("is rejected with the very error of a call that fails", async () => {
    const refused = new Error("refused")
    const failed = await anthropic.run(request(hello), () => Promise.reject(refused)).catch((cause: unknown) => cause)
    assert.strictEqual(failed, refused)
  })
})
