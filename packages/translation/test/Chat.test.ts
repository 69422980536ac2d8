import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@omnifile/core/Bytes"
import type { FilePlacement } from "@omnifile/core/ChatTranslator"
import { InvalidRequest } from "@omnifile/core/CallError"
import { type Json, type JsonObject, parseObject } from "@omnifile/core/Json"
import * as Effect from "effect/Effect"
import * as Vendors from "./support/vendors.ts"

const { anthropic, gemini, request } = Vendors

const said = (text: string): JsonObject => ({
  type: "message",
  id: "msg_1",
  model: "claude-sonnet-4-5",
  role: "assistant",
  content: [{ type: "text", text }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 5, output_tokens: 7, cache_read_input_tokens: 3, cache_creation_input_tokens: 0 }
})

const generated = (...parts: ReadonlyArray<JsonObject>): JsonObject => ({
  candidates: [{ content: { role: "model", parts }, finishReason: "STOP" }],
  usageMetadata: {
    promptTokenCount: 8,
    cachedContentTokenCount: 3,
    candidatesTokenCount: 7,
    thoughtsTokenCount: 4,
    totalTokenCount: 19
  }
})

const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
  }
}

const turns: JsonObject = {
  messages: [
    { role: "system", content: "Be brief." },
    { role: "user", content: "How warm is it in Oslo and Rome?" },
    {
      role: "assistant",
      content: "",
      tool_calls: [
        { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } },
        { id: "call_2", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } }
      ]
    },
    { role: "tool", tool_call_id: "call_1", content: "5 C" },
    { role: "tool", tool_call_id: "call_2", content: [{ type: "text", text: "20 C" }] },
    { role: "developer", content: "In Fahrenheit." }
  ],
  tools: [weather]
}

const pdf: FilePlacement = {
  id: "file-a",
  contentType: "application/pdf",
  filename: "report.pdf",
  as: { _tag: "Reference", value: "file_011" }
}
const photo: FilePlacement = {
  id: "file-b",
  contentType: "image/png",
  filename: "photo.png",
  as: { _tag: "Inline", sentinel: "c2VudGluZWw", length: 3, open: Effect.succeed(Bytes.fromArray()) }
}
const files = new Map([
  ["file-a", pdf],
  ["file-b", photo]
])

const withFiles: JsonObject = {
  messages: [
    {
      role: "user",
      content: [
        { type: "text", text: "What is this?" },
        { type: "file", file: { file_id: "file-a" } },
        { type: "file", file: { file_id: "file-b" } },
        { type: "image_url", image_url: { url: "data:image/jpeg;base64,iVBORw0KGgoAAA" } },
        { type: "file", file: { filename: "x.pdf", file_data: "data:application/octet-stream;base64,JVBERi0xLjQ=" } }
      ]
    }
  ]
}

/** The value at a path of a body. */
const at = (value: Json | undefined, ...path: ReadonlyArray<string | number>): Json | undefined =>
  path.reduce<Json | undefined>(
    (found, key) =>
      typeof found === "object" && found !== null ? (Reflect.get(found, key) as Json | undefined) : undefined,
    value
  )

