/** Accounts that say, in the words of four wires, that they have no room for another file. */
import { afterAll, afterEach, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as AzureEmulator from "@omnifile/testkit/AzureEmulator"
import * as GeminiEmulator from "@omnifile/testkit/GeminiEmulator"
import { failure } from "@omnifile/testkit/host/checks"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import { APIError, toFile } from "openai"
import * as Wires from "./support/wires.ts"

const wires: ReadonlyArray<Wires.Wire> = [
  { name: "openai", model: "gpt-4o-mini", start: OpenAIEmulator.start },
  { name: "azure", model: "my-deployment", start: AzureEmulator.start },
  { name: "anthropic", model: "claude-sonnet-4-5", start: AnthropicEmulator.start },
  { name: "gemini", model: "gemini-2.5-flash", start: GeminiEmulator.start }
]

/** Longer than a copy has to be idle. */
const later = (): void => {
  vi.setSystemTime(Date.now() + 3 * 3_600_000)
}

let world: Wires.Wires
beforeAll(async () => {
  world = await Wires.install(wires)
})
afterAll(() => world.close())

const pdfOf = (text: string) => Buffer.from(`%PDF-1.7\n${text}\n`)

const messages = (...files: ReadonlyArray<string>) => [
  { role: "user" as const, content: files.map((file_id) => ({ type: "file", file: { file_id } }) as const) }
]

const upload = async (wire: string, text: string): Promise<string> => {
  const file = await toFile(pdfOf(text), `${text}.pdf`, { type: "application/pdf" })
  const target = { target_model_names: wire }
  return (await world.client.files.create({ file, purpose: "user_data", ...target })).id
}

const ask = async (wire: string, ...files: ReadonlyArray<string>): Promise<string> => {
  const { choices } = await world.client.chat.completions.create({ model: wire, messages: messages(...files) })
  return choices[0]?.message.content ?? ""
}

const held = (wire: string) => world.emulator(wire).files(wire)

const names = (wire: string): string =>
  held(wire)
    .map(({ filename }) => filename.slice(0, 1))
    .join("")

const noRoom = (wire: string): void => world.emulator(wire).setQuota(wire, { files: held(wire).length })

const refused = async (wire: string, attempt: Promise<unknown>): Promise<void> => {
  const error = await failure(attempt)
  assert.instanceOf(error, APIError)
  assert.strictEqual(error.status, 502)
  assert.include(error.message, wire)
}

afterEach(async () => {
  vi.useRealTimers()
  for await (const { id } of world.client.files.list()) await world.client.files.delete(id)
  for (const { name } of wires) {
    world.emulator(name).clearFaults()
    world.emulator(name).setQuota(name, {})
    // What a batch has made stays.
    const isEmpty = () => !held(name).some(({ filename }) => filename.endsWith(".pdf"))
    if (!isEmpty()) await world.emulator(name).waitFor(isEmpty)
  }
})

describe("a full account", () => {
  it.each(wires.map(({ name }) => name))(
    "of %s loses the copy of the oldest use, and has it again when a call names it",
    async (wire) => {
      const a = await upload(wire, "a")
      const b = await upload(wire, "b")
      const c = await upload(wire, "c")
      later()
      await ask(wire, a)
      noRoom(wire)
      await upload(wire, "d")
      assert.strictEqual(names(wire), "acd")
      assert.include(await ask(wire, b), "File 1: ")
      assert.strictEqual(names(wire), "adb")
      assert.deepStrictEqual(Buffer.from(await (await world.client.files.content(c)).arrayBuffer()), pdfOf("c"))
      // All that is left has been used just now.
      await refused(wire, upload(wire, "e"))
      await refused(wire, ask(wire, c))
      assert.strictEqual(names(wire), "adb")
    }
  )

  it.each([
    ["openai", "chat"],
    ["anthropic", "messages"]
  ] as const)("of %s keeps what a call names that is under way", async (wire, route) => {
    const a = await upload(wire, "a")
    const b = await upload(wire, "b")
    later()
    const hanging = world.emulator(wire).fault({ route, kind: { hang: true } })
    const client = new AbortController()
    const body = { model: wire, messages: messages(a, b) }
    const answer = failure(world.client.chat.completions.create(body, { signal: client.signal }))
    await world.emulator(wire).waitFor(() => hanging.hits() === 1)
    noRoom(wire)
    await refused(wire, upload(wire, "c"))
    assert.strictEqual(names(wire), "ab")
    client.abort()
    await answer
  })

  it.each(["openai", "gemini"])("of %s keeps what a batch reads until it is over", async (wire) => {
    const named = await upload(wire, "a")
    const line = {
      custom_id: "1",
      method: "POST",
      url: "/v1/chat/completions",
      body: { model: wire, messages: messages(named) }
    }
    const file = await toFile(Buffer.from(`${JSON.stringify(line)}\n`), "input.jsonl")
    const input = await world.client.files.create({ file, purpose: "batch" })
    const batch = await world.client.batches.create({
      input_file_id: input.id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h"
    })
    later()
    noRoom(wire)
    const before = held(wire).map(({ id }) => id)
    await refused(wire, upload(wire, "c"))
    assert.deepStrictEqual(
      held(wire).map(({ id }) => id),
      before
    )
    for (let step = 0; step < 3; step++) world.emulator(wire).advanceBatches(wire)
    assert.strictEqual((await world.client.batches.retrieve(batch.id)).status, "completed")
    for (let count = 0; count < before.length; count++) await upload(wire, "c")
    assert.isEmpty(held(wire).filter(({ id }) => before.includes(id)))
  })

  it("keeps what a fine-tuning job reads until it is over", async () => {
    const emulator = world.emulator("openai")
    const example = { messages: ["user", "assistant"].map((role) => ({ role, content: "hello" })) }
    const lines = Array.from({ length: 10 }, () => JSON.stringify(example)).join("\n")
    const file = await toFile(Buffer.from(lines), "examples.jsonl")
    const target = { target_model_names: "openai" }
    const { id } = await world.client.files.create({ file, purpose: "fine-tune", ...target })
    const job = await world.client.fineTuning.jobs.create({ model: "openai", training_file: id })
    const [copy] = held("openai").slice(-1)
    later()
    noRoom("openai")
    await refused("openai", upload("openai", "c"))
    for (let step = 0; step < 3; step++) emulator.advanceFineTuning("openai")
    assert.strictEqual((await world.client.fineTuning.jobs.retrieve(job.id)).status, "succeeded")
    await upload("openai", "c")
    assert.isFalse(held("openai").some((each) => each.id === copy?.id))
  })
})
