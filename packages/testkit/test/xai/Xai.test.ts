/** The xAI emulator, judged by the client that xAI's documentation uses: OpenAI's. Batches have no official client. */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import OpenAI, { BadRequestError, toFile } from "openai"
import { request as undici } from "undici"
import * as XaiEmulator from "../../src/XaiEmulator.ts"
import { ask, boundary, failure, field, file, multipart } from "../openai/harness.ts"

const start = async () => {
  const emulator = await XaiEmulator.start({ accounts: [{ name: "alpha", key: "xai-alpha" }] })
  onTestFinished(() => emulator.close())
  const client = new OpenAI({ apiKey: "xai-alpha", baseURL: emulator.baseUrl, maxRetries: 0 })
  const post = async (...parts: Parameters<typeof multipart>[0]) => {
    const response = await undici(`${emulator.baseUrl}/files`, {
      method: "POST",
      headers: { authorization: "Bearer xai-alpha", "content-type": `multipart/form-data; boundary=${boundary}` },
      body: multipart(parts)
    })
    return { status: response.statusCode, body: (await response.body.json()) as Record<string, unknown> }
  }
  return { client, emulator, post }
}

describe("files", () => {
  it("have a life in either form, which comes before the file", async () => {
    const { client, post } = await start()
    const created = await client.files.create({
      purpose: "assistants",
      expires_after: { anchor: "created_at", seconds: 3_600 },
      file: await toFile(Buffer.from("hello"), "a.txt")
    })
    assert.strictEqual(created.expires_at, created.created_at + 3_600)
    const plain = await post(field("expires_after", "7200"), field("purpose", "assistants"), file(Buffer.from("x")))
    assert.strictEqual(Number(plain.body["expires_at"]), Number(plain.body["created_at"]) + 7_200)
    const late = await post(field("purpose", "assistants"), file(Buffer.from("x")), field("expires_after", "7200"))
    assert.deepInclude(late, { status: 400 })
    assert.include(String(late.body["error"]), "must come before the file")
    assert.strictEqual(
      (await post(field("expires_after", "60"), field("purpose", "batch"), file(Buffer.from("x")))).status,
      400
    )
    assert.strictEqual(await (await client.files.content(created.id)).text(), "hello")
  })

  it("are named in responses, and not in chats", async () => {
    const { client } = await start()
    const { id } = await client.files.create({
      purpose: "assistants",
      file: await toFile(Buffer.from("hello"), "a.txt")
    })
    const response = await client.responses.create({
      model: "grok",
      input: [{ role: "user", content: [{ type: "input_file", file_id: id }] }]
    })
    assert.include(response.output_text, "a.txt, 5 bytes")
    const asked = client.chat.completions.create({ model: "grok", messages: ask(id) })
    assert.instanceOf(await failure(asked), BadRequestError)
  })

  it("are refused to a wrong key as a wrong argument", async () => {
    const { emulator } = await start()
    const stranger = new OpenAI({ apiKey: "wrong", baseURL: emulator.baseUrl, maxRetries: 0 })
    assert.instanceOf(await failure(stranger.files.list()), BadRequestError)
  })
})

it("a batch is over when nothing is pending, and its results come in pages", async () => {
  const { client, emulator } = await start()
  const line = (custom_id: string, url: string, body: object) =>
    JSON.stringify({ custom_id, method: "POST", url, body: { model: "grok", ...body } })
  const chat = (id: string) => line(id, "/v1/chat/completions", { messages: [{ role: "user", content: id }] })
  const lines = [chat("a"), line("b", "/v1/responses", { input: "b" }), line("c", "/v1/chat/completions", {})]
  const input = await client.files.create({
    purpose: "batch",
    file: await toFile(Buffer.from(lines.join("\n")), "in.jsonl")
  })
  interface Batch {
    readonly batch_id: string
    readonly state: Readonly<Record<string, number>>
  }
  const created = (await client.post("/batches", { body: { name: "mine", input_file_id: input.id } })) as Batch
  assert.deepInclude(created.state, { num_requests: 3, num_pending: 3, num_success: 0 })
  assert.notProperty(created, "status")
  emulator.advanceBatches("alpha")
  const ended = (await client.get(`/batches/${created.batch_id}`)) as Batch
  assert.deepInclude(ended.state, { num_pending: 0, num_success: 2, num_error: 1 })
  interface Page {
    readonly results: ReadonlyArray<{ readonly batch_request_id: string; readonly batch_result: object }>
    readonly pagination_token: string | null
  }
  const at = `/batches/${created.batch_id}/results?limit=2`
  const first = (await client.get(at)) as Page
  const second = (await client.get(`${at}&pagination_token=${first.pagination_token}`)) as Page
  assert.isNull(second.pagination_token)
  const results = [...first.results, ...second.results]
  assert.deepStrictEqual(
    results.map(({ batch_request_id: id }) => id),
    ["c", "b", "a"]
  )
  assert.include(JSON.stringify(results[1]), "chat.completion")
  const other = (await client.post("/batches", { body: { name: "x", input_file_id: input.id } })) as Batch
  const cancelled = (await client.post(`/batches/${other.batch_id}:cancel`)) as Batch
  assert.deepInclude(cancelled.state, { num_pending: 0, num_cancelled: 3 })
  assert.deepStrictEqual(
    emulator.batches("alpha").map(({ status }) => status),
    ["done", "cancelled"]
  )
})
