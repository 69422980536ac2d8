/** One batch file in OpenAI's form on providers whose batches have another. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as GeminiEmulator from "@omnifile/testkit/GeminiEmulator"
import * as MistralEmulator from "@omnifile/testkit/MistralEmulator"
import * as XaiEmulator from "@omnifile/testkit/XaiEmulator"
import type OpenAI from "openai"
import { BadRequestError, toFile } from "openai"
import * as Wires from "./support/wires.ts"

const wires: ReadonlyArray<Wires.Wire> = [
  { name: "anthropic", model: "claude-sonnet-4-5", start: AnthropicEmulator.start },
  { name: "gemini", model: "gemini-2.5-flash", start: GeminiEmulator.start },
  { name: "mistral", model: "mistral-small", start: MistralEmulator.start },
  { name: "xai", model: "grok", start: XaiEmulator.start }
]

/** Those that do not speak OpenAI's chat. */
const translated = ["anthropic", "gemini"]

let world: Wires.Wires
beforeAll(async () => {
  world = await Wires.install(wires)
})
afterAll(() => world.close())

interface Line {
  readonly custom_id: string
  readonly response: { readonly status_code: number; readonly body: OpenAI.ChatCompletion } | null
  readonly error: { readonly code: string; readonly message: string } | null
}

const linesOf = async (id: string | null | undefined): Promise<ReadonlyArray<Line>> => {
  if (id === null || id === undefined) return []
  const text = await (await world.client.files.content(id)).text()
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)
}

const upload = async (lines: ReadonlyArray<unknown>) =>
  world.client.files.create({
    purpose: "batch",
    file: await toFile(Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join("")), "input.jsonl")
  })

const line = (model: string, customId: string, content: unknown, more: object = {}) => ({
  custom_id: customId,
  method: "POST",
  url: "/v1/chat/completions",
  body: { model, messages: [{ role: "user", content }], ...more }
})

const create = (inputFileId: string) =>
  world.client.batches.create({
    input_file_id: inputFileId,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
    metadata: { team: "a" }
  })

/** The batch as it is when the provider has done all of it. */
const end = async (model: string, id: string): Promise<OpenAI.Batch> => {
  for (let steps = 0; steps < 3; steps++) world.emulator(model).advanceBatches(model)
  return world.client.batches.retrieve(id)
}

describe.each(wires.map(({ name }) => name))("a batch on %s", (model) => {
  it("brings every result back under the client's own names, and its model's", async () => {
    const names = ["first ü/1", "x".repeat(100), "2", "l-1"]
    const input = await upload(names.map((name) => line(model, name, `Prompt of ${name.slice(0, 20)}`)))
    const created = await create(input.id)
    assert.deepInclude(created, { endpoint: "/v1/chat/completions", input_file_id: input.id })
    assert.deepStrictEqual(created.metadata, { team: "a" })
    const ended = await end(model, created.id)
    assert.strictEqual(ended.status, "completed")
    assert.deepEqual(ended.request_counts, { total: 4, completed: 4, failed: 0 })
    const output = await linesOf(ended.output_file_id)
    assert.sameMembers(
      output.map(({ custom_id }) => custom_id),
      names
    )
    for (const { custom_id, response } of output) {
      assert.strictEqual(response?.status_code, 200)
      assert.strictEqual(response?.body.model, model)
      assert.include(response?.body.choices[0]?.message.content, `Prompt of ${custom_id.slice(0, 20)}`)
    }
    assert.isNotOk(ended.error_file_id)
  })

  it("is ended once, however many ask at the same moment", async () => {
    const input = await upload([line(model, "a", "Hello"), line(model, "b", "Hello", { max_tokens: 5 })])
    const created = await create(input.id)
    for (let steps = 0; steps < 3; steps++) world.emulator(model).advanceBatches(model)
    const before = await world.client.files.list({ purpose: "batch_output" })
    const looks = await Promise.all(Array.from({ length: 5 }, () => world.client.batches.retrieve(created.id)))
    assert.deepStrictEqual([...new Set(looks.map(({ status }) => status))], ["completed"])
    assert.strictEqual(new Set(looks.map(({ output_file_id }) => output_file_id)).size, 1)
    const after = await world.client.files.list({ purpose: "batch_output" })
    assert.strictEqual(after.data.length, before.data.length + 1)
  })

  it("is cancelled with what was done so far", async () => {
    const input = await upload([line(model, "a", "Hello"), line(model, "b", "Hello"), line(model, "c", "Hello")])
    const created = await create(input.id)
    const cancelled = await world.client.batches.cancel(created.id)
    assert.include(["cancelling", "finalizing", "cancelled"], cancelled.status)
    const ended = await end(model, created.id)
    assert.strictEqual(ended.status, "cancelled")
    const output = await linesOf(ended.output_file_id)
    const errors = await linesOf(ended.error_file_id)
    assert.sameMembers(
      [...output, ...errors].map(({ custom_id }) => custom_id),
      ["a", "b", "c"]
    )
    assert.isTrue(errors.every(({ error }) => error?.code === "batch_cancelled"))
    assert.deepEqual(ended.request_counts, { total: 3, completed: output.length, failed: errors.length })
  })
})

