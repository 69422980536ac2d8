/** What providers do each in their own way, and what a client of the gateway sees of it: nothing. */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import type { RemotePage } from "@omnifile/core/Provider"
import { files as anthropicFiles } from "@omnifile/provider-anthropic/AnthropicFiles"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as AzureEmulator from "@omnifile/testkit/AzureEmulator"
import * as GeminiEmulator from "@omnifile/testkit/GeminiEmulator"
import * as MistralEmulator from "@omnifile/testkit/MistralEmulator"
import type { Emulator, EmulatorOptions } from "@omnifile/testkit/OpenAIEmulator"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as TogetherEmulator from "@omnifile/testkit/TogetherEmulator"
import * as XaiEmulator from "@omnifile/testkit/XaiEmulator"
import * as Result from "effect/Result"
import type OpenAI from "openai"
import { toFile } from "openai"
import * as Vendor from "../support/vendor.ts"

const emulators = {
  openai: OpenAIEmulator.start,
  azure: AzureEmulator.start,
  anthropic: AnthropicEmulator.start,
  gemini: GeminiEmulator.start,
  mistral: MistralEmulator.start,
  xai: XaiEmulator.start,
  together: TogetherEmulator.start
} satisfies Record<string, (options: EmulatorOptions) => Promise<Emulator>>

type Provider = keyof typeof emulators

const start = async (provider: Provider) => {
  const emulator = await emulators[provider]({ accounts: [Vendor.account] })
  const vendor = await Vendor.make(emulator, { provider })
  onTestFinished(vendor.close)
  const pdf = (name = "report.pdf") => vendor.upload("%PDF-1.7\nA report.\n", "user_data", name)
  const ask = async (file_id: string, text = "What is it?") => {
    const content: Array<OpenAI.ChatCompletionContentPart> = [
      { type: "text", text },
      { type: "file", file: { file_id } }
    ]
    const answer = await vendor.client.chat.completions.create({
      model: "model",
      messages: [{ role: "user", content }]
    })
    return String(answer.choices[0]?.message.content)
  }
  const uploads = () =>
    emulator.journal.filter(({ route, status }) => route === "files.create" && (status ?? 500) < 400)
  return { ...vendor, ask, emulator, pdf, uploads }
}

const line = (custom_id: string, content = custom_id) =>
  JSON.stringify({
    custom_id,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "model", messages: [{ role: "user", content }], max_tokens: 100 }
  })

const lines = (...ids: ReadonlyArray<string>) => ids.map((id) => line(id)).join("\n")

