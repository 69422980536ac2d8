/**
 * A key that may use one model, and every call that names another one: refused, and no provider hears of it. The
 * same calls with a key for all models show that nothing else is wrong with them.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import { errorOf } from "@omnifile/testkit/host/checks"
import * as FormBody from "@omnifile/testkit/host/FormBody"
import { modelOf } from "@omnifile/testkit/host/Installation"
import * as RunningHost from "@omnifile/testkit/host/RunningHost"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import type { Emulator } from "@omnifile/testkit/OpenAIEmulator"
import * as Redacted from "effect/Redacted"
import { request } from "undici"
import * as Open from "../src/Open.ts"

const allowed = modelOf("alpha")
const forbidden = modelOf("beta")

/** Of one user, who therefore sees the same files with both. */
const keys = [
  { name: "sk-one-model", models: [allowed] },
  { name: "sk-all-models", models: ["*"] }
] as const

/** Served on Anthropic's wire, beside those of the suite. */
const claude = "model-claude"

let host: RunningHost.RunningHost
let anthropic: Emulator

beforeAll(async () => {
  anthropic = await AnthropicEmulator.start({ accounts: [{ name: "claude", key: "sk-claude" }] })
  const account = new Account({
    id: "claude",
    provider: "anthropic",
    baseUrl: anthropic.baseUrl,
    apiKey: Redacted.make("sk-claude"),
    headers: {},
    exclusive: false,
    policy: defaultPolicy
  })
  const deployment = new Deployment({ id: "on-claude", account: "claude", modelName: claude, model: claude, weight: 1 })
  host = await RunningHost.start({
    build: ({ configuration, ...rest }) =>
      Open.open({
        ...rest,
        configuration: {
          ...configuration,
          accounts: [...configuration.accounts, account],
          deployments: [...configuration.deployments, deployment],
          keys: keys.map(({ models, name }) => ({
            key: Redacted.make(name),
            role: "user",
            user: "alice",
            team: null,
            models
          }))
        }
      }),
    serve: (gateway) => HostSuite.listen((incoming, response) => void gateway.node(incoming, response))
  })
})
afterAll(async () => {
  await host.stop()
  await anthropic.close()
})

/** Whatever asks a provider to make something. What becomes of earlier calls is read in the background. */
const asked = (): number =>
  [...host.emulator.journal, ...anthropic.journal].filter(({ method }) => method === "POST").length

interface Body {
  readonly type: string
  readonly content: string | Uint8Array
}

const json = (value: unknown): Body => ({ type: "application/json", content: JSON.stringify(value) })

const form = (...parts: ReadonlyArray<FormBody.Part>): Body => ({
  type: FormBody.contentType,
  content: FormBody.encode(...parts)
})

const post = async (key: string, path: string, { content, type }: Body) => {
  const headers = { authorization: `Bearer ${key}`, "content-type": type, "anthropic-version": "2023-06-01" }
  const { body, statusCode } = await request(host.url + path, { method: "POST", headers, body: content })
  return { status: statusCode, text: await body.text() }
}

const line = (model: string, index: number): string =>
  JSON.stringify({
    custom_id: `line-${index}`,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model, messages: [{ role: "user", content: "hello" }] }
  })

const fileOf = async (...lines: ReadonlyArray<string>): Promise<string> => {
  const body = form(FormBody.field("purpose", "batch"), FormBody.file("lines.jsonl", lines.join("\n")))
  const { text } = await post("sk-all-models", "/v1/files", body)
  return (JSON.parse(text) as { readonly id: string }).id
}

const linesOf = (...models: ReadonlyArray<string>): Promise<string> => fileOf(...models.map(line))

const trainingFile = async (): Promise<string> => {
  const body = form(FormBody.field("purpose", "fine-tune"), FormBody.file("lines.jsonl", '{"messages":[]}\n'))
  const { text } = await post("sk-all-models", "/v1/files", body)
  return (JSON.parse(text) as { readonly id: string }).id
}

const messages = [{ role: "user", content: "hello" }]

const batch = (file: string, fields: Readonly<Record<string, unknown>> = {}): Body =>
  json({ input_file_id: file, endpoint: "/v1/chat/completions", completion_window: "24h", ...fields })

const upload = { bytes: 4, filename: "a.txt", mime_type: "text/plain", purpose: "user_data" }

const image = FormBody.field("prompt", "a cat")