describe.each(wires.map(({ name }) => name))("the making of a batch on %s", (model) => {
  it("whose answer never comes is not repeated: the batch is found again", async () => {
    const input = await upload([line(model, "a", "Hello"), line(model, "b", "Hello")])
    const before = world.emulator(model).batches(model).length
    world.emulator(model).fault({ route: "batches.create", kind: { acceptThenCut: true }, times: 1 })
    const created = await create(input.id)
    assert.strictEqual(world.emulator(model).batches(model).length, before + 1)
    const ended = await end(model, created.id)
    assert.strictEqual(ended.status, "completed")
    assert.strictEqual((await linesOf(ended.output_file_id)).length, 2)
  })
})

describe.each(translated)("a translated batch on %s", (model) => {
  it("brings its results back in OpenAI's files, under the client's own names", async () => {
    const pdf = await world.client.files.create({
      file: await toFile(Buffer.from("%PDF-1.7\nA report.\n"), "report.pdf", { type: "application/pdf" }),
      purpose: "user_data"
    })
    const input = await upload([
      line(model, "first ü/1", "Hello"),
      line(model, "x".repeat(100), [
        { type: "text", text: "Read this" },
        { type: "file", file: { file_id: pdf.id } }
      ]),
      line(model, "two at once", "Hello", { n: 2 }),
      line(model, "tool", 'call weather {"city":"Oslo"}', {
        tools: [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }]
      })
    ])
    const created = await create(input.id)
    assert.strictEqual(created.input_file_id, input.id)
    assert.strictEqual(created.endpoint, "/v1/chat/completions")
    assert.deepStrictEqual(created.metadata, { team: "a" })
    assert.deepInclude(created.request_counts, { total: 4, completed: 0, failed: 1 })
    assert.include(["validating", "in_progress"], created.status)

    const ended = await end(model, created.id)
    assert.strictEqual(ended.status, "completed")
    assert.deepEqual(ended.request_counts, { total: 4, completed: 3, failed: 1 })
    const output = await linesOf(ended.output_file_id)
    const byId = new Map(output.map((result) => [result.custom_id, result]))
    assert.sameMembers([...byId.keys()], ["first ü/1", "x".repeat(100), "tool"])
    const first = byId.get("first ü/1")
    assert.strictEqual(first?.response?.status_code, 200)
    assert.strictEqual(first?.response?.body.model, model)
    assert.include(first?.response?.body.choices[0]?.message.content, "Prompt: Hello")
    assert.include(byId.get("x".repeat(100))?.response?.body.choices[0]?.message.content, "19 bytes, sha256")
    const [call] = byId.get("tool")?.response?.body.choices[0]?.message.tool_calls ?? []
    assert.strictEqual(call?.type === "function" ? call.function.arguments : "", '{"city":"Oslo"}')

    const [refused, ...others] = await linesOf(ended.error_file_id)
    assert.deepStrictEqual(others, [])
    assert.strictEqual(refused?.custom_id, "two at once")
    assert.strictEqual(refused?.error?.code, "invalid_request")
    assert.include(refused?.error?.message, "(n)")

    const again = await world.client.batches.retrieve(created.id)
    assert.strictEqual(again.output_file_id, ended.output_file_id)
    const listed = await world.client.files.list({ purpose: "batch_output" })
    assert.includeMembers(
      listed.data.map(({ id }) => id),
      [ended.output_file_id ?? "", ended.error_file_id ?? ""]
    )
    await world.client.files.delete(ended.output_file_id ?? "")
    assert.strictEqual((await world.client.batches.retrieve(created.id)).output_file_id, ended.output_file_id)
  })

  it("is not made of lines of which none can be run", async () => {
    const before = world.emulator(model).batches(model).length
    const input = await upload([line(model, "a", "Hello", { n: 2 })])
    const refused = await create(input.id).catch((cause: unknown) => cause)
    assert.instanceOf(refused, BadRequestError)
    assert.strictEqual(refused.param, "input_file_id")
    assert.include(refused.message, "Line 1")
    assert.strictEqual(world.emulator(model).batches(model).length, before)
  })
})
