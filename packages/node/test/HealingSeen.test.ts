/** What an operator sees of copies that were lost and of files that go within calls: in traces, metrics and events. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import type { Event } from "@omnifile/core/Event"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as Installation from "@omnifile/testkit/host/Installation"
import * as WatchedStorage from "@omnifile/testkit/host/WatchedStorage"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Gateway } from "../src/Gateway.ts"
import * as Open from "../src/Open.ts"
import * as otlp from "./support/otlp.ts"

/** Metrics are the process's: accounts of these tests alone keep them apart. */
const accounts = ["seen-openai", "seen-claude", "seen-inline"] as const
type AccountName = (typeof accounts)[number]

const providers = { "seen-openai": "openai", "seen-claude": "anthropic", "seen-inline": "anthropic" } as const

let emulators: Readonly<Record<AccountName, OpenAIEmulator.Emulator>>
let gateway: Gateway
let receiver: otlp.Receiver
const told: Array<Event> = []
const listeners = new Set<() => void>()

/** Resolves when all of these events have been told of the file. */
const heard = (id: string, ...types: ReadonlyArray<Event["type"]>): Promise<void> =>
  new Promise((resolve) => {
    const look = () => {
      if (!types.every((type) => told.some((event) => event.type === type && event.data["id"] === id))) return
      listeners.delete(look)
      resolve()
    }
    listeners.add(look)
    look()
  })

const listen = (event: Event): void => {
  told.push(event)
  for (const look of listeners) look()
}

beforeAll(async () => {
  receiver = await otlp.start()
  const [openai, anthropic] = await Promise.all([
    OpenAIEmulator.start({ accounts: [{ name: "seen-openai", key: "sk-seen-openai" }] }),
    AnthropicEmulator.start({
      accounts: ["seen-claude", "seen-inline"].map((name) => ({ name, key: `sk-${name}` }))
    })
  ])
  emulators = { "seen-openai": openai, "seen-claude": anthropic, "seen-inline": anthropic }
  const { configuration, storage } = Installation.make(openai, WatchedStorage.make())
  gateway = await Open.open({
    storage,
    hooks: [{ name: "listening", onEvent: (event) => Effect.sync(() => listen(event)) }],
    configuration: {
      ...configuration,
      accounts: accounts.map(
        (id) =>
          new Account({
            id,
            provider: providers[id],
            baseUrl: emulators[id].baseUrl,
            apiKey: Redacted.make(`sk-${id}`),
            headers: {},
            exclusive: false,
            policy: defaultPolicy,
            files: id === "seen-inline" ? "inline" : "auto"
          })
      ),
      deployments: accounts.map(
        (id) => new Deployment({ id, account: id, modelName: id, model: "claude-sonnet-4-5", weight: 1 })
      ),
      keys: [{ key: Redacted.make(Installation.key), role: "admin", user: null, team: null, models: ["*"] }]
    },
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }
  })
})
afterAll(async () => {
  await Promise.all([emulators["seen-openai"].close(), emulators["seen-claude"].close()])
})

const authorization = `Bearer ${Installation.key}`

const upload = async (content: string, purpose: string, filename: string, model?: string): Promise<string> => {
  const form = new FormData()
  form.set("purpose", purpose)
  form.set("file", new File([content], filename, { type: "application/pdf" }))
  if (model !== undefined) form.set("target_model_names", model)
  const request = new Request("http://test/v1/files", { method: "POST", headers: { authorization }, body: form })
  return ((await (await gateway.web(request)).json()) as { readonly id: string }).id
}

const pdf = (text: string) => `%PDF-1.7\n${text}\n`

const valueOf = async (series: string): Promise<number> => {
  const answer = await gateway.web(new Request("http://test/metrics", { headers: { authorization } }))
  const line = (await answer.text()).split("\n").find((each) => each.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1) ?? 0)
}

const lost = (account: AccountName) => valueOf(`omnifile_copies_renewed_total{account="${account}",why="lost"}`)

