import Anthropic from "@anthropic-ai/sdk"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import OpenAI from "openai"
import * as World from "./support/world.ts"

let world: World.World
beforeAll(async () => {
  world = await World.make()
})
afterAll(() => world.close())

interface Row {
  readonly model: string
  readonly calls: number
  readonly input_tokens: number
  readonly output_tokens: number
}

type Reported = { readonly input_tokens: number; readonly output_tokens: number }

/** What has been counted for a model, when it is so many calls. */
const counted = async (key: string, model: string, calls: number): Promise<Row> => {
  for (;;) {
    const answer = await fetch(`${world.url}/v1/usage?group_by=model`, { headers: { authorization: `Bearer ${key}` } })
    const { data } = (await answer.json()) as { readonly data: ReadonlyArray<Row> }
    const row = data.find((candidate) => candidate.model === model)
    // A client may have its whole answer before the provider's connection says that there is no more.
    if (row !== undefined && row.calls >= calls) return row
  }
}

const assertCounted = async (key: string, model: string, reported: ReadonlyArray<Reported>): Promise<void> => {
  const row = await counted(key, model, reported.length)
  assert.deepInclude(row, {
    calls: reported.length,
    input_tokens: reported.reduce((sum, { input_tokens }) => sum + input_tokens, 0),
    output_tokens: reported.reduce((sum, { output_tokens }) => sum + output_tokens, 0)
  })
}

describe("usage", () => {
  it("of Messages is what the provider reports, in two parts when it streams", async () => {
    const { alice, bob } = world
    const client = new Anthropic({ apiKey: alice.key, baseURL: world.url, maxRetries: 0 })
    const request = {
      model: "model-claude",
      max_tokens: 100,
      messages: [{ role: "user" as const, content: "how much is this?" }]
    }
    const plain = await client.messages.create(request)
    const streamed = await client.messages.stream(request).finalMessage()
    await client.messages.countTokens({ model: request.model, messages: request.messages })
    assert.isAbove(plain.usage.output_tokens, 0)
    await assertCounted(alice.key, "model-claude", [plain.usage, streamed.usage])
    const others = await fetch(`${world.url}/v1/usage`, { headers: { authorization: `Bearer ${bob.key}` } })
    assert.deepNestedInclude(await others.json(), { data: [], has_more: false })
  })

  it("of Responses is what the provider reports, plain, streamed and asked for again", async () => {
    const { bob } = world
    const client = new OpenAI({ apiKey: bob.key, baseURL: `${world.url}/v1`, maxRetries: 0 })
    const request = { model: "model-alpha", input: "how much is this?" }
    const plain = await client.responses.create(request)
    await client.responses.retrieve(plain.id)
    const reported: Array<Reported> = plain.usage ? [plain.usage] : []
    for await (const event of await client.responses.create({ ...request, stream: true })) {
      if (event.type === "response.completed" && event.response.usage) reported.push(event.response.usage)
    }
    assert.lengthOf(reported, 2)
    await assertCounted(bob.key, request.model, reported)
  })
})