const batchOf = async (client: OpenAI, input: OpenAI.FileObject) =>
  client.batches.create({ input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h" })

const refused = (call: Promise<unknown>): Promise<{ readonly status?: number; readonly message: string }> =>
  call.then(
    () => assert.fail("it was taken"),
    (error: Error) => error
  )

it("1. Anthropic lists files in two shapes, by the header of the beta", async () => {
  const { emulator, pdf } = await start("anthropic")
  for (const name of ["a.pdf", "b.pdf", "c.pdf"]) await pdf(name)
  const expected = emulator
    .files("main")
    .map(({ id }) => id)
    .toReversed()
  for (const beta of [{}, { "anthropic-beta": "files-api-2025-04-14" }]) {
    const found: Array<string> = []
    let cursor: string | null = null
    do {
      const { path } = anthropicFiles.list(cursor)
      const headers = { "x-api-key": Vendor.account.key, "anthropic-version": "2023-06-01", ...beta }
      const answer = await fetch(`${emulator.baseUrl}${path.replace("limit=1000", "limit=2")}`, { headers })
      const page: RemotePage = Result.getOrThrow(anthropicFiles.decodePage(await answer.json(), cursor))
      found.push(...page.files.map(({ id }) => id))
      cursor = page.next
    } while (cursor !== null)
    assert.deepStrictEqual(found, expected)
  }
})

describe("2. a dead copy is refused in other words everywhere", () => {
  it.each(["openai", "azure", "anthropic", "gemini", "mistral"] as const)("and comes back on %s", async (provider) => {
    const { ask, emulator, pdf, uploads } = await start(provider)
    const { id } = await pdf()
    assert.include(await ask(id), "File 1:")
    for (const end of [emulator.expireFile, emulator.loseFile]) {
      const [copy] = emulator.files("main")
      assert.isTrue(end("main", String(copy?.id)))
      const before = uploads().length
      assert.include(await ask(id), "File 1:")
      assert.strictEqual(uploads().length, before + 1)
      assert.notStrictEqual(emulator.files("main").at(-1)?.id, copy?.id)
    }
  })
})

it("3. Gemini uses a file only when it is active", async () => {
  const { ask, emulator, pdf } = await start("gemini")
  emulator.setProcessing("main", { looks: 3 })
  const { id } = await pdf()
  assert.include(await ask(id), "File 1:")
  const routes = emulator.journal.map(({ route }) => route)
  assert.deepStrictEqual(routes, ["files.create", "files.upload", ...Array(3).fill("files.retrieve"), "generate"])
})

it("4. xAI wants to know the life of a file before the file", async () => {
  const { client, emulator } = await start("xai")
  const target = { target_model_names: "model" }
  await client.files.create({
    file: await toFile(Buffer.from("x"), "a.txt"),
    purpose: "user_data",
    expires_after: { anchor: "created_at", seconds: 7_200 },
    ...target
  })
  assert.deepStrictEqual(emulator.journal[0]?.upload?.partOrder, ["purpose", "expires_after", "file"])
  assert.isDefined(emulator.files("main")[0]?.expiresAt)
})

it("5. Together answers an upload with a redirect, and calls batches otherwise", async () => {
  const { emulator, upload } = await start("together")
  await upload(lines("a"), "batch", "in.jsonl")
  const [asked, put] = emulator.journal
  assert.deepInclude(asked, { status: 302 })
  assert.include(asked?.path, "purpose=batch-api")
  assert.deepInclude(put, { method: "PUT", route: "files.upload", status: 200 })
})

it("6. Azure keeps files for fourteen days at least, and its lines name deployments", async () => {
  const { client, emulator } = await start("azure")
  const target = { target_model_names: "model" }
  const input = await client.files.create({
    file: await toFile(Buffer.from(lines("a")), "in.jsonl"),
    purpose: "batch",
    expires_after: { anchor: "created_at", seconds: 3_600 },
    ...target
  })
  const [stored] = emulator.files("main")
  assert.strictEqual((stored?.expiresAt ?? 0) - (stored?.createdAt ?? 0), 14 * 86_400)
  assert.include(Buffer.from(stored?.content ?? []).toString(), '"model":"provider-model"')
  assert.strictEqual((await batchOf(client, input)).status, "validating")
})

it("7. OpenAI does not give out what it was given", async () => {
  const { client, emulator, upload } = await start("openai")
  const file = await upload("my own bytes")
  const copy = emulator.files("main")[0]
  const direct = await fetch(`${emulator.baseUrl}/files/${copy?.id}/content`, {
    headers: { authorization: `Bearer ${Vendor.account.key}` }
  })
  assert.strictEqual(direct.status, 400)
  assert.strictEqual(await (await client.files.content(file.id)).text(), "my own bytes")
})

describe("8. counts are zero until the end, or strings", () => {
  it.each(["openai", "azure", "anthropic", "gemini", "mistral", "xai"] as const)(
    "and true at the end on %s",
    async (provider) => {
      const { client, emulator, upload } = await start(provider)
      const batch = await batchOf(client, await upload(lines("a", "b", "c"), "batch", "in.jsonl"))
      for (let steps = 0; steps < 3; steps += 1) emulator.advanceBatches("main")
      let ended = await client.batches.retrieve(batch.id)
      if (ended.status !== "completed") ended = await client.batches.retrieve(batch.id)
      assert.deepInclude(ended, { status: "completed", request_counts: { total: 3, completed: 3, failed: 0 } })
    }
  )
})

it("9. our IDs look like IDs of files to every client", async () => {
  for (const provider of ["openai", "gemini"] as const) {
    const { pdf } = await start(provider)
    assert.match((await pdf()).id, /^file-[\w-]+$/)
  }
})

describe("10. an ID of dots would lead elsewhere", () => {
  it.each([".", ".."])("so that %j is none", async (id) => {
    const { emulator, upload } = await start("openai")
    emulator.fault({
      route: "files.create",
      kind: { status: 200, body: { id, object: "file", filename: "notes.txt" } }
    })
    const { message, status } = await refused(upload("x"))
    assert.strictEqual(status, 502)
    assert.include(message, "main")
    assert.isTrue(emulator.journal.every(({ path }) => path.startsWith("/v1/files")))
  })
})

it("11. a client that repeats an upload has one file", async () => {
  const { client, emulator } = await start("openai")
  const target = { target_model_names: "model" }
  const create = async () =>
    client.files.create(
      { file: await toFile(Buffer.from("once"), "a.txt"), purpose: "user_data", ...target },
      { headers: { "idempotency-key": "the-same" } }
    )
  assert.strictEqual((await create()).id, (await create()).id)
  assert.strictEqual(emulator.files("main").length, 1)
})

it("12. a row of a batch may be of many megabytes", async () => {
  const { client, emulator, upload } = await start("openai")
  const row = line("long", "x".repeat(4_000_000))
  const batch = await batchOf(client, await upload([row, line("short")].join("\n"), "batch", "in.jsonl"))
  emulator.advanceBatches("main")
  emulator.advanceBatches("main")
  const { request_counts: counts } = await client.batches.retrieve(batch.id)
  assert.deepInclude(counts, { total: 2, completed: 2, failed: 0 })
})
