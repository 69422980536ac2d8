import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError, toFile } from "openai"
import * as Aimock from "../src/Aimock.ts"
import { ask, failure, sha256 } from "./openai/harness.ts"

const start = async (options: Aimock.AimockOptions = {}): Promise<{ aimock: Aimock.Aimock; client: OpenAI }> => {
  const aimock = await Aimock.start(options)
  onTestFinished(() => aimock.close())
  return { aimock, client: new OpenAI({ apiKey: "sk-aimock", baseURL: aimock.baseUrl, maxRetries: 0 }) }
}

describe("aimock", () => {
  it("stores, lists, retrieves, gives back and deletes files", async () => {
    const { aimock, client } = await start()
    const bytes = randomBytes(100_000)
    const created = await client.files.create({ file: await toFile(bytes, "one.jsonl"), purpose: "batch" })
    const second = await client.files.create({ purpose: "user_data", file: await toFile(Buffer.from("2"), "two.txt") })
    assert.deepInclude({ ...created }, { object: "file", bytes: 100_000, filename: "one.jsonl", purpose: "batch" })
    assert.match(created.id, /^file-/)
    assert.deepStrictEqual({ ...(await client.files.retrieve(created.id)) }, { ...created })

    const listed: Array<string> = []
    for await (const each of client.files.list({ limit: 1, order: "asc" })) listed.push(each.id)
    assert.includeMembers(listed, [created.id, second.id])

    const content = await client.files.content(created.id)
    assert.isTrue(Buffer.from(await content.arrayBuffer()).equals(bytes))
    assert.strictEqual((await client.files.delete(created.id)).deleted, true)
    assert.instanceOf(await failure(client.files.retrieve(created.id)), NotFoundError)

    const [upload] = aimock.requests()
    assert.deepInclude({ ...upload }, { method: "POST", path: "/v1/files", status: 200 })
    assert.deepInclude(upload?.body, { filename: "one.jsonl", bytes: 100_000, sha256: sha256(bytes) })
  })

  it("takes a chunked upload", async () => {
    const { client } = await start()
    const file = await toFile(
      (async function* () {
        yield Buffer.from("one ")
        yield Buffer.from("two")
      })(),
      "stream.txt"
    )
    assert.strictEqual((await client.files.create({ purpose: "batch", file })).bytes, 7)
  })

  it("answers chat with a file part, plain and streamed", async () => {
    const { aimock, client } = await start({ answer: "Read it." })
    const messages = ask("file-that-nobody-uploaded")
    const plain = await client.chat.completions.create({ model: "gpt-4o-mini", messages })
    assert.strictEqual(plain.choices[0]?.message.content, "Read it.")
    assert.isAbove(plain.usage?.total_tokens ?? 0, 0)

    const stream = client.chat.completions.stream({
      model: "gpt-4o-mini",
      messages,
      stream_options: { include_usage: true }
    })
    assert.strictEqual(await stream.finalContent(), "Read it.")
    assert.isAbove((await stream.totalUsage()).total_tokens, 0)
    assert.deepStrictEqual(
      aimock.requests().map(({ body }) => (body as { messages: unknown }).messages),
      [messages, messages]
    )
  })

  it("refuses a wrong key, an unknown purpose and a missing file in OpenAI's shape", async () => {
    const { client } = await start({ apiKeys: ["sk-aimock"] })
    assert.instanceOf(await failure(client.withOptions({ apiKey: "sk-other" }).files.list()), AuthenticationError)
    const wrong = client.files.create({ purpose: "fun" as never, file: await toFile(Buffer.from("x"), "x.txt") })
    const refused = await failure(wrong)
    assert.instanceOf(refused, BadRequestError)
    assert.strictEqual(refused.type, "invalid_request_error")
    assert.instanceOf(await failure(client.files.content("file-none")), NotFoundError)
  })

  it("is laxer than OpenAI: no expiry, every content, files shared by all instances", async () => {
    const { client } = await start()
    const created = await client.files.create({
      purpose: "user_data",
      file: await toFile(Buffer.from("secret"), "s.txt"),
      expires_after: { anchor: "created_at", seconds: 3600 }
    })
    assert.notProperty(created, "expires_at")
    assert.strictEqual(await (await client.files.content(created.id)).text(), "secret")
    const { client: other } = await start()
    assert.strictEqual((await other.files.retrieve(created.id)).id, created.id)
  })
})