describe("a chat completion on Anthropic's models", () => {
  it("goes out as a message, without the key and the address that the model was given", async () => {
    const upstream = Vendors.json(said("Warm."))
    await anthropic.run(request({ ...turns, temperature: 0.5, stop: "END", max_tokens: 99 }), upstream.send)
    const [call] = upstream.calls
    assert.strictEqual(call?.path, "/v1/messages")
    assert.sameMembers(Object.keys(call?.headers ?? {}), ["anthropic-beta", "anthropic-version", "content-type"])
    assert.deepStrictEqual(upstream.bodies, [
      {
        model: "claude-sonnet-4-5",
        max_tokens: 99,
        temperature: 0.5,
        stop_sequences: ["END"],
        system: [{ type: "text", text: "Be brief.\n\nIn Fahrenheit." }],
        messages: [
          { role: "user", content: [{ type: "text", text: "How warm is it in Oslo and Rome?" }] },
          {
            role: "assistant",
            content: [
              { type: "tool_use", id: "call_1", name: "weather", input: { city: "Oslo" } },
              { type: "tool_use", id: "call_2", name: "weather", input: { city: "Rome" } }
            ]
          },
          {
            role: "user",
            content: [
              { type: "tool_result", tool_use_id: "call_1", content: "5 C" },
              { type: "tool_result", tool_use_id: "call_2", content: "20 C" }
            ]
          }
        ],
        tools: [{ name: "weather", description: "The weather in a city", input_schema: weather.function.parameters }]
      }
    ])
  })

  it("comes back as OpenAI answers", async () => {
    const answer = await anthropic.run(
      request({ messages: [{ role: "user", content: "Hi" }] }),
      Vendors.json(said("Hello.")).send
    )
    assert.strictEqual(answer.status, 200)
    assert.deepStrictEqual(await Vendors.bodyOf(answer), {
      id: "chatcmpl-0193",
      object: "chat.completion",
      created: 1_700_000_000,
      model: "smart",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Hello.", refusal: null },
          logprobs: null,
          finish_reason: "stop"
        }
      ],
      usage: {
        prompt_tokens: 8,
        completion_tokens: 7,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 3, audio_tokens: 0 },
        completion_tokens_details: {
          reasoning_tokens: 0,
          audio_tokens: 0,
          accepted_prediction_tokens: 0,
          rejected_prediction_tokens: 0
        }
      }
    })
  })

  it.each([
    ["end_turn", "stop"],
    ["stop_sequence", "stop"],
    ["max_tokens", "length"],
    ["tool_use", "tool_calls"],
    ["refusal", "content_filter"]
  ])("ends with %s as %s", async (reason, expected) => {
    const upstream = Vendors.json({ ...said("Hello."), stop_reason: reason })
    const answer = await anthropic.run(request({ messages: [{ role: "user", content: "Hi" }] }), upstream.send)
    assert.strictEqual(at(await Vendors.bodyOf(answer), "choices", 0, "finish_reason"), expected)
  })

  it("names files by the provider's references, and holds the places of content that is put in later", async () => {
    const upstream = Vendors.json(said("A report."))
    await anthropic.run(request(withFiles, { files }), upstream.send)
    assert.deepStrictEqual(at(upstream.bodies[0], "messages", 0, "content"), [
      { type: "text", text: "What is this?" },
      { type: "document", source: { type: "file", file_id: "file_011" } },
      { type: "image", source: { type: "base64", media_type: "image/png", data: "c2VudGluZWw" } },
      { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgoAAA" } },
      {
        type: "document",
        title: "x.pdf",
        source: { type: "base64", media_type: "application/pdf", data: "JVBERi0xLjQ=" }
      }
    ])
    assert.include(upstream.calls[0]?.headers["anthropic-beta"], "files-api-2025-04-14")
  })

  it("asks for an answer by a schema, and for one tool at a time", async () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string" } },
      required: ["a"],
      additionalProperties: false
    }
    const upstream = Vendors.json(said('{"a":"b"}'))
    const body: JsonObject = {
      ...turns,
      tool_choice: { type: "function", function: { name: "weather" } },
      parallel_tool_calls: false,
      response_format: { type: "json_schema", json_schema: { name: "x", schema, strict: true } }
    }
    await anthropic.run(request(body), upstream.send)
    assert.deepStrictEqual(at(upstream.bodies[0], "output_config", "format", "schema"), schema)
    assert.deepStrictEqual(at(upstream.bodies[0], "tool_choice"), {
      type: "tool",
      name: "weather",
      disable_parallel_tool_use: true
    })
  })

  it("asks in the prompt for JSON without a schema, for which there is no mode", async () => {
    const systemOf = async (body: JsonObject): Promise<unknown> => {
      const upstream = Vendors.json(said("{}"))
      await anthropic.run(request(body), upstream.send)
      assert.notProperty(upstream.bodies[0], "output_config")
      return at(upstream.bodies[0], "system")
    }
    const messages = [{ role: "user", content: "A colour?" }]
    const response_format = { type: "json_object" }
    const [alone] = (await systemOf({ messages, response_format })) as ReadonlyArray<{ readonly text: string }>
    assert.match(alone?.text ?? "", /one valid JSON object and nothing else/)
    assert.deepStrictEqual(
      await systemOf({ messages: [{ role: "system", content: "Be brief." }, ...messages], response_format }),
      [{ type: "text", text: `Be brief.\n\n${alone?.text}` }]
    )
    assert.isUndefined(await systemOf({ messages, response_format: { type: "text" } }))
  })
})

