/** The Messages API through a gateway, by the official client in both generations of its wire. */
import Anthropic from "@anthropic-ai/sdk"
import EarlierAnthropic from "@anthropic-ai/sdk-0.137"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { JournalEntry } from "@omnifile/testkit/OpenAIEmulator"
import * as World from "./support/world.ts"

let world: World.World
beforeAll(async () => {
  world = await World.make()
})
afterAll(() => world.close())

interface Failed {
  readonly status?: number
  readonly error?: { readonly error?: { readonly type?: string; readonly message?: string } }
  readonly requestID?: string | null
}

const failureOf = (promise: Promise<unknown>): Promise<Failed> =>
  promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error as Failed
  )

const since = (): (() => ReadonlyArray<JournalEntry>) => {
  const start = world.anthropic.journal.length
  return () => world.anthropic.journal.slice(start)
}

const client = (key: string): Anthropic => new Anthropic({ apiKey: key, baseURL: world.url, maxRetries: 0 })

const document = (file_id: string) => ({ type: "document", source: { type: "file", file_id } }) as const

const asking = (text: string, ...blocks: ReadonlyArray<object>) =>
  ({
    model: "model-claude",
    max_tokens: 100,
    messages: [{ role: "user", content: [...blocks, { type: "text", text }] as Array<Anthropic.ContentBlockParam> }]
  }) as const satisfies Anthropic.MessageCreateParams

const textOf = ({ content }: { readonly content: ReadonlyArray<{ readonly type: string; readonly text?: string }> }) =>
  content.map(({ text = "" }) => text).join("")

