import { assert, describe, it, onTestFinished } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { request as httpRequest } from "node:http"
import { APIConnectionError, BadRequestError, NotFoundError, toFile } from "openai"
import * as OpenAIEmulator from "../src/OpenAIEmulator.ts"
import { ask, boundary, clientOf, failure, field, file, multipart, start, upload } from "./openai/harness.ts"

describe("accounts", () => {
  const accounts = [
    { name: "alpha", key: "sk-alpha" },
    { name: "beta", key: "sk-beta" }
  ]

  it("do not see each other's files", async () => {
    const { client: alpha, emulator } = await start({ accounts })
    const beta = clientOf(emulator, "sk-beta")
    const { id } = await upload(alpha)
    assert.instanceOf(await failure(beta.files.retrieve(id)), NotFoundError)
    assert.instanceOf(await failure(beta.files.delete(id)), NotFoundError)
    assert.strictEqual((await beta.files.list()).data.length, 0)
    const chat = beta.chat.completions.create({ model: "m", messages: ask(id) })
    assert.instanceOf(await failure(chat), BadRequestError)
    assert.strictEqual((await alpha.files.retrieve(id)).id, id)
  })

  it("must be told apart, and named right", async () => {
    const refused = async (these: typeof accounts): Promise<string> => {
      try {
        await OpenAIEmulator.start({ accounts: these })
      } catch (error) {
        return String(error)
      }
      return "started"
    }
    assert.match(await refused([]), /at least one/)
    assert.match(await refused([accounts[0]!, { name: "gamma", key: "sk-alpha" }]), /same key/)
    assert.match(await refused([accounts[0]!, { name: "alpha", key: "sk-other" }]), /same name/)
    const { emulator } = await start({ accounts })
    assert.throws(() => emulator.files("gamma"), /no account named gamma/)
    assert.throws(
      () => emulator.fault({ account: "gamma", route: "chat", kind: { hang: true } }),
      /no account named gamma/
    )
  })

  it("serve the models they are given", async () => {
    const { client } = await start({ accounts: [{ ...accounts[0]!, models: ["small", "large"] }] })
    const models: Array<string> = []
    for await (const model of client.models.list()) models.push(model.id)
    assert.deepStrictEqual(models, ["small", "large"])
    assert.strictEqual((await client.models.retrieve("small")).id, "small")
    const messages = [{ role: "user" as const, content: "hi" }]
    const refused = await failure(client.chat.completions.create({ model: "other", messages }))
    assert.instanceOf(refused, NotFoundError)
    assert.strictEqual(refused.code, "model_not_found")
    assert.strictEqual((await client.chat.completions.create({ model: "large", messages })).model, "large")
  })
})

