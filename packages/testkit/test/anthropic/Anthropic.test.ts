/** The Anthropic emulator, judged by the official SDK in both generations of its wire. */
import Anthropic, { NotFoundError, toFile } from "@anthropic-ai/sdk"
import Earlier from "@anthropic-ai/sdk-0.137"
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import * as AnthropicEmulator from "../../src/AnthropicEmulator.ts"

const { FileExpiredError, FileNotDownloadableError, StorageQuotaExceededError } = Anthropic

const start = async (now?: () => number) => {
  const emulator = await AnthropicEmulator.start({ accounts: [{ name: "alpha", key: "sk-alpha" }], now })
  onTestFinished(() => emulator.close())
  const options = { apiKey: "sk-alpha", baseURL: emulator.baseUrl, maxRetries: 0 }
  const client = new Anthropic(options)
  const upload = async (text = "hello", expires_in_seconds?: number) =>
    client.files.upload({
      file: await toFile(Buffer.from(text), "notes.txt", { type: "text/plain" }),
      ...(expires_in_seconds === undefined ? {} : { expires_in_seconds })
    })
  return { client, earlier: new Earlier(options), emulator, upload }
}

const failure = (call: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(call).then(
    () => assert.fail("the call succeeded"),
    (error: unknown) => error
  )

const asking = (text: string, ...blocks: ReadonlyArray<Anthropic.ContentBlockParam>) =>
  ({
    model: "claude",
    max_tokens: 100,
    messages: [{ role: "user", content: [...blocks, { type: "text", text }] }]
  }) satisfies Anthropic.MessageCreateParams

const document = (file_id: string): Anthropic.ContentBlockParam => ({
  type: "document",
  source: { type: "file", file_id }
})

describe("files", () => {
  it("are listed in pages of two shapes, by the header of the beta", async () => {
    const { client, earlier, upload } = await start()
    const ids: Array<string> = []
    for (let count = 0; count < 5; count += 1) ids.push((await upload(String(count))).id)
    const listed = async (pages: AsyncIterable<{ readonly id: string }>) => {
      const found: Array<string> = []
      for await (const { id } of pages) found.push(id)
      return found
    }
    assert.deepStrictEqual(await listed(client.files.list({ limit: 2 })), ids.toReversed())
    const beta = earlier.beta.files.list({ limit: 2, betas: ["files-api-2025-04-14"] })
    assert.isString((await client.files.list({ limit: 2 })).next_page)
    const [first = ""] = ids
    const metadata = await earlier.beta.files.retrieveMetadata(first, { betas: ["files-api-2025-04-14"] })
    assert.deepInclude(metadata, { type: "file", filename: "notes.txt", size_bytes: 1, mime_type: "text/plain" })
    const raw = await beta.asResponse()
    assert.hasAllKeys(await raw.json(), ["data", "has_more", "first_id", "last_id"])
    assert.deepInclude(await client.files.delete(first), { id: first, type: "file_deleted" })
    assert.instanceOf(await failure(client.files.retrieveMetadata(first)), NotFoundError)
  })

  it("that have expired are told from those that never were, and are described for thirty days", async () => {
    let now = 1_700_000_000_000
    const { client, upload } = await start(() => now)
    const { id } = await upload("hello", 3_600)
    now += 3_600_000
    const expired = await failure(client.messages.create(asking("?", document(id))))
    assert.instanceOf(expired, FileExpiredError)
    assert.strictEqual((await client.files.retrieveMetadata(id)).id, id)
    assert.instanceOf(await failure(client.files.download(id)), FileExpiredError)
    const missing = await failure(client.messages.create(asking("?", document("file_none"))))
    assert.instanceOf(missing, NotFoundError)
    assert.notInstanceOf(missing, FileExpiredError)
    now += 31 * 86_400_000
    const forgotten = await failure(client.files.retrieveMetadata(id))
    assert.notInstanceOf(forgotten, FileExpiredError)
  })

  it("expire and are lost when a test says so", async () => {
    const { client, emulator, upload } = await start()
    const { id } = await upload()
    assert.isTrue(emulator.expireFile("alpha", id))
    assert.isFalse(emulator.expireFile("alpha", id))
    assert.instanceOf(await failure(client.messages.create(asking("?", document(id)))), FileExpiredError)
  })

  it("are refused beyond the quota, until one is deleted", async () => {
    const { client, emulator, upload } = await start()
    emulator.setQuota("alpha", { bytes: 8 })
    const { id } = await upload("12345")
    assert.instanceOf(await failure(upload("67890")), StorageQuotaExceededError)
    await client.files.delete(id)
    await upload("67890")
    emulator.setQuota("alpha", { files: 1 })
    assert.instanceOf(await failure(upload("1")), StorageQuotaExceededError)
    assert.instanceOf(
      await failure(client.files.download((await client.files.list()).data[0]?.id ?? "")),
      FileNotDownloadableError
    )
  })
})

describe("messages", () => {
  const tools = [
    { name: "get_time", input_schema: { type: "object" as const, properties: { zone: { type: "string" } } } },
    { name: "get_weather", input_schema: { type: "object" as const, properties: { city: { type: "string" } } } }
  ]

  it("call the tools that the prompt names, plain and streamed", async () => {
    const { client } = await start()
    const request = { ...asking('call get_weather {"city":"Oslo"}'), tools }
    const whole = await client.messages.create(request)
    const streamed = await client.messages.stream(request).finalMessage()
    for (const message of [whole, streamed]) {
      assert.strictEqual(message.stop_reason, "tool_use")
      assert.deepInclude(message.content[0], { type: "tool_use", name: "get_weather", input: { city: "Oslo" } })
    }
    const [call] = whole.content
    assert(call?.type === "tool_use")
    const answer = await client.messages.create({
      ...request,
      messages: [
        ...request.messages,
        { role: "assistant", content: whole.content },
        { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "rain" }] }
      ]
    })
    assert.strictEqual(answer.stop_reason, "end_turn")
    const forced = await client.messages.create({ ...asking("hello"), tools, tool_choice: { type: "any" } })
    assert.deepInclude(forced.content[0], { name: "get_time", input: { zone: "text" } })
    const none = await client.messages.create({ ...request, tool_choice: { type: "none" } })
    assert.strictEqual(none.content[0]?.type, "text")
  })

  it("have the shape that is asked for, and end as the prompt says", async () => {
    const { client } = await start()
    const schema = {
      type: "object",
      properties: { name: { type: "string" }, ages: { type: "array", items: { type: "integer" } } }
    }
    const message = await client.messages.create({
      ...asking("hello\nfinish max_tokens"),
      output_config: { format: { type: "json_schema", schema } }
    })
    assert.deepInclude(message.content[0], { type: "text", text: '{"name":"text","ages":[1]}' })
    assert.strictEqual(message.stop_reason, "max_tokens")
  })
})