describe("a message", () => {
  it("sees the files that it names, wherever the API takes them", async () => {
    const { alice } = world
    const [one, two, three] = [await alice.upload("one"), await alice.upload("two!"), await alice.upload("three")]
    const message = await client(alice.key).messages.create(
      asking(
        "what is this?",
        document(one),
        { type: "container_upload", file_id: two },
        { type: "tool_result", tool_use_id: "t", content: [document(three)] }
      )
    )
    const text = textOf(message)
    assert.include(text, "Answer from claude (model provider-claude).")
    assert.include(text, "File 1: notes.txt, 3 bytes")
    assert.include(text, "File 2: notes.txt, 4 bytes")
    assert.include(text, "File 3: notes.txt, 5 bytes")
    assert.isString(message._request_id)
  })

  it("is streamed, and is the same", async () => {
    const anthropic = client(world.alice.key)
    const request = asking("tell me", document(await world.alice.upload("a file")))
    const whole = await anthropic.messages.create(request)
    const streamed = await anthropic.messages.stream(request).finalMessage()
    assert.strictEqual(textOf(streamed), textOf(whole))
    assert.deepInclude(streamed, { stop_reason: "end_turn" })
  })

  it("is answered to earlier clients, whose headers go on to the provider", async () => {
    const earlier = new EarlierAnthropic({ apiKey: world.alice.key, baseURL: world.url, maxRetries: 0 })
    const file = await world.alice.upload("a file")
    const provider = since()
    const message = await earlier.beta.messages.create({
      model: "model-claude",
      max_tokens: 100,
      betas: ["files-api-2025-04-14"],
      messages: [{ role: "user", content: [document(file), { type: "text", text: "hello" }] }]
    })
    assert.include(JSON.stringify(message.content), "File 1: notes.txt, 6 bytes")
    const call = provider().find(({ route }) => route === "messages")
    assert.deepInclude(call?.headers, { "anthropic-beta": "files-api-2025-04-14", "anthropic-version": "2023-06-01" })
    let text = ""
    for await (const event of await earlier.messages.create({ ...asking("tell me"), stream: true })) {
      if (event.type === "content_block_delta" && event.delta.type === "text_delta") text += event.delta.text
    }
    assert.include(text, "Prompt: tell me")
    const refused = await failureOf(earlier.messages.create(asking("?", document("file_0123456789"))))
    assert.strictEqual(refused.status, 404)
  })

  it("brings a file that a tool has made, which can be fetched", async () => {
    const { alice, bob } = world
    const tools = [{ type: "code_execution_20250825", name: "code_execution" }] as const
    for (const stream of [false, true]) {
      const request = { ...asking("compute"), tools: [...tools] }
      const anthropic = client(alice.key)
      const message = stream
        ? await anthropic.messages.stream(request).finalMessage()
        : await anthropic.messages.create(request)
      const made = /"type":"bash_code_execution_output","file_id":"(file-[^"]+)"/.exec(JSON.stringify(message.content))
      const id = made?.[1] ?? ""
      const content = await alice.openai.files.content(id)
      assert.strictEqual(await content.text(), "account\nclaude\n")
      const foreign = await bob.call(`/v1/files/${id}`)
      assert.strictEqual(foreign.status, 404)
      const [container] = /cntr_[\w-]{60,}/.exec(JSON.stringify(message)) ?? []
      assert.isDefined(container)
      const provider = since()
      const again = { ...asking("compute"), container: container ?? "" }
      assert.strictEqual((await failureOf(client(bob.key).messages.create(again))).status, 404)
      assert.lengthOf(provider(), 0)
      await anthropic.messages.create(again)
      assert.match(provider()[0]?.body ?? "", /"container":"container_\w{24}"/)
    }
  })

  it("asks nobody for what is not the caller's, wherever it is named", async () => {
    const { alice, bob } = world
    const file = await alice.upload("hers")
    await client(alice.key).messages.create(asking("hello", document(file)))
    const raw = world.anthropic.files("claude").at(-1)?.id ?? ""
    const provider = since()
    for (const id of [file, raw, "file-0123456789"]) {
      const image = { type: "image", source: { type: "file", file_id: id } }
      for (const block of [
        document(id),
        image,
        { type: "container_upload", file_id: id },
        { type: "tool_result", tool_use_id: "t", content: [image] },
        { type: "document", source: { type: "content", content: [image] } }
      ]) {
        const failed = await failureOf(client(bob.key).messages.create(asking("?", block)))
        assert.strictEqual(failed.status, 404, JSON.stringify(block))
        assert.strictEqual(failed.error?.error?.type, "not_found_error")
      }
      const failed = await failureOf(client(bob.key).messages.countTokens(asking("?", document(id))))
      assert.strictEqual(failed.status, 404)
    }
    assert.lengthOf(provider(), 0)
  })

  it("makes a copy again that the provider has lost", async () => {
    const { alice } = world
    const request = asking("tell me", document(await alice.upload("to be lost")))
    const first = await client(alice.key).messages.create(request)
    const copy = world.anthropic.files("claude").at(-1)?.id ?? ""
    assert.isTrue(world.anthropic.loseFile("claude", copy))
    assert.strictEqual(textOf(await client(alice.key).messages.create(request)), textOf(first))
  })

  it("is refused in Anthropic's shape, by us as by the provider", async () => {
    const { alice } = world
    const anthropic = client(alice.key)
    const cases: ReadonlyArray<readonly [failed: Promise<Failed>, status: number, type: string, message: RegExp]> = [
      [failureOf(client("sk-wrong").messages.create(asking("?"))), 401, "authentication_error", /./],
      [failureOf(anthropic.messages.create({ ...asking("?"), model: "none" })), 404, "not_found_error", /none/],
      [
        failureOf(anthropic.messages.create({ ...asking("?"), model: "model-alpha" })),
        400,
        "invalid_request_error",
        /./
      ],
      [
        failureOf(anthropic.messages.create({ ...asking("?"), messages: [] })),
        400,
        "invalid_request_error",
        /at least one message/
      ]
    ]
    for (const [failed, status, type, message] of cases) {
      const { error, requestID, status: actual } = await failed
      assert.strictEqual(actual, status)
      assert.strictEqual(error?.error?.type, type)
      assert.match(error?.error?.message ?? "", message)
      assert.isString(requestID)
    }
    const fault = world.anthropic.fault({ account: "claude", route: "messages", times: 1, kind: { status: 529 } })
    const overloaded = await failureOf(anthropic.messages.create(asking("?")))
    assert.strictEqual(overloaded.status, 502)
    assert.strictEqual(overloaded.error?.error?.type, "api_error")
    assert.strictEqual(fault.hits(), 1)
  })

  it("has its tokens counted", async () => {
    const count = await client(world.alice.key).messages.countTokens(
      asking("how many?", document(await world.alice.upload("x".repeat(400))))
    )
    assert.strictEqual(count.input_tokens, 103)
  })
})

describe("a stream", () => {
  it("ends at the provider when the client leaves in the middle", async () => {
    const stream = client(world.alice.key).messages.stream({ ...asking("endless"), model: "model-endless" })
    let deltas = 0
    for await (const event of stream) {
      if (event.type === "content_block_delta") deltas += 1
      if (deltas === 3) break
    }
    await world.anthropic.waitFor(({ aborted, account }) => account === "endless" && aborted)
  })

  it("breaks when the provider's does, without an end", async () => {
    world.anthropic.fault({ account: "claude", route: "messages", times: 1, kind: { cutStreamAfterEvents: 4 } })
    const types: Array<string> = []
    await failureOf(
      (async () => {
        const stream = await client(world.alice.key).messages.create({ ...asking("to be broken"), stream: true })
        for await (const { type } of stream) types.push(type)
      })()
    )
    assert.include(types, "message_start")
    assert.notInclude(types, "message_stop")
  })
})
