/** Copies that providers of four wires lose or drop, each refusing what names them in its own words. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as AzureEmulator from "@omnifile/testkit/AzureEmulator"
import * as GeminiEmulator from "@omnifile/testkit/GeminiEmulator"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import { toFile } from "openai"
import * as Wires from "./support/wires.ts"

const wires: ReadonlyArray<Wires.Wire> = [
  { name: "openai", model: "gpt-4o-mini", start: OpenAIEmulator.start },
  { name: "azure", model: "my-deployment", start: AzureEmulator.start },
  { name: "anthropic", model: "claude-sonnet-4-5", start: AnthropicEmulator.start },
  { name: "gemini", model: "gemini-2.5-flash", start: GeminiEmulator.start }
]

let world: Wires.Wires
beforeAll(async () => {
  world = await Wires.install(wires)
})
afterAll(() => world.close())

const upload = async (text: string): Promise<string> => {
  const file = await toFile(Buffer.from(`%PDF-1.7\n${text}\n`), "lost.pdf", { type: "application/pdf" })
  return (await world.client.files.create({ file, purpose: "user_data" })).id
}

const ask = async (model: string, ...files: ReadonlyArray<string>): Promise<string> => {
  const answer = await world.client.chat.completions.create({
    model,
    messages: [{ role: "user", content: files.map((file_id) => ({ type: "file", file: { file_id } }) as const) }]
  })
  return answer.choices[0]?.message.content ?? ""
}

describe.each(wires.map(({ name }) => name))("on %s", (wire) => {
  const uploads = () => world.emulator(wire).journal.filter(({ route }) => route === "files.create").length
  const copies = () => world.emulator(wire).files(wire)
  const ids = () => copies().map(({ id }) => id)

  const callers = wire === "gemini" ? 200 : 20

  it(`a copy that is lost is made again, once for ${callers} calls at the same moment`, async () => {
    const file = await upload(`many calls on ${wire}`)
    await ask(wire, file)
    const [lost = ""] = ids().slice(-1)
    const others = ids().length - 1
    const before = uploads()
    assert.isTrue(world.emulator(wire).loseFile(wire, lost))
    world.emulator(wire).setLatency(wire, 20)
    const answers = await Promise.all(Array.from({ length: callers }, () => ask(wire, file)))
    world.emulator(wire).setLatency(wire, 0)
    assert.isTrue(answers.every((text) => text.includes("File 1: ")))
    assert.strictEqual(uploads() - before, 1)
    assert.strictEqual(ids().length, others + 1)
    assert.notInclude(ids(), lost)
    await world.client.files.delete(file)
  })

  it("copies that are dropped at the end of their time are all made again for the call that finds it out", async () => {
    const files = await Promise.all(["1", "2", "3"].map((text) => upload(`${text} on ${wire}`)))
    await ask(wire, ...files)
    const before = ids().slice(-3)
    for (const id of before) assert.isTrue(world.emulator(wire).expireFile(wire, id))
    assert.include(await ask(wire, ...files), "File 3: ")
    const after = ids().filter((id) => !before.includes(id))
    assert.isAtLeast(after.length, 3)
    await Promise.all(files.map((file) => world.client.files.delete(file)))
  })
})
