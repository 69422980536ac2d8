/** Chat over several deployments: who serves it, with which copy, and what clients see of failures. */
import * as Aimock from "@omnifile/testkit/Aimock"
import type { JournalEntry } from "@omnifile/testkit/OpenAIEmulator"
import { afterEach, afterAll, assert, beforeAll, describe, it } from "vitest"
import { ask, messagesOf, refusal, upload } from "./support/calls.ts"
import { eventually } from "./support/eventually.ts"
import * as Installation from "./support/Installation.ts"
import type { ServerProcess } from "./support/ServerProcess.ts"

let installation: Installation.Installation
let server: ServerProcess

const failures = [{ status: 500 }, { status: 503 }, { status: 429 }, { cutAfterBytes: 0 }, { hang: true }] as const

/** An account for each failure, so that none of them meets the fault of another. */
const failing = failures.map((_, index) => `failing-${index}`)

/** Deployments on some accounts, under one model name. */
const on = (...accounts: ReadonlyArray<string>) => accounts.map((account) => ({ account, model: `pooled-${account}` }))

const pools = Object.fromEntries(failing.map((account, index) => [`pool-${index}`, on(account, "beta")]))

beforeAll(async () => {
  installation = await Installation.open({
    accounts: ["alpha", "beta", "gamma", ...failing],
    models: {
      ...pools,
      pool: on("alpha", "beta"),
      preferring: [
        { account: "alpha", model: "heavy", weight: 1000 },
        { account: "beta", model: "light", weight: 1 }
      ]
    },
    account: () => ({ timeouts: { headers: "700ms" } }),
    stream: { events: 200, intervalMs: 5 }
  })
  server = await installation.start()
})
afterAll(() => installation.close())

const clearingFaults = (): void => {
  afterEach(() => installation.emulator.clearFaults())
}

const chatsSince = (start: number): ReadonlyArray<JournalEntry> =>
  installation.emulator.journal.slice(start).filter(({ route }) => route === "chat")

const now = (): number => installation.emulator.journal.length

describe("a chat", { timeout: 60_000 }, () => {
  clearingFaults()

  it("gives every account its own IDs, and the client none of them", async () => {
    const { emulator } = installation
    const client = installation.client(server)
    const file = await upload(client, "seen by all", { name: "seen.txt", models: "alpha,beta,gamma" })
    for (const account of ["alpha", "beta", "gamma"]) {
      const start = now()
      const answer = await client.chat.completions
        .create({ model: account, messages: messagesOf(file.id), metadata: { note: file.id }, user: file.id })
        .asResponse()
      const text = await answer.text()
      assert.include(text, "seen.txt, 11 bytes")
      const [sent] = chatsSince(start)
      const own = emulator.files(account).find(({ filename }) => filename === "seen.txt")?.id ?? ""
      const body = JSON.parse(sent?.body ?? "") as Record<string, unknown>
      assert.deepInclude(body, { model: `provider-${account}`, messages: messagesOf(own) })
      assert.deepInclude(body, { metadata: { note: file.id }, user: file.id })
      for (const other of installation.accounts.flatMap((name) => emulator.files(name))) {
        assert.notInclude(text + JSON.stringify([...answer.headers]), other.id)
      }
    }
  })

  it("copies a file to an account that needs it, once for all who ask", async () => {
    const client = installation.client(server)
    const file = await upload(client, "lazy", { name: "lazy.txt" })
    const start = now()
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(client, "beta", file.id)))
    for (const answer of answers) assert.include(answer, "lazy.txt, 4 bytes")
    const made = installation.emulator.journal.slice(start).filter(({ route }) => route === "files.create")
    assert.lengthOf(made, 1)
  })

  it("goes to who holds the file already", async () => {
    const client = installation.client(server)
    const file = await upload(client, "held", { name: "held.txt", models: "beta" })
    for (let call = 0; call < 10; call++) {
      assert.include(await ask(client, "preferring", file.id), "Answer from beta")
    }
    assert.notInclude(
      installation.emulator.files("alpha").map(({ filename }) => filename),
      "held.txt"
    )
  })

  it("that needs a copy which cannot be made names the account", async () => {
    const client = installation.client(server)
    const file = await upload(client, "not wanted")
    installation.emulator.fault({ account: "gamma", route: "files.create", kind: { status: 400 } })
    const refused = await refusal(ask(client, "gamma", file.id))
    assert.strictEqual(refused.status, 502)
    assert.include(refused.message, "gamma")
  })

  it("finds a copy again that was lost at its provider", async () => {
    const { emulator } = installation
    const client = installation.client(server)
    const file = await upload(client, "lost and found", { name: "lost.txt", models: "alpha,beta" })
    const lost = emulator.files("alpha").find(({ filename }) => filename === "lost.txt")
    emulator.loseFile("alpha", lost?.id ?? "")
    const answers: Array<string> = []
    for (let call = 0; call < 3; call++) {
      answers.push(await ask(client, "alpha", file.id).catch((error: unknown) => String(error)))
    }
    assert.include(answers.at(-1), "lost.txt, 14 bytes")
    assert.lengthOf(
      emulator.files("alpha").filter(({ filename }) => filename === "lost.txt"),
      1
    )
  })

  it("names what is missing or unknown", async () => {
    const client = installation.client(server)
    const before = now()
    const post = async (body: unknown) => {
      const refused = await refusal(client.post("/chat/completions", { body }))
      return [refused.status, refused.param]
    }
    assert.deepStrictEqual(await post({ messages: messagesOf() }), [400, "model"])
    assert.deepStrictEqual(await post({ model: "alpha" }), [400, "messages"])
    assert.deepStrictEqual(await post({ model: "none", messages: messagesOf() }), [404, "model"])
    assert.strictEqual(now(), before)
  })
})

