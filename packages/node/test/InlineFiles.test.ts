/** Accounts whose calls get their files within them, on three wires, with the vendors' own clients. */
import Anthropic from "@anthropic-ai/sdk"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as GeminiEmulator from "@omnifile/testkit/GeminiEmulator"
import * as MistralEmulator from "@omnifile/testkit/MistralEmulator"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import { createHash } from "node:crypto"
import { BadRequestError, toFile } from "openai"
import * as Wires from "./support/wires.ts"

const wires: ReadonlyArray<Wires.Wire> = [
  { name: "openai", model: "gpt-4o-mini", files: "inline", start: OpenAIEmulator.start },
  { name: "anthropic", model: "claude-sonnet-4-5", files: "inline", start: AnthropicEmulator.start },
  { name: "gemini", model: "gemini-2.5-flash", files: "inline", start: GeminiEmulator.start }
]

// No multiple of three, and larger than a piece of base64.
const content = Buffer.concat([Buffer.from("%PDF-1.7\n"), Buffer.alloc(200_000, "Grüße, "), Buffer.from("12")])
const digest = createHash("sha256").update(content).digest("hex").slice(0, 16)

const mistral: Wires.Wire = {
  name: "mistral",
  model: "mistral-large-latest",
  files: "inline",
  start: MistralEmulator.start
}

let world: Wires.Wires
let file: string
beforeAll(async () => {
  world = await Wires.install([...wires, mistral])
  const given = await toFile(content, "report.bin", { type: "application/octet-stream" })
  file = (await world.client.files.create({ file: given, purpose: "user_data" })).id
})
afterAll(() => world.close())

/** The files that calls of an account have left there. */
const copies = (wire: string) => world.emulator(wire).files(wire)

describe.each(wires.map(({ name }) => name))("a chat on %s", (model) => {
  it("has the whole file, twice if it is named twice, and leaves no copy", async () => {
    const answer = await world.client.chat.completions.create({
      model,
      messages: [
        {
          role: "user",
          content: [
            { type: "file", file: { file_id: file } },
            { type: "text", text: "Grüße" },
            { type: "file", file: { file_id: file } }
          ]
        }
      ]
    })
    const text = answer.choices[0]?.message.content ?? ""
    const said = text.split(`${content.length} bytes, sha256 ${digest}`).length - 1
    assert.strictEqual(said, 2, text)
    assert.deepStrictEqual(copies(model), [])
  })

  it("has the file in a response, streamed", async () => {
    const stream = world.client.responses.stream({
      model,
      input: [{ role: "user", content: [{ type: "input_file", file_id: file }] }]
    })
    const { output_text } = await stream.finalResponse()
    assert.include(output_text, digest)
    assert.deepStrictEqual(copies(model), [])
  })

  it("is not begun with what the model does not take", async () => {
    const zip = await world.client.files.create({
      file: await toFile(Buffer.from("PK\u0003\u0004 and so on"), "a.zip"),
      purpose: "user_data"
    })
    const before = world.emulator(model).journal.entries.length
    const refused = await world.client.chat.completions
      .create({ model, messages: [{ role: "user", content: [{ type: "file", file: { file_id: zip.id } }] }] })
      .then(() => assert.fail("it was answered"))
      .catch((error: unknown) => error)
    assert.instanceOf(refused, BadRequestError)
    assert.strictEqual(refused.param, "messages[0].content[0].file.file_id")
    assert.include(refused.message, `account ${model} takes no application/zip within chat completions`)
    assert.strictEqual(world.emulator(model).journal.entries.length, before)
  })
})

it("a message in Anthropic's own wire has the file in the place of its ID", async () => {
  const { baseURL } = world.client
  const client = new Anthropic({ apiKey: "sk-test-key-of-alice", baseURL: baseURL.replace(/\/v1$/, ""), maxRetries: 0 })
  const message = await client.messages.create({
    model: "anthropic",
    max_tokens: 100,
    messages: [{ role: "user", content: [{ type: "document", source: { type: "file", file_id: file } }] }]
  })
  assert.include(JSON.stringify(message.content), digest)
  assert.deepStrictEqual(copies("anthropic"), [])
})

it("a chat on Mistral, which refuses what it does not know, has its fields before and after the file renamed", async () => {
  const image = await world.client.files.create({
    file: await toFile(Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.alloc(100_001)]), "a.png"),
    purpose: "vision"
  })
  const answer = await world.client.chat.completions.create({
    max_completion_tokens: 50,
    messages: [
      { role: "developer", content: "Grüße" },
      { role: "user", content: [{ type: "file", file: { file_id: image.id } }] }
    ],
    model: "mistral",
    seed: 7,
    user: "alice"
  })
  assert.include(answer.choices[0]?.message.content ?? "", "Answer from mistral")
  assert.deepStrictEqual(copies("mistral"), [])
})