describe("journal", () => {
  it("tells what came, without secrets", async () => {
    const { client, emulator } = await start({ journal: { bodyLimit: 40 } })
    await client.files.create({ purpose: "user_data", file: await toFile(Buffer.from("hello"), "n.txt") })
    await client.chat.completions.create({ model: "m", messages: [{ role: "user", content: "x".repeat(100) }] })
    const [uploaded, chat] = emulator.journal
    assert.strictEqual(uploaded?.headers["authorization"], "[redacted]")
    assert.notInclude(JSON.stringify(emulator.journal), "sk-alpha")
    assert.match(uploaded?.headers["user-agent"] ?? "", /OpenAI/)
    assert.deepStrictEqual([uploaded?.method, uploaded?.path, uploaded?.account], ["POST", "/v1/files", "alpha"])
    assert.deepStrictEqual(uploaded?.upload?.fields, [{ name: "purpose", value: "user_data" }])
    assert.strictEqual(uploaded?.upload?.bytes, 5)
    assert.strictEqual(chat?.body?.length, 40)
    assert.strictEqual(chat?.bytes, chat?.contentLength)
    assert.isFalse(chat?.chunked)
  })

  it("forgets the oldest entries beyond its limit", async () => {
    const { client, emulator } = await start({ journal: { maxEntries: 2 } })
    for (const id of ["file-1", "file-2", "file-3"]) await failure(client.files.retrieve(id))
    assert.deepStrictEqual(
      emulator.journal.map(({ path }) => path),
      ["/v1/files/file-2", "/v1/files/file-3"]
    )
  })

  it("waits for what is still to come, and gives up in time", async () => {
    const { client, emulator } = await start()
    const awaited = emulator.waitFor((entry) => entry.route === "files.list" && entry.status === 200)
    await client.files.list()
    assert.strictEqual((await awaited).path, "/v1/files")
    const timeout = await emulator
      .waitFor((entry) => entry.route === "chat", 5)
      .then(
        () => "found",
        (error: unknown) => String(error)
      )
    assert.match(timeout, /within 5 ms[\s\S]*alpha GET \/v1\/files -> 200/)
  })

  it("sees a client hang up in the middle of an upload", async () => {
    const { emulator } = await start()
    const request = httpRequest(`${emulator.baseUrl}/files`, {
      method: "POST",
      headers: {
        authorization: "Bearer sk-alpha",
        "content-type": `multipart/form-data; boundary=${boundary}`,
        "content-length": 1_000_000
      }
    })
    request.on("error", () => {})
    request.write(multipart([field("purpose", "batch"), file(randomBytes(1_000))], ""))
    const begun = await emulator.waitFor((entry) => entry.bytes > 1_000)
    assert.isFalse(begun.done)
    request.destroy()
    const entry = await emulator.waitFor((each) => each.done)
    assert.isTrue(entry.aborted)
    assert.strictEqual(entry.status, undefined)
    assert.deepStrictEqual(emulator.files("alpha"), [])
  })
})

describe("life cycle", () => {
  it.effect("closes with its scope, whoever still hangs", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const emulator = yield* Scope.provide(
        OpenAIEmulator.make({ accounts: [{ name: "alpha", key: "sk-alpha" }] }),
        scope
      )
      emulator.fault({ route: "files.list", kind: { hang: true } })
      const client = clientOf(emulator)
      const hanging = failure(client.files.list())
      yield* Effect.promise(() => emulator.waitFor((entry) => entry.route === "files.list"))
      yield* Scope.close(scope, Exit.void)
      assert.instanceOf(yield* Effect.promise(() => hanging), APIConnectionError)
      assert.instanceOf(yield* Effect.promise(() => failure(client.models.list())), APIConnectionError)
    })
  )

  it("says so when the port is taken", async () => {
    const { emulator } = await start()
    const port = Number(new URL(emulator.baseUrl).port)
    const outcome = await OpenAIEmulator.start({ port, accounts: [{ name: "alpha", key: "sk-alpha" }] }).then(
      () => "started",
      (error: unknown) => String(error)
    )
    assert.match(outcome, /EADDRINUSE/)
  })

  it("starts two providers for a demo, each with its own files", async () => {
    const demo = await OpenAIEmulator.demo()
    onTestFinished(() => demo.close())
    assert.deepStrictEqual(
      demo.accounts.map(({ name }) => name),
      ["emulated-alpha", "emulated-beta"]
    )
    const [alpha, beta] = demo.accounts.map(({ baseUrl, key }) => clientOf({ baseUrl }, key))
    const { id } = await upload(alpha!)
    assert.instanceOf(await failure(beta!.files.retrieve(id)), NotFoundError)
    const answer = await alpha!.chat.completions.create({ model: "any", messages: ask(id) })
    assert.match(answer.choices[0]?.message.content ?? "", /^Answer from emulated-alpha/)
    const stream = alpha!.chat.completions.stream({ model: "any", messages: ask(id) })
    assert.match((await stream.finalContent()) ?? "", /notes\.txt, 5 bytes/)
    for (const { baseUrl } of demo.accounts) assert.match(baseUrl, /^http:\/\/127\.0\.0\.1:\d+\/v1$/)
  })
})