describe.concurrent("a provider that fails", { timeout: 60_000 }, () => {
  for (const [index, kind] of failures.entries()) {
    it(`with ${JSON.stringify(kind)} is stood in for, and serves again later`, async () => {
      const client = installation.client(server)
      const [account, pool] = [failing[index] ?? "", `pool-${index}`]
      const fault = installation.emulator.fault({ account, route: "chat", kind })
      const answers: Array<string> = []
      await eventually(
        async () => {
          answers.push(await ask(client, pool))
          return fault.hits() > 0
        },
        { what: "it was tried" }
      )
      for (const answer of answers) assert.include(answer, "Answer from beta")
      // Nobody tries it again while it cools down, as long as there is another.
      const hits = fault.hits()
      for (let call = 0; call < 5; call++) await ask(client, pool)
      assert.isAtMost(fault.hits(), hits + 1)
      fault.clear()
      const recovered = async (): Promise<boolean> => (await ask(client, pool)).includes(`Answer from ${account}`)
      await eventually(recovered, { what: "it serves again", seconds: 30 })
    })
  }
})

describe("a provider", { timeout: 60_000 }, () => {
  clearingFaults()

  it("that refuses the request itself is not stood in for", async () => {
    const error = { message: "No such thing.", type: "invalid_request_error", param: "messages[0]", code: "no_thing" }
    installation.emulator.fault({ route: "chat", kind: { status: 400, body: { error } } })
    const start = now()
    const { code, message, param, status, type } = await refusal(ask(installation.client(server), "pool"))
    assert.deepStrictEqual({ code, message, param, type }, error)
    assert.strictEqual(status, 400)
    assert.lengthOf(chatsSince(start), 1)
  })

  it("that fails as the last one is named", async () => {
    installation.emulator.fault({ route: "chat", kind: { status: 500 } })
    const refused = await refusal(ask(installation.client(server), "pool"))
    assert.strictEqual(refused.status, 502)
    assert.match(refused.message, /alpha|beta/)
  })

  it("that does not know our key has not refused the client", async () => {
    for (const status of [401, 403]) {
      installation.emulator.clearFaults()
      installation.emulator.fault({ account: "gamma", route: "chat", kind: { status } })
      const refused = await refusal(ask(installation.client(server), "gamma"))
      assert.strictEqual(refused.status, 502)
      assert.include(refused.message, "gamma")
    }
  })

  it("that has too many requests, like all others, says when to come back", async () => {
    installation.emulator.fault({ account: "alpha", route: "chat", kind: { status: 429, retryAfter: 3 } })
    installation.emulator.fault({ account: "beta", route: "chat", kind: { status: 429, retryAfter: 2 } })
    const refused = await refusal(ask(installation.client(server), "pool"))
    assert.strictEqual(refused.status, 429)
    assert.strictEqual(refused.headers.get("retry-after"), "2")
  })
})

