/** One uploaded PDF, by one ID, in chats on providers of four wires; each gets one copy and its own name for it. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as AzureEmulator from "@omnifile/testkit/AzureEmulator"
import * as GeminiEmulator from "@omnifile/testkit/GeminiEmulator"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import { createHash } from "node:crypto"
import type OpenAI from "openai"
import { toFile } from "openai"
import * as Wires from "./support/wires.ts"

const wires: ReadonlyArray<Wires.Wire> = [
  { name: "openai", model: "gpt-4o-mini", start: OpenAIEmulator.start },
  { name: "azure", model: "my-deployment", start: AzureEmulator.start },
  { name: "anthropic", model: "claude-sonnet-4-5", start: AnthropicEmulator.start },
  { name: "gemini", model: "gemini-2.5-flash", start: GeminiEmulator.start }
]

const content = Buffer.from(`%PDF-1.7\n${"One page. ".repeat(1_000)}\n%%EOF\n`)
const sha256 = createHash("sha256").update(content).digest("hex")

let world: Wires.Wires
let pdf: string
beforeAll(async () => {
  world = await Wires.install(wires)
  const file = await toFile(content, "one.pdf", { type: "application/pdf" })
  pdf = (await world.client.files.create({ file, purpose: "user_data" })).id
})
afterAll(() => world.close())

/** The requests that made the emulated model answer. */
const answered = (wire: string) =>
  world
    .emulator(wire)
    .journal.filter(
      ({ route }) => route !== undefined && ["chat", "messages", "generate", "generate.stream"].includes(route)
    )

describe.each(wires.map(({ name }) => name))("one PDF on %s", (wire) => {
  const message = (): OpenAI.ChatCompletionMessageParam => ({
    role: "user",
    content: [
      { type: "text", text: "What does it say?" },
      { type: "file", file: { file_id: pdf } }
    ]
  })

  it("is read by the model, whole and streamed, from the provider's one copy", async () => {
    const whole = await world.client.chat.completions.create({ model: wire, messages: [message()] })
    const stream = world.client.chat.completions.stream({ model: wire, messages: [message()] })
    const seen = `${content.byteLength} bytes, sha256 ${sha256.slice(0, 16)}`
    assert.include(whole.choices[0]?.message.content ?? "", seen)
    assert.include((await stream.finalContent()) ?? "", seen)
    assert.isAbove(whole.usage?.total_tokens ?? 0, 0)

    const copies = world.emulator(wire).files(wire)
    assert.deepStrictEqual(
      copies.map(({ sha256: digest }) => digest),
      [sha256]
    )
    const requests = answered(wire)
    assert.strictEqual(requests.length, 2)
    for (const { body = "" } of requests) {
      assert.include(body, copies[0]?.id ?? "none")
      assert.notInclude(body, pdf)
    }
  })
})
