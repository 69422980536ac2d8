/** The Azure emulator, judged by the official SDK with either API. */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import OpenAI, { AzureOpenAI, BadRequestError, NotFoundError, toFile } from "openai"
import * as AzureEmulator from "../../src/AzureEmulator.ts"
import { ask, failure } from "../openai/harness.ts"

const apiVersion = "2025-04-01-preview"

const start = async (api: "dated" | "v1") => {
  const emulator = await AzureEmulator.start({ accounts: [{ name: "alpha", key: "az-alpha" }] })
  onTestFinished(() => emulator.close())
  const endpoint = new URL(emulator.baseUrl).origin
  const client =
    api === "dated"
      ? new AzureOpenAI({ endpoint, apiKey: "az-alpha", apiVersion, maxRetries: 0 })
      : // The v1 API is for OpenAI's own client too, whose bearer token the resource understands.
        new OpenAI({ baseURL: emulator.baseUrl, apiKey: "az-alpha", maxRetries: 0 })
  const upload = async (text: string, purpose: OpenAI.FilePurpose, seconds?: number) =>
    client.files.create({
      file: await toFile(Buffer.from(text), "notes.txt"),
      purpose,
      ...(seconds === undefined ? {} : { expires_after: { anchor: "created_at" as const, seconds } })
    })
  return { client, emulator, upload }
}

describe.each(["v1", "dated"] as const)("the %s API", (api) => {
  it("creates files with 201, pending and without their size", async () => {
    const { client, emulator, upload } = await start(api)
    const created = await upload("hello", "assistants")
    assert.match(created.id, /^assistant-/)
    assert.deepInclude({ ...created } as Record<string, unknown>, { status: "pending", purpose: "assistants" })
    assert.notProperty(created, "bytes")
    assert.strictEqual(emulator.journal[0]?.status, 201)
    assert.deepInclude(await client.files.retrieve(created.id), { status: "processed", bytes: 5 })
    assert.deepStrictEqual(
      (await client.files.list()).data.map(({ id }) => id),
      [created.id]
    )
    assert.deepInclude(await client.files.delete(created.id), { id: created.id, deleted: true })
    assert.instanceOf(await failure(client.files.retrieve(created.id)), NotFoundError)
  })

  it("keeps files for fourteen to thirty days, and takes no files of a user's", async () => {
    const { upload } = await start(api)
    const created = await upload("{}", "batch", 1_209_600)
    assert.strictEqual(created.expires_at, created.created_at + 1_209_600)
    for (const seconds of [3_600, 2_592_001]) {
      assert.instanceOf(await failure(upload("{}", "batch", seconds)), BadRequestError)
    }
    for (const purpose of ["user_data", "vision"] as const) {
      assert.instanceOf(await failure(upload("x", purpose)), BadRequestError)
    }
  })

  it("answers with the files of the resource", async () => {
    const { client, emulator, upload } = await start(api)
    const { id } = await upload("hello", "assistants")
    const answer = await client.chat.completions.create({ model: "my-gpt", messages: ask(id) })
    assert.match(String(answer.choices[0]?.message.content), /Answer from alpha \(model my-gpt\)\.\nFile 1: notes\.txt/)
    assert.include(emulator.journal.at(-1)?.path, api === "dated" ? "/deployments/my-gpt/chat" : "/openai/v1/chat")
  })

  it("runs batches, whose lines name the deployment", async () => {
    const { client, emulator, upload } = await start(api)
    const line = {
      custom_id: "a",
      method: "POST",
      url: "/v1/chat/completions",
      body: { model: "my-gpt", messages: [{ role: "user", content: "hi" }] }
    }
    const input = await upload(JSON.stringify(line), "batch")
    const batch = await client.batches.create({
      input_file_id: input.id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h"
    })
    emulator.advanceBatches("alpha")
    emulator.advanceBatches("alpha")
    const ended = await client.batches.retrieve(batch.id)
    assert.strictEqual(ended.status, "completed")
    const output = await client.files.content(String(ended.output_file_id))
    assert.include(await output.text(), "model my-gpt")
  })
})

it("the older API has a version, and the key is in its own header", async () => {
  const { emulator } = await start("dated")
  const at = (path: string) => fetch(new URL(path, emulator.baseUrl), { headers: { "api-key": "az-alpha" } })
  assert.strictEqual((await at("/openai/files")).status, 404)
  assert.strictEqual((await at(`/openai/files?api-version=${apiVersion}`)).status, 200)
  assert.strictEqual((await at("/openai/v1/files")).status, 200)
})