describe("a chat completion on Gemini's models", () => {
  const gem = (body: JsonObject) => request(body, { model: "gemini-2.5-flash", files })

  it("asks for JSON without a schema by the mode that there is", async () => {
    const upstream = Vendors.json(generated({ text: "{}" }))
    const messages = [{ role: "user", content: "A colour?" }]
    await gemini.run(gem({ messages, response_format: { type: "json_object" } }), upstream.send)
    assert.strictEqual(at(upstream.bodies[0], "generationConfig", "responseMimeType"), "application/json")
    assert.notProperty(upstream.bodies[0], "systemInstruction")
  })

  it("goes out as generateContent and comes back with its tool calls and its usage", async () => {
    const upstream = Vendors.json(
      generated({ text: "One moment." }, { functionCall: { id: "c1", name: "weather", args: { city: "Oslo" } } })
    )
    const answer = await gemini.run(gem({ ...turns, seed: 7, top_p: 0.9 }), upstream.send)
    assert.strictEqual(upstream.calls[0]?.path, "/v1beta/models/gemini-2.5-flash:generateContent")
    assert.deepStrictEqual(upstream.calls[0]?.headers, { "content-type": "application/json" })
    const [body] = upstream.bodies
    assert.deepStrictEqual(at(body, "generationConfig"), { topP: 0.9, seed: 7 })
    assert.deepStrictEqual(at(body, "systemInstruction"), { parts: [{ text: "Be brief.\n\nIn Fahrenheit." }] })
    // As many results as calls, in one turn: Gemini refuses anything else.
    assert.strictEqual((at(body, "contents", 2, "parts") as ReadonlyArray<Json>).length, 2)
    const answered = await Vendors.bodyOf(answer)
    assert.deepStrictEqual(at(answered, "choices", 0), {
      index: 0,
      message: {
        role: "assistant",
        content: "One moment.",
        refusal: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } }]
      },
      logprobs: null,
      finish_reason: "tool_calls"
    })
    assert.deepInclude(at(answered, "usage"), { prompt_tokens: 8, completion_tokens: 11, total_tokens: 19 })
    assert.deepStrictEqual(at(answered, "usage", "completion_tokens_details", "reasoning_tokens"), 4)
  })

  it("names files by their addresses", async () => {
    const upstream = Vendors.json(generated({ text: "A report." }))
    await gemini.run(gem(withFiles), upstream.send)
    assert.deepStrictEqual((at(upstream.bodies[0], "contents", 0, "parts") as ReadonlyArray<Json>).slice(1), [
      { fileData: { mimeType: "application/pdf", fileUri: "file_011" } },
      { inlineData: { mimeType: "image/png", data: "c2VudGluZWw" } },
      { inlineData: { mimeType: "image/png", data: "iVBORw0KGgoAAA" } },
      { inlineData: { mimeType: "application/pdf", data: "JVBERi0xLjQ=" } }
    ])
  })

  it("gives structured output together with tools on models that know only one of the two", async () => {
    const schema = { type: "object", properties: { a: { type: "string" } } }
    const upstream = Vendors.json(generated({ text: "Here:" }, { functionCall: { name: "json", args: { a: "b" } } }))
    const answer = await gemini.run(
      gem({ ...turns, response_format: { type: "json_schema", json_schema: { name: "x", schema } } }),
      upstream.send
    )
    const choice = at(await Vendors.bodyOf(answer), "choices", 0)
    assert.strictEqual(at(choice, "message", "content"), '{"a":"b"}')
    assert.strictEqual(at(choice, "message", "tool_calls"), undefined)
    assert.strictEqual(at(choice, "finish_reason"), "stop")
  })

  it("does not fetch what a request names by its address", async () => {
    const content = [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }]
    const failed = await gemini
      .run(gem({ messages: [{ role: "user", content }] }), Vendors.json({}).send)
      .catch((cause: unknown) => cause)
    assert.instanceOf(failed, InvalidRequest)
    assert.strictEqual(failed.param, "messages[0].content[0].image_url.url")
  })
})