describe("batches", () => {
  const requests = (...prompts: ReadonlyArray<string>) =>
    prompts.map((prompt, index) => ({ custom_id: `l-${index}`, params: asking(prompt) }))

  it("run, count nothing until the end, and answer in another order", async () => {
    const { client, earlier, emulator, upload } = await start()
    const { id: fileId } = await upload()
    const created = await client.messages.batches.create({
      requests: [
        ...requests("one", "two"),
        { custom_id: "file", params: asking("read", document(fileId)) },
        { custom_id: "lost", params: asking("read", document("file_none")) }
      ]
    })
    assert.strictEqual(created.processing_status, "in_progress")
    assert.deepStrictEqual(
      { ...created.request_counts },
      { processing: 4, succeeded: 0, errored: 0, canceled: 0, expired: 0 }
    )
    assert.match(String(await failure(client.messages.batches.results(created.id))), /Has it finished processing/)
    emulator.advanceBatches("alpha")
    const ended = await client.messages.batches.retrieve(created.id)
    assert.deepInclude(ended.request_counts, { processing: 0, succeeded: 3, errored: 1 })
    const seen: Array<string> = []
    for await (const { custom_id, result } of await client.messages.batches.results(created.id)) {
      seen.push(`${custom_id} ${result.type}`)
      if (custom_id === "file" && result.type === "succeeded") {
        assert.include(JSON.stringify(result.message.content), "File 1: notes.txt, 5 bytes")
      }
      if (result.type === "errored") assert.strictEqual(result.error.error.type, "not_found_error")
    }
    assert.deepStrictEqual(seen, ["lost errored", "file succeeded", "l-1 succeeded", "l-0 succeeded"])
    const earlierSeen: Array<string> = []
    for await (const { custom_id } of await earlier.messages.batches.results(created.id)) earlierSeen.push(custom_id)
    assert.strictEqual(earlierSeen.length, 4)
    assert.deepInclude(await client.messages.batches.delete(created.id), {
      id: created.id,
      type: "message_batch_deleted"
    })
    assert.instanceOf(await failure(client.messages.batches.retrieve(created.id)), NotFoundError)
  })

  it("are listed newest first, and go on when they are asked for", async () => {
    const { client, emulator } = await start()
    const ids: Array<string> = []
    for (let count = 0; count < 5; count += 1) {
      ids.push((await client.messages.batches.create({ requests: requests("x") })).id)
    }
    const listed: Array<string> = []
    for await (const { id } of client.messages.batches.list({ limit: 2 })) listed.push(id)
    assert.deepStrictEqual(listed, ids.toReversed())
    emulator.setBatches("alpha", { pollsPerStep: 2 })
    const [id = ""] = ids
    assert.strictEqual((await client.messages.batches.retrieve(id)).processing_status, "in_progress")
    assert.strictEqual((await client.messages.batches.retrieve(id)).processing_status, "ended")
    assert.strictEqual(emulator.batches("alpha")[0]?.status, "ended")
  })

  it("can be cancelled, with what was under way", async () => {
    const { client, emulator } = await start()
    const { id } = await client.messages.batches.create({ requests: requests("one", "two") })
    assert.strictEqual((await client.messages.batches.cancel(id)).processing_status, "canceling")
    emulator.advanceBatches("alpha")
    const { request_counts: counts } = await client.messages.batches.retrieve(id)
    assert.deepInclude(counts, { succeeded: 1, canceled: 1 })
  })

  it.each([
    ["a custom ID of other characters", [{ custom_id: "a.b", params: asking("x") }]],
    ["one that is too long", [{ custom_id: "x".repeat(65), params: asking("x") }]],
    ["two that are the same", [...requests("x"), ...requests("y")]],
    ["no request", []]
  ])("refuse %s", async (_, refused) => {
    const { client } = await start()
    const error = await failure(client.messages.batches.create({ requests: refused }))
    assert.strictEqual((error as { status?: number }).status, 400)
  })
})