/** Makes the call in a trace of its own, whose ID it answers. */
const call = async (path: string, body: object): Promise<string> => {
  const traceId = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex")
  const headers = {
    authorization,
    "content-type": "application/json",
    traceparent: `00-${traceId}-b7ad6b7169203331-01`,
    "anthropic-version": "2023-06-01"
  }
  const request = new Request(`http://test/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) })
  const answer = await gateway.web(request)
  assert.strictEqual(answer.status, 200, await answer.text())
  return traceId
}

const chat = (model: string, id: string) => ({
  model,
  messages: [{ role: "user", content: [{ type: "file", file: { file_id: id } }] }]
})

const response = (model: string, id: string) => ({
  model,
  input: [{ role: "user", content: [{ type: "input_file", file_id: id }] }]
})

const message = (model: string, id: string) => ({
  model,
  max_tokens: 9,
  messages: [{ role: "user", content: [{ type: "document", source: { type: "file", file_id: id } }] }]
})

const batch = (inputFile: string) => ({
  input_file_id: inputFile,
  endpoint: "/v1/chat/completions",
  completion_window: "24h"
})

const batchLine = (model: string) =>
  `${JSON.stringify({
    custom_id: "1",
    method: "POST",
    url: "/v1/chat/completions",
    body: { model, messages: [{ role: "user", content: "hello" }] }
  })}\n`

const calls: ReadonlyArray<readonly [string, AccountName, (id: string) => object]> = [
  ["/chat/completions", "seen-openai", (id) => chat("seen-openai", id)],
  ["/responses", "seen-openai", (id) => response("seen-openai", id)],
  ["/batches", "seen-openai", batch],
  ["/chat/completions", "seen-claude", (id) => chat("seen-claude", id)],
  ["/responses", "seen-claude", (id) => response("seen-claude", id)],
  ["/messages", "seen-claude", (id) => message("seen-claude", id)]
]

const inlined: ReadonlyArray<readonly [string, (id: string) => object]> = [
  ["/chat/completions", (id) => chat("seen-inline", id)],
  ["/responses", (id) => response("seen-inline", id)],
  ["/messages", (id) => message("seen-inline", id)]
]

describe("what is seen", () => {
  /** What the spans of each call are to say, by the ID of its trace: they come at the end. */
  const expected = new Map<string, Readonly<Record<string, string>>>()

  it.each(calls)("of a copy that was lost to %s on %s: a count, and events", async (path, account, bodyOf) => {
    const isBatch = path === "/batches"
    const id = isBatch
      ? await upload(batchLine(account), "batch", "in.jsonl")
      : await upload(pdf(`${path} ${account}`), "user_data", "seen.pdf", account)
    if (isBatch) await call(path, bodyOf(id))
    const emulator = emulators[account]
    const copy = emulator.files(account).at(-1)?.id ?? assert.fail("there is no copy")
    assert.isTrue(emulator.loseFile(account, copy))
    const before = await lost(account)
    const trace = await call(path, bodyOf(id))
    expected.set(trace, { "omnifile.copies.lost": "1", ...(isBatch ? {} : { "omnifile.file.use": "renewed" }) })
    assert.strictEqual((await lost(account)) - before, 1)
    await heard(id, "replica.expired", "replica.repaired")
  })

  it.each(inlined)("of a file that goes within %s: a count", async (path, bodyOf) => {
    const id = await upload(pdf(path), "user_data", "within.pdf", "seen-openai")
    const series = 'omnifile_files_inlined_total{account="seen-inline"}'
    const before = await valueOf(series)
    expected.set(await call(path, bodyOf(id)), { "omnifile.file.use": "inline" })
    assert.strictEqual((await valueOf(series)) - before, 1)
  })

  it("of all of them: spans that say so", async () => {
    await gateway.close()
    await receiver.close()
    assert.strictEqual(expected.size, calls.length + inlined.length)
    for (const [traceId, attributes] of expected) {
      const said = receiver.spans
        .filter((span) => span.traceId === traceId)
        .flatMap((span) => Object.entries(span.attributes))
      for (const pair of Object.entries(attributes)) assert.deepInclude(said, pair)
    }
  })
})