describe("a stream", { timeout: 60_000 }, () => {
  clearingFaults()

  it("comes event by event to its end", async () => {
    const client = installation.client(server)
    const file = await upload(client, "streamed", { name: "streamed.txt", models: "alpha" })
    const stream = await client.chat.completions.create({
      model: "alpha",
      messages: messagesOf(file.id),
      stream: true,
      stream_options: { include_usage: true }
    })
    let text = ""
    let events = 0
    for await (const { choices } of stream) {
      // The emulator waits before each event: the first is here before the last one is made.
      if (events++ === 0)
        assert.isTrue(installation.emulator.journal.some(({ done, route }) => route === "chat" && !done))
      text += choices[0]?.delta.content ?? ""
    }
    assert.include(text, "streamed.txt, 8 bytes")
    assert.isAtLeast(events, 200)
  })

  it("that breaks is neither ended nor begun again", async () => {
    installation.emulator.fault({ route: "chat", times: 1, kind: { cutStreamAfterEvents: 5 } })
    const start = now()
    const body = JSON.stringify({ model: "pool", messages: messagesOf(), stream: true })
    const headers = { "content-type": "application/json" }
    const answer = await installation.call(server, "/v1/chat/completions", { method: "POST", headers, body })
    assert.strictEqual(answer.status, 200)
    let text = ""
    const reading = async (): Promise<void> => {
      for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString()
    }
    // How the transport ends, orderly or not, is not what matters.
    await reading().catch(() => {})
    assert.lengthOf(text.match(/^data: /gm) ?? [], 5)
    assert.notInclude(text, "[DONE]")
    assert.lengthOf(chatsSince(start), 1)
  })

  it("that its client leaves is left at the provider too", async () => {
    const start = now()
    const stream = await installation.client(server).chat.completions.create({
      model: "gamma",
      messages: messagesOf(),
      stream: true
    })
    for await (const chunk of stream) if (chunk.choices.length > 0) break
    const left = await installation.emulator.waitFor((entry) => entry.done && chatsSince(start).includes(entry))
    assert.isTrue(left.aborted)
    assert.isBelow(left.events, 200)
  })

  it("whose client leaves before the first event is left too", async () => {
    installation.emulator.fault({ account: "gamma", route: "chat", kind: { delayMs: 500 } })
    const start = now()
    const client = new AbortController()
    const answer = installation
      .client(server)
      .chat.completions.create({ model: "gamma", messages: messagesOf() }, { signal: client.signal })
    await installation.emulator.waitFor((entry) => chatsSince(start).includes(entry))
    client.abort()
    await answer.catch(() => {})
    const left = await installation.emulator.waitFor((entry) => entry.done && chatsSince(start).includes(entry))
    assert.isTrue(left.aborted)
  })
})

describe("a provider that drops its copies", { timeout: 60_000 }, () => {
  it("gets another one, and the file stays", async ({ onTestFinished }) => {
    // The emulator keeps a batch file for thirty days, and to its clock it is almost so long ago.
    const thirtyDays = 30 * 24 * 3600 * 1000
    const emulator = { now: () => Date.now() - thirtyDays + 2_000 }
    const forgetful = await Installation.open({ accounts: ["alpha"], emulator })
    onTestFinished(forgetful.close)
    const process = await forgetful.start()
    const client = forgetful.client(process)
    const file = await upload(client, "{}\n", { name: "batch.jsonl", purpose: "batch", models: "alpha" })
    assert.notProperty(file, "expires_at")
    await eventually(
      async () => {
        assert.include(await ask(client, "alpha", file.id), "batch.jsonl, 3 bytes")
        return forgetful.emulator.files("alpha").length > 1
      },
      { what: "another copy is made" }
    )
    const sent = forgetful.emulator.journal.filter(({ route }) => route === "chat").map(({ body }) => body ?? "")
    assert.include(sent.at(-1), forgetful.emulator.files("alpha").at(-1)?.id)
    assert.strictEqual((await client.files.retrieve(file.id)).id, file.id)
  })
})

describe("a provider that is not of this house", { timeout: 60_000 }, () => {
  it("serves files and chats", async ({ onTestFinished }) => {
    const foreign = await Aimock.start({ apiKeys: ["sk-foreign-account"] })
    const mixed = await Installation.open({
      accounts: ["alpha"],
      settings: {
        accounts: [
          { id: "foreign", provider: "openai", base_url: foreign.baseUrl, api_key: "sk-foreign-account" },
          { id: "other", provider: "openai", base_url: foreign.baseUrl, api_key: "sk-foreign-account" }
        ],
        models: [
          { name: "foreign", deployments: [{ account: "foreign", model: "foreign-model" }] },
          { name: "other", deployments: [{ account: "other", model: "other-model" }] }
        ]
      }
    })
    onTestFinished(async () => {
      await mixed.close()
      await foreign.close()
    })
    const process = await mixed.start()
    const client = mixed.client(process)
    const file = await upload(client, "for a stranger", { name: "stranger.txt", models: "foreign,other" })
    assert.strictEqual(await ask(client, "foreign", file.id), "Answer from aimock.")
    const uploads = foreign.requests().filter(({ path }) => path === "/v1/files")
    assert.lengthOf(uploads, 2)
    for (const { body } of uploads) assert.deepInclude(body, { filename: "stranger.txt", purpose: "user_data" })
    const chat = foreign.requests().find(({ path }) => path === "/v1/chat/completions")
    assert.notInclude(JSON.stringify(chat?.body), file.id)
    assert.include(JSON.stringify(chat?.body), "foreign-model")
    await client.files.delete(file.id)
    await eventually(() => foreign.requests().filter(({ method }) => method === "DELETE").length === 2, {
      what: "both copies are deleted"
    })
  })
})
