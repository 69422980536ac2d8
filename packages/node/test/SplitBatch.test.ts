/** One batch over deployments of several wires at once. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import type OpenAI from "openai"
import { BadRequestError, ConflictError, toFile } from "openai"
import * as Wires from "./support/wires.ts"

const names = ["openai", "anthropic"] as const

let world: Wires.Wires
beforeAll(async () => {
  world = await Wires.install([
    { name: "openai", model: "gpt-4o-mini", modelName: "shared", start: OpenAIEmulator.start },
    { name: "anthropic", model: "claude-sonnet-4-5", modelName: "shared", start: AnthropicEmulator.start }
  ])
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

const idsOf = (count: number) => Array.from({ length: count }, (_, index) => `line ${index}`)

const upload = async (count: number) => {
  const lines = idsOf(count).map((id) => ({
    custom_id: id,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "shared", messages: [{ role: "user", content: `Prompt of ${id}` }] }
  }))
  const text = lines.map((line) => JSON.stringify(line)).join("\n")
  return world.client.files.create({ purpose: "batch", file: await toFile(Buffer.from(text), "input.jsonl") })
}

const create = (inputFileId: string, split: unknown = true) => {
  const params = {
    input_file_id: inputFileId,
    endpoint: "/v1/chat/completions" as const,
    completion_window: "24h" as const,
    metadata: { team: "a" },
    split
  }
  return world.client.batches.create(params)
}

const advance = (name: string) => {
  for (let steps = 0; steps < 3; steps++) world.emulator(name).advanceBatches(name)
}

const countsAt = () => names.map((name) => world.emulator(name).batches(name).length)

const listed = async () => (await world.client.batches.list({ limit: 100 })).data.map(({ id }) => id)

describe("a batch that may be split", () => {
  it("runs on all deployments at once, and is one batch with one output to its client", async () => {
    const before = countsAt()
    const input = await upload(20)
    const files = await world.client.files.list({ purpose: "batch_output" })
    const created = await create(input.id)
    assert.deepStrictEqual(
      countsAt(),
      before.map((count) => count + 1)
    )
    assert.include(["validating", "in_progress"], created.status)
    assert.deepInclude(created, { input_file_id: input.id, endpoint: "/v1/chat/completions" })
    assert.deepStrictEqual(created.metadata, { team: "a" })
    assert.deepStrictEqual(created.request_counts, { total: 20, completed: 0, failed: 0 })
    assert.strictEqual((await listed()).filter((id) => id === created.id).length, 1)

    advance("openai")
    const half = await world.client.batches.retrieve(created.id)
    assert.strictEqual(half.status, "in_progress")
    assert.deepStrictEqual(half.request_counts, { total: 20, completed: 10, failed: 0 })
    assert.isNotOk(half.output_file_id)
    const refused = await world.client.files.delete(input.id).catch((cause: unknown) => cause)
    assert.instanceOf(refused, ConflictError)
    assert.include(refused.message, created.id)

    advance("anthropic")
    const looks = await Promise.all(Array.from({ length: 5 }, () => world.client.batches.retrieve(created.id)))
    assert.deepStrictEqual([...new Set(looks.map(({ status }) => status))], ["completed"])
    assert.strictEqual(new Set(looks.map(({ output_file_id }) => output_file_id)).size, 1)
    const [ended] = looks
    assert.deepStrictEqual(ended?.request_counts, { total: 20, completed: 20, failed: 0 })
    assert.isNotOk(ended?.error_file_id)
    const output = await linesOf(ended?.output_file_id)
    assert.sameMembers(
      output.map(({ custom_id }) => custom_id),
      idsOf(20)
    )
    for (const { custom_id, response } of output) {
      assert.include(response?.body.choices[0]?.message.content, `Prompt of ${custom_id}`)
    }
    const after = await world.client.files.list({ purpose: "batch_output" })
    assert.strictEqual(after.data.length, files.data.length + 1)
    await world.client.files.delete(input.id)
  })

  it("gives the lines that one provider refuses to another", async () => {
    const before = countsAt()
    const fault = { route: "batches.create", kind: { status: 500 }, times: 10 } as const
    world.emulator("anthropic").fault(fault)
    const created = await create((await upload(4)).id)
    world.emulator("anthropic").clearFaults()
    assert.deepStrictEqual(countsAt(), [(before[0] ?? 0) + 2, before[1]])
    advance("openai")
    const ended = await world.client.batches.retrieve(created.id)
    assert.strictEqual(ended.status, "completed")
    const output = await linesOf(ended.output_file_id)
    assert.sameMembers(
      output.map(({ custom_id }) => custom_id),
      idsOf(4)
    )
  })

  it("is cancelled in all of its parts", async () => {
    const created = await create((await upload(6)).id)
    const cancelled = await world.client.batches.cancel(created.id)
    assert.include(["cancelling", "finalizing", "cancelled"], cancelled.status)
    for (const name of names) advance(name)
    const ended = await world.client.batches.retrieve(created.id)
    assert.strictEqual(ended.status, "cancelled")
  })

  it("is an ordinary one where it has a single line", async () => {
    const before = countsAt().reduce((sum, count) => sum + count, 0)
    const created = await create((await upload(1)).id)
    assert.strictEqual(
      countsAt().reduce((sum, count) => sum + count, 0),
      before + 1
    )
    for (const name of names) advance(name)
    assert.strictEqual((await world.client.batches.retrieve(created.id)).status, "completed")
  })

  it("says so with a boolean and nothing else", async () => {
    const input = await upload(2)
    const refused = await create(input.id, "yes").catch((cause: unknown) => cause)
    assert.instanceOf(refused, BadRequestError)
    assert.strictEqual(refused.param, "split")
    const before = countsAt()
    const params = { input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const
    await world.client.batches.create(params, { headers: { "X-Omnifile-Batch-Split": "true" } })
    assert.deepStrictEqual(
      countsAt(),
      before.map((count) => count + 1)
    )
  })
})
