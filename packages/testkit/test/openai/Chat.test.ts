import { assert, describe, it } from "@effect/vitest"
import { BadRequestError } from "openai"
import type OpenAI from "openai"
import { request as undici } from "undici"
import { ask, failure, sha256, start, upload } from "./harness.ts"

describe("chat", () => {
  it("names the account and what it found in the file", async () => {
    const { client } = await start({ now: () => 1_700_000_000_000 })
    const { id } = await upload(client, "notes.txt", "hello")
    const answer = await client.chat.completions.create({ model: "gpt-4o-mini", messages: ask(id) })
    assert.strictEqual(
      answer.choices[0]?.message.content,
      [
        "Answer from alpha (model gpt-4o-mini).",
        `File 1: notes.txt, 5 bytes, sha256 ${sha256(Buffer.from("hello")).slice(0, 16)}.`,
        "Prompt: What is in it?"
      ].join("\n")
    )
    assert.strictEqual(answer.choices[0]?.finish_reason, "stop")
    assert.strictEqual(answer.model, "gpt-4o-mini")
    assert.strictEqual(answer.created, 1_700_000_000)
    assert.strictEqual(answer.usage?.prompt_tokens, 6)
    assert.strictEqual(answer.usage?.total_tokens, 6 + (answer.usage?.completion_tokens ?? 0))
  })

  it("finds files in messages of every role, and inline files", async () => {
    const { client } = await start()
    const { id } = await upload(client, "one.txt", "1")
    const answer = await client.chat.completions.create({
      model: "m",
      messages: [
        { role: "system", content: [{ type: "file", file: { file_id: id } }] as never },
        {
          role: "user",
          content: [{ type: "file", file: { filename: "two.txt", file_data: "data:text/plain;base64,MjI=" } }]
        }
      ]
    })
    assert.match(answer.choices[0]?.message.content ?? "", /File 1: one\.txt, 1 bytes.*\nFile 2: two\.txt, 2 bytes/)
    const refused = await failure(
      client.chat.completions.create({
        model: "m",
        messages: [{ role: "system", content: [{ type: "file", file: { file_id: "file-none" } }] as never }]
      })
    )
    assert.instanceOf(refused, BadRequestError)
    assert.deepStrictEqual(refused.error, {
      message: "No such File object: file-none",
      type: "invalid_request_error",
      param: "messages[0].content[0].file.file_id",
      code: null
    })
  })

  it("streams the same text", async () => {
    const { client, emulator } = await start()
    const { id } = await upload(client)
    const stream = client.chat.completions.stream({ model: "m", messages: ask(id) })
    const streamed = await stream.finalChatCompletion()
    const plain = await client.chat.completions.create({ model: "m", messages: ask(id) })
    assert.strictEqual(streamed.choices[0]?.message.content, plain.choices[0]?.message.content)
    assert.strictEqual(streamed.choices[0]?.finish_reason, "stop")
    const entry = await emulator.waitFor((each) => each.route === "chat" && each.events > 0 && each.done)
    assert.isFalse(entry.aborted)
  })

  it("adds usage to the stream when asked, and only then", async () => {
    const { client } = await start({ stream: { events: 4 } })
    const chunks = async (options: { include_usage: boolean }) => {
      const all: Array<OpenAI.ChatCompletionChunk> = []
      const stream = await client.chat.completions.create({
        model: "m",
        messages: [{ role: "user", content: "hi" }],
        stream: true,
        stream_options: options
      })
      for await (const chunk of stream) all.push(chunk)
      return all
    }
    const without = await chunks({ include_usage: false })
    assert.strictEqual(without.length, 1 + 4 + 1)
    assert.isTrue(without.every((chunk) => !("usage" in chunk)))
    const counted = await chunks({ include_usage: true })
    assert.strictEqual(counted.length, 1 + 4 + 1 + 1)
    assert.deepStrictEqual(counted.at(-1)?.choices, [])
    assert.isAbove(counted.at(-1)?.usage?.total_tokens ?? 0, 0)
    assert.isTrue(counted.slice(0, -1).every((chunk) => chunk.usage === null))
  })

  it("sends as many events as configured, however short or long the text", async () => {
    const { client } = await start({ accounts: [{ name: "alpha", key: "sk-alpha", stream: { events: 500 } }] })
    let content = 0
    const stream = await client.chat.completions.create({
      model: "m",
      messages: [{ role: "user", content: "hi" }],
      stream: true
    })
    for await (const chunk of stream) if ((chunk.choices[0]?.delta.content ?? "") !== "") content += 1
    assert.strictEqual(content, 500)
  })

  it.each<[string, unknown, string | null]>([
    ["no model", { messages: [{ role: "user", content: "hi" }] }, "model"],
    ["no messages", { model: "m" }, "messages"],
    ["no message", { model: "m", messages: [] }, "messages"],
    ["a message without role", { model: "m", messages: [{ content: "hi" }] }, "messages[0].role"],
    [
      "a file part without a file",
      { model: "m", messages: [{ role: "user", content: [{ type: "file", file: {} }] }] },
      "messages[0].content[0].file.file_id"
    ]
  ])("refuses %s", async (_, body, param) => {
    const { client } = await start()
    const refused = await failure(client.post("/chat/completions", { body: body as object }))
    assert.instanceOf(refused, BadRequestError)
    assert.strictEqual(refused.param, param)
  })

  it("refuses what is not JSON", async () => {
    const { emulator } = await start()
    const response = await undici(`${emulator.baseUrl}/chat/completions`, {
      method: "POST",
      headers: { authorization: "Bearer sk-alpha" },
      body: "{"
    })
    assert.strictEqual(response.statusCode, 400)
    await response.body.dump()
    assert.strictEqual(emulator.journal[0]?.body, "{")
  })

  it("stops when the client hangs up, and journals it", async () => {
    const { client, emulator } = await start({ stream: { events: 1_000_000 } })
    const stream = await client.chat.completions.create({
      model: "m",
      messages: [{ role: "user", content: "hi" }],
      stream: true
    })
    let seen = 0
    for await (const chunk of stream) {
      assert.strictEqual(chunk.object, "chat.completion.chunk")
      seen += 1
      if (seen === 5) break
    }
    const entry = await emulator.waitFor((each) => each.done)
    assert.isTrue(entry.aborted)
    assert.isFalse(entry.cut)
    assert.strictEqual(entry.status, 200)
    assert.isAtLeast(entry.events, 5)
    assert.isBelow(entry.events, 1_000_000)
  })
})
