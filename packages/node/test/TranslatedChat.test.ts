/** OpenAI's official client on models whose providers speak another wire. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as GeminiEmulator from "@omnifile/testkit/GeminiEmulator"
import type { RouteName } from "@omnifile/testkit/OpenAIEmulator"
import type OpenAI from "openai"
import { APIError, BadRequestError, toFile } from "openai"
import * as Wires from "./support/wires.ts"

const wires: ReadonlyArray<Wires.Wire> = [
  { name: "anthropic", model: "claude-sonnet-4-5", start: AnthropicEmulator.start },
  { name: "gemini", model: "gemini-2.5-flash", start: GeminiEmulator.start }
]

/** What the emulators call the call that makes an answer. */
const routes: Readonly<Record<string, { readonly whole: RouteName; readonly streamed: RouteName }>> = {
  anthropic: { whole: "messages", streamed: "messages" },
  gemini: { whole: "generate", streamed: "generate.stream" }
}

let world: Wires.Wires
beforeAll(async () => {
  world = await Wires.install(wires)
})
afterAll(() => world.close())

const weather: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: {
    name: "weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
  }
}

const pdf = () => toFile(Buffer.from("%PDF-1.7\nA report.\n"), "report.pdf", { type: "application/pdf" })

describe.each(wires.map(({ name }) => name))("the official client on %s", (model) => {
  const route = routes[model] ?? { whole: "messages", streamed: "messages" }

  const ask = (content: string, more: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {}) =>
    world.client.chat.completions.create({ model, messages: [{ role: "user", content }], ...more })

  it("gets an answer with its usage, under the model's own name", async () => {
    const answer = await ask("Hello")
    assert.strictEqual(answer.model, model)
    assert.strictEqual(answer.choices[0]?.finish_reason, "stop")
    assert.include(answer.choices[0]?.message.content, "Prompt: Hello")
    assert.isAbove(answer.usage?.prompt_tokens ?? 0, 0)
    assert.strictEqual(
      answer.usage?.total_tokens,
      (answer.usage?.prompt_tokens ?? 0) + (answer.usage?.completion_tokens ?? 0)
    )
  })

  it("names an uploaded file, of which the provider gets one copy by its own name", async () => {
    const file = await world.client.files.create({ file: await pdf(), purpose: "user_data" })
    const before = world.emulator(model).files(model).length
    const content = (stream: boolean): OpenAI.ChatCompletionMessageParam => ({
      role: "user",
      content: [
        { type: "text", text: `What is it? ${stream}` },
        { type: "file", file: { file_id: file.id } }
      ]
    })
    const whole = await world.client.chat.completions.create({ model, messages: [content(false)] })
    const stream = world.client.chat.completions.stream({ model, messages: [content(true)] })
    const text = await stream.finalContent()
    for (const answer of [whole.choices[0]?.message.content, text]) assert.include(answer, "19 bytes, sha256")
    assert.isAtMost(world.emulator(model).files(model).length, before + 1)
    await world.client.files.delete(file.id)
  })

  it("is counted as much for a stream that says nothing of it as for a whole answer", async () => {
    const used = async (params: OpenAI.ChatCompletionCreateParams) => {
      const sum = async () => {
        const { data } = (await world.client.get("/usage")) as { data: ReadonlyArray<Record<string, number>> }
        return data[0]
      }
      const before = await sum()
      const answer = await world.client.chat.completions.create(params)
      if (Symbol.asyncIterator in answer) for await (const { usage } of answer) assert.isNotOk(usage)
      const after = await sum()
      return ["calls", "input_tokens", "output_tokens"].map((name) => (after?.[name] ?? 0) - (before?.[name] ?? 0))
    }
    const messages = [{ role: "user", content: "Count." }] as const
    const whole = await used({ model, messages: [...messages] })
    assert.strictEqual(whole[0], 1)
    assert.isAbove(whole[2] ?? 0, 0)
    assert.deepStrictEqual(await used({ model, messages: [...messages], stream: true }), whole)
  })

  it("has the model call a tool and gives it the result", async () => {
    const messages: Array<OpenAI.ChatCompletionMessageParam> = [
      { role: "user", content: 'call weather {"city":"Oslo"}\ncall weather {"city":"Rome"}' }
    ]
    const first = await world.client.chat.completions.create({ model, messages, tools: [weather] })
    const [choice] = first.choices
    assert.strictEqual(choice?.finish_reason, "tool_calls")
    const calls = choice?.message.tool_calls ?? []
    assert.deepStrictEqual(
      calls.map((call) => (call.type === "function" ? call.function.arguments : "")),
      ['{"city":"Oslo"}', '{"city":"Rome"}']
    )
    if (choice === undefined) return
    messages.push(choice.message)
    for (const { id } of calls) messages.push({ role: "tool", tool_call_id: id, content: "5 C" })
    const second = await world.client.chat.completions.create({ model, messages, tools: [weather] })
    assert.strictEqual(second.choices[0]?.finish_reason, "stop")
  })

  it("streams text, tool calls and usage", async () => {
    const stream = world.client.chat.completions.stream({
      model,
      messages: [{ role: "user", content: 'call weather {"city":"Oslo"}' }],
      tools: [weather],
      stream_options: { include_usage: true }
    })
    const final = await stream.finalChatCompletion()
    const [call] = final.choices[0]?.message.tool_calls ?? []
    assert.strictEqual(final.choices[0]?.finish_reason, "tool_calls")
    assert.strictEqual(call?.type === "function" ? call.function.arguments : "", '{"city":"Oslo"}')
    assert.isAbove((await stream.totalUsage()).total_tokens, 0)
  })

  it("gets an answer in the shape of a schema", async () => {
    const schema = {
      type: "object",
      properties: { city: { type: "string" }, warm: { type: "boolean" } },
      required: ["city", "warm"],
      additionalProperties: false
    }
    const answer = await ask("Where is it warm?", {
      response_format: { type: "json_schema", json_schema: { name: "place", schema, strict: true } }
    })
    assert.deepStrictEqual(JSON.parse(answer.choices[0]?.message.content ?? ""), { city: "text", warm: true })
  })

  it("gets a response, whole and as events", async () => {
    const whole = await world.client.responses.create({ model, instructions: "Be brief.", input: "Hello" })
    assert.include(whole.output_text, "Prompt: Hello")
    assert.strictEqual(whole.status, "completed")
    const events: Array<string> = []
    const stream = world.client.responses
      .stream({
        model,
        input: 'call weather {"city":"Oslo"}',
        tools: [
          { ...weather.function, type: "function", strict: false, parameters: weather.function.parameters ?? null }
        ]
      })
      .on("event", ({ type }) => events.push(type))
    const final = await stream.finalResponse()
    assert.strictEqual(events[0], "response.created")
    assert.strictEqual(events.at(-1), "response.completed")
    assert.deepStrictEqual(
      final.output.flatMap((item) => (item.type === "function_call" ? [[item.name, item.arguments]] : [])),
      [["weather", '{"city":"Oslo"}']]
    )
    const missing = await world.client.responses.retrieve(final.id).catch((cause: unknown) => cause)
    assert.instanceOf(missing, APIError)
    assert.strictEqual(missing.status, 404)
  })

  it("is refused what the provider cannot do, without asking it", async () => {
    const before = world.emulator(model).journal.length
    const refused = await ask("Hello", { n: 2 }).catch((cause: unknown) => cause)
    assert.instanceOf(refused, BadRequestError)
    assert.strictEqual(refused.param, "n")
    const kept = await world.client.responses
      .create({ model, input: "Hello", background: true })
      .catch((cause: unknown) => cause)
    assert.instanceOf(kept, BadRequestError)
    assert.strictEqual(kept.param, "background")
    assert.strictEqual(world.emulator(model).journal.length, before)
  })

  it("gets the provider's refusal in OpenAI's form", async () => {
    world.emulator(model).fault({ route: route.whole, kind: { status: 400 }, times: 1 })
    const refused = await ask("Hello").catch((cause: unknown) => cause)
    assert.instanceOf(refused, BadRequestError)
    world.emulator(model).clearFaults()
  })

  const streamed = (options: { signal?: AbortSignal } = {}) =>
    world.client.chat.completions.create(
      { model, stream: true, messages: [{ role: "user", content: "Hello" }] },
      options
    )

  it("does not take a stream for whole that breaks off", async () => {
    const broken = world.emulator(model).fault({ route: route.streamed, kind: { cutStreamAfterEvents: 4 } })
    const failed = await (async () => {
      for await (const _ of await streamed());
    })().catch((cause: unknown) => cause)
    broken.clear()
    assert.instanceOf(failed, Error)
  })

  it("leaves, and the provider's stream is broken off", async () => {
    const slow = world
      .emulator(model)
      .fault({ route: route.streamed, kind: { slowBytesPerSecond: 2_000, of: "response" } })
    const abort = new AbortController()
    const stream = await streamed({ signal: abort.signal })
    for await (const _ of stream) break
    abort.abort()
    const entry = world.emulator(model).journal.at(-1)
    await world.emulator(model).waitFor((other) => other === entry && other.aborted)
    slow.clear()
  })

  it("never shows a provider what stands in for its key", () => {
    const requests = JSON.stringify(world.emulator(model).journal.map(({ headers }) => headers))
    assert.notInclude(requests, '"none"')
    assert.notInclude(requests, "ai-sdk")
  })
})