describe("a request that cannot be translated", () => {
  const user = { role: "user", content: "Hi" }
  const cases: ReadonlyArray<readonly [body: JsonObject, param: string]> = [
    [{ messages: [user], n: 2 }, "n"],
    [{ messages: [user], logprobs: true }, "logprobs"],
    [{ messages: [user], logit_bias: { 1: 2 } }, "logit_bias"],
    [{ messages: [user], modalities: ["text", "audio"] }, "modalities"],
    [{ messages: [user], temperature: "hot" }, "temperature"],
    [{ messages: [user], reasoning_effort: "huge" }, "reasoning_effort"],
    [{ messages: [user], tools: [{ type: "custom", custom: { name: "x" } }] }, "tools[0].type"],
    [{ messages: [user], tool_choice: { type: "allowed_tools" } }, "tool_choice"],
    [{ messages: [user], response_format: { type: "grammar" } }, "response_format.type"],
    [{ messages: [] }, "messages"],
    [{ messages: [{ role: "function", content: "x" }] }, "messages[0].role"],
    [{ messages: [user, { role: "tool", tool_call_id: "call_9", content: "x" }] }, "messages[1].tool_call_id"],
    [{ messages: [{ role: "user", content: [{ type: "video" }] }] }, "messages[0].content[0].type"],
    [
      { messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file-z" } }] }] },
      "messages[0].content[0].file.file_id"
    ],
    [
      { messages: [{ role: "user", content: [{ type: "file", file: { file_data: "AAAA" } }] }] },
      "messages[0].content[0].file.file_data"
    ]
  ]
  it.each(cases)("%j is refused for its %s, and nothing is sent", async (body, param) => {
    const upstream = Vendors.json(said("Hello."))
    const failed = await anthropic.run(request(body), upstream.send).catch((cause: unknown) => cause)
    assert.instanceOf(failed, InvalidRequest)
    assert.strictEqual(failed.param, param)
    assert.strictEqual(upstream.calls.length, 0)
  })

  it("is refused for what the model's own code has no words for", async () => {
    const content = [{ type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }]
    const failed = await anthropic
      .run(request({ messages: [{ role: "user", content }] }), Vendors.json({}).send)
      .catch((cause: unknown) => cause)
    assert.instanceOf(failed, InvalidRequest)
  })

  it("tells which fields are left out", () => {
    const body = { messages: [], user: "u", store: false, metadata: {}, service_tier: "flex", temperature: 1 }
    assert.deepStrictEqual(anthropic.ignored({ wire: "chat", body }), ["user", "service_tier"])
  })
})

describe("one line of a batch", () => {
  const body: JsonObject = { messages: [{ role: "user", content: "Hi" }] }

  it("is encoded as the provider's request and decoded from its answer", async () => {
    const encoded = await anthropic.encode(request({ ...body, max_tokens: 5, stream: true }))
    assert.deepStrictEqual(
      [encoded.path, parseObject(encoded.body)],
      [
        "/v1/messages",
        {
          model: "claude-sonnet-4-5",
          max_tokens: 5,
          messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }]
        }
      ]
    )
    const decoded = await anthropic.decode(request(body), said("Hello."))
    assert.strictEqual(at(decoded, "choices", 0, "message", "content"), "Hello.")
    const gem = request(body, { model: "gemini-2.5-flash" })
    const generate = await gemini.encode(gem)
    assert.deepStrictEqual(
      [generate.path, parseObject(generate.body)],
      [
        "/v1beta/models/gemini-2.5-flash:generateContent",
        { contents: [{ role: "user", parts: [{ text: "Hi" }] }], generationConfig: {} }
      ]
    )
    const answer = await gemini.decode(gem, generated({ text: "Hello." }))
    assert.strictEqual(at(answer, "choices", 0, "message", "content"), "Hello.")
  })
})

describe("an answer that is none, for all that its status is one of success", () => {
  const plain: JsonObject = { messages: [{ role: "user", content: "Hi" }] }

  it("has the status and the words of the error in it", async () => {
    const refusal = { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } }
    const overloaded = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }
    for (const [translator, body, status, words] of [
      [gemini, refusal, 503, "The model is overloaded."],
      [anthropic, overloaded, 502, "Overloaded"]
    ] as const) {
      const answer = await translator.run(request(plain), Vendors.json(body).send)
      assert.strictEqual(answer.status, status)
      assert.include(await Vendors.textOf(answer), words)
    }
  })

  it("is a failure where it says nothing, or broke off", async () => {
    for (const body of [{}, { candidates: [{ content: {}, finishReason: "MALFORMED_FUNCTION_CALL" }] }]) {
      assert.strictEqual((await gemini.run(request(plain), Vendors.json(body).send)).status, 502)
    }
  })

  it("is an answer where the provider says why there is nothing", async () => {
    for (const body of [{ promptFeedback: { blockReason: "SAFETY" } }, { candidates: [{ finishReason: "SAFETY" }] }]) {
      const answer = await gemini.run(request(plain), Vendors.json(body).send)
      assert.include(await Vendors.textOf(answer), '"finish_reason":"content_filter"')
    }
  })
})

it("an answer with calls ends for them, whatever its provider calls the end", async () => {
  const parts = [{ functionCall: { id: "c1", name: "now", args: {} } }]
  const answer = { candidates: [{ content: { role: "model", parts }, finishReason: "SOMETHING_NEW" }] }
  const body: JsonObject = { messages: [{ role: "user", content: "Hi" }] }
  const whole = await gemini.run(request(body), Vendors.json(answer).send)
  assert.include(await Vendors.textOf(whole), '"finish_reason":"tool_calls"')
  const stream = await gemini.run(request({ ...body, stream: true }), Vendors.sse(answer).send)
  assert.include(await Vendors.textOf(stream), '"finish_reason":"tool_calls"')
})
