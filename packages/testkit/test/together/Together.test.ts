/** The Together emulator, judged by the official SDK. */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type * as TogetherModule from "together-ai"
import type { Emulator } from "../../src/OpenAIEmulator.ts"
import * as TogetherEmulator from "../../src/TogetherEmulator.ts"

let emulator: Emulator
let client: TogetherModule.Together
let directory: string

beforeAll(async () => {
  emulator = await TogetherEmulator.start({ accounts: [{ name: "alpha", key: "tg-alpha" }] })
  // The SDK's uploads know no other way to be sent elsewhere, and look when they are loaded.
  process.env["TOGETHER_API_BASE_URL"] = emulator.baseUrl
  // As a module it finds no file system.
  const { default: Client } = createRequire(import.meta.url)("together-ai") as typeof TogetherModule
  delete process.env["TOGETHER_API_BASE_URL"]
  client = new Client({ apiKey: "tg-alpha", baseURL: emulator.baseUrl, maxRetries: 0 })
  directory = await mkdtemp(join(tmpdir(), "together-emulator-"))
})
afterAll(async () => {
  await emulator.close()
  await rm(directory, { recursive: true })
})

const line = (custom_id: string) =>
  JSON.stringify({
    custom_id,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "llama", messages: [{ role: "user", content: custom_id }] }
  })

const upload = async (content: string) => {
  const path = join(directory, "in.jsonl")
  await writeFile(path, content)
  const original = globalThis.fetch
  // It sends a stream and forgets to say so, which the fetch of Node does not let pass.
  globalThis.fetch = (input, init) => original(input, { ...init, duplex: "half" } as RequestInit)
  try {
    // Its check of the content knows of fine-tuning only.
    return await client.files.upload(path, "batch-api" as "fine-tune", false)
  } finally {
    globalThis.fetch = original
  }
}

it("a file is asked for, put where the redirect says, and processed then", async () => {
  const from = emulator.journal.length
  const created = await upload(line("a"))
  assert.deepInclude(created, { object: "file", purpose: "batch-api", Processed: true, FileType: "jsonl" })
  const [asked, put] = emulator.journal.slice(from)
  assert.deepInclude(asked, { route: "files.create", status: 302, bytes: String(asked?.path.split("?")[1]).length })
  assert.deepInclude(put, { route: "files.upload", method: "PUT", account: "alpha", status: 200 })
  assert.notProperty(put?.headers, "authorization")
  assert.strictEqual(await (await client.files.content(created.id)).text(), line("a"))
  const { data } = await client.files.list()
  assert.deepStrictEqual(
    data.map(({ id }) => id),
    [created.id]
  )
  assert.deepInclude(await client.files.delete(created.id), { id: created.id, deleted: true })
  assert.deepStrictEqual((await client.files.list()).data, [])
})

it("a file whose bytes have not come is there, is not processed, and can be deleted", async () => {
  const query = new URLSearchParams({ file_name: "a.jsonl", file_type: "jsonl", purpose: "batch-api" })
  const asked = await fetch(`${emulator.baseUrl}/files?${query}`, {
    method: "POST",
    headers: { authorization: "Bearer tg-alpha" },
    redirect: "manual"
  })
  const id = String(asked.headers.get("x-together-file-id"))
  assert.deepInclude(await client.files.retrieve(id), { Processed: false, bytes: 0 })
  await client.files.delete(id)
  const late = await fetch(String(asked.headers.get("location")), { method: "PUT", body: "x" })
  assert.strictEqual(late.status, 401)
})

it.each([
  ["purpose", { file_name: "a.jsonl", file_type: "jsonl", purpose: "batch" }],
  ["type", { file_name: "a.pdf", file_type: "pdf", purpose: "fine-tune" }]
])("a %s that is not known is refused", async (_, query) => {
  const asked = await fetch(`${emulator.baseUrl}/files?${new URLSearchParams(query)}`, {
    method: "POST",
    headers: { authorization: "Bearer tg-alpha" },
    redirect: "manual"
  })
  assert.strictEqual(asked.status, 400)
})

it("a batch is a job in an object, in capitals, and a list is bare", async () => {
  const file = await upload([line("a"), line("b")].join("\n"))
  const { job } = await client.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions" })
  const id = String(job?.id)
  assert.strictEqual(job?.status, "VALIDATING")
  emulator.advanceBatches("alpha")
  emulator.advanceBatches("alpha")
  const ended = await client.batches.retrieve(id)
  assert.deepInclude(ended, { status: "COMPLETED", progress: 100 })
  assert.include(await (await client.files.content(String(ended.output_file_id))).text(), "Prompt: b")
  assert.deepStrictEqual(
    (await client.batches.list()).map((each) => each.id),
    [id]
  )
})
