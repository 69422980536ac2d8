/** The Groq emulator, judged by the official SDK. */
import { assert, it, onTestFinished } from "@effect/vitest"
import Groq, { APIError, BadRequestError, NotFoundError, toFile } from "groq-sdk"
import * as GroqEmulator from "../../src/GroqEmulator.ts"

const start = async () => {
  const emulator = await GroqEmulator.start({ accounts: [{ name: "alpha", key: "gsk-alpha" }] })
  onTestFinished(() => emulator.close())
  const client = new Groq({ apiKey: "gsk-alpha", baseURL: new URL(emulator.baseUrl).origin, maxRetries: 0 })
  return { client, emulator }
}

const failure = async (call: PromiseLike<unknown>): Promise<APIError> => {
  try {
    await call
  } catch (error) {
    assert.instanceOf(error, APIError)
    return error
  }
  return assert.fail("the call succeeded")
}

const line = (custom_id: string) =>
  JSON.stringify({
    custom_id,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "llama", messages: [{ role: "user", content: custom_id }] }
  })

it("files have no status, and lists no pages", async () => {
  const { client } = await start()
  const file = await toFile(Buffer.from(line("a")), "in.jsonl")
  const created = await client.files.create({ file, purpose: "batch" })
  const id = String(created.id)
  assert.notProperty(created, "status")
  assert.deepInclude(await client.files.info(id), { filename: "in.jsonl", purpose: "batch" })
  assert.hasAllKeys(await client.files.list(), ["object", "data"])
  assert.strictEqual(await (await client.files.content(id)).text(), line("a"))
  assert.deepInclude(await client.files.delete(id), { id, deleted: true })
  assert.instanceOf(await failure(client.files.info(id)), NotFoundError)
})

it("files are lines of batches, and nothing else", async () => {
  const { client } = await start()
  const pdf = await toFile(Buffer.from("%PDF-1.7"), "a.pdf")
  assert.instanceOf(await failure(client.files.create({ file: pdf, purpose: "batch" })), BadRequestError)
  const lines = await toFile(Buffer.from("{}"), "in.jsonl")
  const call = client.files.create({ file: lines, purpose: "user_data" as "batch" })
  assert.instanceOf(await failure(call), BadRequestError)
})

it("batches run, chats answer, and a chat has no files", async () => {
  const { client, emulator } = await start()
  const file = await toFile(Buffer.from([line("a"), line("b")].join("\n")), "in.jsonl")
  const { id } = await client.files.create({ file, purpose: "batch" })
  const batch = await client.batches.create({
    input_file_id: String(id),
    endpoint: "/v1/chat/completions",
    completion_window: "7d"
  })
  emulator.advanceBatches("alpha")
  emulator.advanceBatches("alpha")
  const ended = await client.batches.retrieve(batch.id)
  assert.deepInclude(ended.request_counts, { total: 2, completed: 2, failed: 0 })
  assert.include(await (await client.files.content(String(ended.output_file_id))).text(), "Prompt: b")
  const messages = (content: unknown) => [{ role: "user", content }] as Array<Groq.Chat.ChatCompletionUserMessageParam>
  const answer = await client.chat.completions.create({ model: "llama", messages: messages("hello") })
  assert.include(answer.choices[0]?.message.content, "Prompt: hello")
  const asked = client.chat.completions.create({
    model: "llama",
    messages: messages([{ type: "file", file: { file_id: id } }])
  })
  assert.instanceOf(await failure(asked), BadRequestError)
})
