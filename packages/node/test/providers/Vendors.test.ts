/** Files of vendors with an API of their own making, behind a gateway. */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import type { RemotePage } from "@omnifile/core/Provider"
import { files as xaiFiles } from "@omnifile/provider-xai/XaiFiles"
import * as GroqEmulator from "@omnifile/testkit/GroqEmulator"
import * as MistralEmulator from "@omnifile/testkit/MistralEmulator"
import type { Emulator, EmulatorOptions } from "@omnifile/testkit/OpenAIEmulator"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as TogetherEmulator from "@omnifile/testkit/TogetherEmulator"
import * as XaiEmulator from "@omnifile/testkit/XaiEmulator"
import * as Result from "effect/Result"
import type OpenAI from "openai"
import * as Vendor from "../support/vendor.ts"

const start = async (provider: string, emulate: (options: EmulatorOptions) => Promise<Emulator>) => {
  const emulator = await emulate({ accounts: [Vendor.account] })
  const vendor = await Vendor.make(emulator, { provider })
  onTestFinished(vendor.close)
  return { emulator, ...vendor }
}

const naming = (file_id: string): Array<OpenAI.ChatCompletionMessageParam> => [
  {
    role: "user",
    content: [
      { type: "text", text: "What is it?" },
      { type: "file", file: { file_id } }
    ]
  }
]

const line = (custom_id: string) =>
  JSON.stringify({
    custom_id,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "model", messages: [{ role: "user", content: custom_id }] }
  })

const refused = (call: Promise<unknown>): Promise<{ readonly status?: number; readonly message: string }> =>
  call.then(
    () => assert.fail("it was taken"),
    (error: Error) => error
  )

describe("Mistral", () => {
  it("answers with a file that is named in its own form, and deletes it", async () => {
    const { client, emulator, upload } = await start("mistral", MistralEmulator.start)
    const file = await upload("for Mistral")
    assert.deepInclude(emulator.files("main")[0], { purpose: "ocr" })
    const answer = await client.chat.completions.create({ model: "model", messages: naming(file.id) })
    assert.include(answer.choices[0]?.message.content, "File 1: notes.txt, 11 bytes")
    const sent = JSON.parse(emulator.journal.find(({ route }) => route === "chat")?.body ?? "{}") as {
      messages: [{ content: [unknown, unknown] }]
    }
    assert.deepStrictEqual(sent.messages[0].content[1], { type: "file", file_id: emulator.files("main")[0]?.id })
    await client.files.delete(file.id)
    await emulator.waitFor(({ done, route }) => route === "files.delete" && done)
    assert.deepStrictEqual(emulator.files("main"), [])
  })
})

describe("xAI", () => {
  it("answers with a file in a response", async () => {
    const { client, upload } = await start("xai", XaiEmulator.start)
    const file = await upload("for xAI")
    const response = await client.responses.create({
      model: "model",
      input: [{ role: "user", content: [{ type: "input_file", file_id: file.id }] }]
    })
    assert.include(response.output_text, "notes.txt, 7 bytes")
  })
})

describe("Together", () => {
  const together = () => start("together", TogetherEmulator.start)

  it("has the lines of a batch where its redirect said, without the key, and deletes them", async () => {
    const { client, emulator, replicas, upload } = await together()
    emulator.setProcessing("main", { looks: 2 })
    const file = await upload(line("a"), "fine-tune", "in.jsonl")
    assert.deepInclude((await replicas(file.id))[0], { state: "ready" })
    assert.deepInclude(emulator.files("main")[0], { purpose: "fine-tune", filename: "in.jsonl" })
    const put = emulator.journal.find(({ route }) => route === "files.upload")
    assert.notProperty(put?.headers, "authorization")
    await client.files.delete(file.id)
    await emulator.waitFor(({ done, route }) => route === "files.delete" && done)
    assert.deepStrictEqual(emulator.files("main"), [])
  })

  it("has no file that is begun and not ended, when its storage fails once", async () => {
    const { emulator, upload } = await together()
    emulator.fault({ route: "files.upload", times: 1, kind: { cutAfterBytes: 1_000 } })
    await upload("x".repeat(100_000), "fine-tune", "in.jsonl")
    await emulator.waitFor(({ done, route }) => route === "files.delete" && done)
    const listed = await fetch(`${emulator.baseUrl}/files`, {
      headers: { authorization: `Bearer ${Vendor.account.key}` }
    })
    const { data } = (await listed.json()) as { data: ReadonlyArray<{ bytes: number }> }
    assert.deepStrictEqual(
      data.map(({ bytes }) => bytes),
      [100_000]
    )
  })
})