const creates: Readonly<Record<string, readonly [path: string, body: () => Body | Promise<Body>]>> = {
  "a file": [
    "/v1/files",
    () =>
      form(
        FormBody.field("purpose", "user_data"),
        FormBody.field("target_model_names", `${allowed},${forbidden}`),
        FormBody.file("a.txt", "content")
      )
  ],
  "an upload": ["/v1/uploads", () => json({ ...upload, target_model_names: [allowed, forbidden] })],
  "a chat completion": ["/v1/chat/completions", () => json({ model: forbidden, messages })],
  "a chat completion that names the model twice": [
    "/v1/chat/completions",
    () => ({
      type: "application/json",
      content: `{"model":"${allowed}","messages":[{"role":"user","content":"hello"}],"model":"${forbidden}"}`
    })
  ],
  "a response": ["/v1/responses", () => json({ model: forbidden, input: "hello" })],
  "a message": ["/v1/messages", () => json({ model: claude, messages, max_tokens: 10 })],
  "a count of tokens": ["/v1/messages/count_tokens", () => json({ model: claude, messages })],
  "a batch": ["/v1/batches", async () => batch(await linesOf(forbidden))],
  "a batch by its own field": ["/v1/batches", async () => batch(await linesOf(forbidden), { model: forbidden })],
  "a fine-tuning job": [
    "/v1/fine_tuning/jobs",
    async () => json({ model: forbidden, training_file: await trainingFile() })
  ],
  "a completion": ["/v1/completions", () => json({ model: forbidden, prompt: "hello" })],
  embeddings: ["/v1/embeddings", () => json({ model: forbidden, input: "hello" })],
  "a moderation": ["/v1/moderations", () => json({ model: forbidden, input: "hello" })],
  "an image": ["/v1/images/generations", () => json({ model: forbidden, prompt: "a cat" })],
  speech: ["/v1/audio/speech", () => json({ model: forbidden, input: "hello", voice: "alloy" })],
  "an image that is edited": [
    "/v1/images/edits",
    () => form(image, FormBody.field("model", forbidden), FormBody.file("a.png", "png", "image/png"))
  ],
  "a transcription": [
    "/v1/audio/transcriptions",
    () => form(FormBody.field("model", forbidden), FormBody.file("a.mp3", "mp3", "audio/mpeg"))
  ],
  "a transcription whose model comes last": [
    "/v1/audio/transcriptions",
    () => form(FormBody.file("a.mp3", "mp3", "audio/mpeg"), FormBody.field("model", forbidden))
  ]
}

describe("a key that may not use the model", () => {
  for (const [what, [path, bodyOf]] of Object.entries(creates)) {
    it(`makes no ${what.replace(/^an? /, "")}`, async () => {
      const body = await bodyOf()
      const before = asked()
      const refused = await post("sk-one-model", path, body)
      assert.include([400, 403, 404], refused.status, refused.text)
      if (path.startsWith("/v1/messages")) assert.property(JSON.parse(refused.text), "error")
      else assert.isNotEmpty(errorOf(refused.text).message)
      assert.strictEqual(asked(), before)
      const taken = await post("sk-all-models", path, body)
      assert.notInclude([400, 401, 403, 415, 500], taken.status, taken.text)
    })
  }

  it("makes no batch of lines for several models, the last of which it may not use", async () => {
    const body = batch(await linesOf(allowed, allowed, forbidden))
    const before = asked()
    assert.include([400, 403, 404], (await post("sk-one-model", "/v1/batches", body)).status)
    assert.strictEqual(asked(), before)
  })

  const twice: Readonly<Record<string, readonly [path: string, body: () => Body | Promise<Body>]>> = {
    "a batch of a line": [
      "/v1/batches",
      async () => batch(await fileOf(line(allowed, 0).replace('"model":', `"model":"${forbidden}","model":`)))
    ],
    "a response": [
      "/v1/responses",
      () => ({ type: "application/json", content: `{"model":"${forbidden}","input":"hello","model":"${allowed}"}` })
    ],
    "a message": [
      "/v1/messages",
      () => ({
        type: "application/json",
        content: `{"model":"${claude}","max_tokens":10,"messages":[],"model":"${allowed}"}`
      })
    ],
    "a transcription": [
      "/v1/audio/transcriptions",
      () =>
        form(
          FormBody.field("model", forbidden),
          FormBody.file("a.mp3", "mp3", "audio/mpeg"),
          FormBody.field("model", allowed)
        )
    ]
  }
  for (const [what, [path, bodyOf]] of Object.entries(twice)) {
    it(`does not get it to a provider by ${what} that names two models`, async () => {
      const body = await bodyOf()
      const [before, messages] = [host.emulator.journal.length, anthropic.journal.length]
      await post("sk-one-model", path, body)
      const sent = host.emulator.journal.slice(before).filter(({ method }) => method === "POST")
      for (const entry of sent) {
        assert.strictEqual(entry.account, "alpha")
        assert.notInclude(entry.body ?? "", forbidden)
      }
      assert.lengthOf(anthropic.journal, messages)
    })
  }

  it("is not shown it", async () => {
    const { body } = await request(`${host.url}/v1/models`, { headers: { authorization: "Bearer sk-one-model" } })
    const { data } = (await body.json()) as { readonly data: ReadonlyArray<{ readonly id: string }> }
    assert.deepStrictEqual(
      data.map(({ id }) => id),
      [allowed]
    )
  })
})
