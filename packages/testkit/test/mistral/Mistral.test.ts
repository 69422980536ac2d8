/** The Mistral emulator, judged by the official SDK. */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
// The parts of the SDK that are judged by: all of it takes a second more to load.
import { Batch } from "@mistralai/mistralai/sdk/batch.js"
import { Chat } from "@mistralai/mistralai/sdk/chat.js"
import { Files } from "@mistralai/mistralai/sdk/files.js"
import * as MistralEmulator from "../../src/MistralEmulator.ts"
import { sha256 } from "../openai/harness.ts"

const start = async () => {
  const emulator = await MistralEmulator.start({ accounts: [{ name: "alpha", key: "m-alpha" }] })
  onTestFinished(() => emulator.close())
  const serverURL = new URL(emulator.baseUrl).origin
  const options = { apiKey: "m-alpha", serverURL, retryConfig: { strategy: "none" as const } }
  const client = { files: new Files(options), chat: new Chat(options), batch: new Batch(options) }
  const upload = (content: string, purpose: "ocr" | "batch" | "fine-tune", fileName = "notes.txt") =>
    client.files.upload({ file: { fileName, content: Buffer.from(content) }, purpose })
  return { client, emulator, upload }
}

const failure = (call: PromiseLike<unknown>): Promise<{ readonly statusCode?: number; readonly body?: string }> =>
  Promise.resolve(call).then(
    () => assert.fail("the call succeeded"),
    (error: unknown) => error as { statusCode?: number; body?: string }
  )

const textOf = async (stream: ReadableStream<Uint8Array>): Promise<string> => new Response(stream).text()

const model = "mistral-small"

describe("files", () => {
  it("are uploaded, described, read back and deleted", async () => {
    const { client, emulator, upload } = await start()
    const created = await upload("hello", "ocr")
    assert.match(created.id, /^[0-9a-f-]{36}$/)
    assert.deepInclude(created, { filename: "notes.txt", purpose: "ocr", sizeBytes: 5, source: "upload" })
    assert.strictEqual(emulator.files("alpha")[0]?.sha256, sha256(Buffer.from("hello")))
    assert.deepInclude(await client.files.retrieve({ fileId: created.id }), { id: created.id, sizeBytes: 5 })
    assert.strictEqual(await textOf(await client.files.download({ fileId: created.id })), "hello")
    assert.deepInclude(await client.files.delete({ fileId: created.id }), { id: created.id, deleted: true })
    assert.strictEqual((await failure(client.files.retrieve({ fileId: created.id }))).statusCode, 404)
  })

  it("are listed by the number of the page, the first of which is zero", async () => {
    const { client, upload } = await start()
    const ids: Array<string> = []
    for (let count = 0; count < 5; count += 1) ids.push((await upload(String(count), "ocr")).id)
    await upload("{}", "batch", "b.jsonl")
    const pages = await Promise.all(
      [0, 1, 2, 3].map((page) => client.files.list({ page, pageSize: 2, purpose: "ocr" }))
    )
    assert.deepStrictEqual(
      pages.flatMap(({ data }) => data.map(({ id }) => id)),
      ids.toReversed()
    )
    assert.strictEqual(pages[0]?.total, 5)
  })

  it("have one of three purposes", async () => {
    const { client } = await start()
    const file = { fileName: "a.txt", content: Buffer.from("a") }
    assert.strictEqual((await failure(client.files.upload({ file, purpose: "user_data" as "ocr" }))).statusCode, 400)
  })
})

it("a chat has files in the part itself", async () => {
  const { client, upload } = await start()
  const { id } = await upload("hello", "ocr")
  const content = (fileId: string) => [
    { type: "file" as const, fileId },
    { type: "text" as const, text: "what?" }
  ]
  const ask = (fileId: string) =>
    client.chat.complete({ model, messages: [{ role: "user", content: content(fileId) }] })
  assert.include(String((await ask(id)).choices[0]?.message?.content), "File 1: notes.txt, 5 bytes")
  assert.strictEqual((await failure(ask("none"))).statusCode, 400)
  let text = ""
  for await (const { data } of await client.chat.stream({ model, messages: [{ role: "user", content: "tell" }] })) {
    const delta = data.choices[0]?.delta.content
    if (typeof delta === "string") text += delta
  }
  assert.include(text, "Prompt: tell")
})

describe("batches", () => {
  const line = (custom_id: string, content: unknown) =>
    JSON.stringify({ custom_id, body: { messages: [{ role: "user", content }] } })

  it("of files leave files", async () => {
    const { client, emulator, upload } = await start()
    const lost = line("lost", [{ type: "file", file_id: "none" }])
    const input = await upload([line("one", "1"), line("two", "2"), lost].join("\n"), "batch", "in.jsonl")
    const created = await client.batch.jobs.create({
      inputFiles: [input.id],
      model,
      endpoint: "/v1/chat/completions",
      metadata: { mine: "yes" }
    })
    assert.deepInclude(created, { status: "QUEUED", totalRequests: 0 })
    emulator.advanceBatches("alpha")
    assert.deepInclude(await client.batch.jobs.get({ jobId: created.id }), { status: "RUNNING", totalRequests: 3 })
    emulator.advanceBatches("alpha")
    const ended = await client.batch.jobs.get({ jobId: created.id })
    assert.deepInclude(ended, { status: "SUCCESS", succeededRequests: 2, failedRequests: 1, metadata: { mine: "yes" } })
    const output = await textOf(await client.files.download({ fileId: String(ended.outputFile) }))
    assert.deepStrictEqual(
      [...output.matchAll(/"custom_id":"(\w+)"/g)].map(([, id]) => id),
      ["two", "one"]
    )
    assert.include(output, `model ${model}`)
    assert.include(await textOf(await client.files.download({ fileId: String(ended.errorFile) })), '"status_code":400')
    assert.strictEqual((await client.batch.jobs.list({ pageSize: 1 })).total, 1)
    await client.batch.jobs.delete({ jobId: created.id })
    assert.strictEqual((await failure(client.batch.jobs.get({ jobId: created.id }))).statusCode, 404)
  })

  it("of requests in the call have their answers in the job, and can be cancelled", async () => {
    const { client, emulator } = await start()
    const requests = [{ customId: "a", body: { messages: [{ role: "user", content: "hi" }] } }]
    const create = () => client.batch.jobs.create({ requests, model, endpoint: "/v1/chat/completions" })
    const [first, second] = [await create(), await create()]
    assert.strictEqual((await client.batch.jobs.cancel({ jobId: second.id })).status, "CANCELLATION_REQUESTED")
    emulator.advanceBatches("alpha")
    emulator.advanceBatches("alpha")
    assert.deepInclude((await client.batch.jobs.get({ jobId: first.id })).outputs?.[0], { custom_id: "a" })
    assert.strictEqual((await client.batch.jobs.get({ jobId: second.id })).status, "CANCELLED")
  })
})