describe.each([
  ["together", TogetherEmulator.start],
  ["groq", GroqEmulator.start]
] as const)("%s", (provider, emulate) => {
  it("runs a batch, and takes no file that it has no use for", async () => {
    const { client, emulator, upload } = await start(provider, emulate)
    const input = await upload([line("one"), line("two")].join("\n"), "batch", "in.jsonl")
    const batch = await client.batches.create({
      input_file_id: input.id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h"
    })
    emulator.advanceBatches("main")
    emulator.advanceBatches("main")
    const { output_file_id: output, status } = await client.batches.retrieve(batch.id)
    assert.strictEqual(status, "completed")
    assert.include(await (await client.files.content(String(output))).text(), "Prompt: two")
    const uploads = emulator.journal.filter(({ route }) => route === "files.create").length
    const file = await upload("%PDF-1.7", "user_data", "a.pdf")
    assert.strictEqual(emulator.journal.filter(({ route }) => route === "files.create").length, uploads)
    const named = await refused(client.chat.completions.create({ model: "model", messages: naming(file.id) }))
    assert.strictEqual(named.status, 400)
  })
})

describe("a vendor without files", () => {
  it("gets images within the call, and is asked for nothing else", async () => {
    const { client, emulator, upload } = await start("ollama", OpenAIEmulator.start)
    const png = "\u0089PNG\r\n\u001a\n"
    const image = await client.files.create({
      file: new File([Buffer.from(png, "latin1")], "a.png"),
      purpose: "vision"
    })
    await client.chat.completions.create({ model: "model", messages: naming(image.id) })
    const [asked] = emulator.journal
    assert.include(asked?.body, `data:image/png;base64,${Buffer.from(png, "latin1").toString("base64")}`)
    const pdf = await upload("%PDF-1.7", "user_data", "a.pdf")
    const named = await refused(client.chat.completions.create({ model: "model", messages: naming(pdf.id) }))
    assert.strictEqual(named.status, 400)
    assert.deepStrictEqual(
      emulator.journal.map(({ route }) => route),
      ["chat"]
    )
  })
})

it.each([
  ["groq", GroqEmulator.start],
  ["together", TogetherEmulator.start]
] as const)(
  "no line of a batch can name a file on %s, as is said before anything is sent",
  async (provider, emulate) => {
    const { client, emulator, upload } = await start(provider, emulate)
    const file = await upload("%PDF-1.7", "user_data", "a.pdf")
    const body = { model: "model", messages: naming(file.id) }
    const text = JSON.stringify({ custom_id: "one", method: "POST", url: "/v1/chat/completions", body })
    const input = await upload([line("zero"), text].join("\n"), "batch", "in.jsonl")
    const before = emulator.journal.length
    const { message, status } = await refused(
      client.batches.create({ input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h" })
    )
    assert.strictEqual(status, 400)
    assert.include(message, `The file ${file.id} (line 2, `)
    assert.strictEqual(emulator.journal.length, before)
  }
)

it("lists of xAI are read to their end, page by page", async () => {
  const { emulator, upload } = await start("xai", XaiEmulator.start)
  for (const name of ["a.txt", "b.txt", "c.txt"]) await upload(name, "user_data", name)
  const found: Array<string> = []
  let cursor: string | null = null
  do {
    const { path } = xaiFiles.list(cursor)
    const answer = await fetch(`${emulator.baseUrl}${path.replace("limit=100", "limit=2")}`, {
      headers: { authorization: `Bearer ${Vendor.account.key}` }
    })
    const page: RemotePage = Result.getOrThrow(xaiFiles.decodePage(await answer.json(), cursor))
    found.push(...page.files.map(({ id }) => id))
    cursor = page.next
  } while (cursor !== null)
  const made = emulator.files("main").map(({ id }) => id)
  assert.deepStrictEqual(found, made.toReversed())
})
