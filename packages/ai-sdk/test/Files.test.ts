/** A program on the AI SDK: one upload through omnifile, then models of several providers, each by its own package. */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createGoogle } from "@ai-sdk/google"
import { createOpenAI } from "@ai-sdk/openai"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import type { Facade } from "@omnifile/core/Facade"
import * as Defaults from "@omnifile/node/config/Defaults"
import * as Open from "@omnifile/node/Open"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as GeminiEmulator from "@omnifile/testkit/GeminiEmulator"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import { generateText, uploadFile } from "ai"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import * as Files from "../src/Files.ts"

/** By the names that the AI SDK has for them. */
const emulators = { openai: OpenAIEmulator, anthropic: AnthropicEmulator, google: GeminiEmulator } as const
type Name = keyof typeof emulators
const names: ReadonlyArray<Name> = ["openai", "anthropic", "google"]
const providers = { openai: "openai", anthropic: "anthropic", google: "gemini" } as const
const models = { openai: "gpt-4o-mini", anthropic: "claude-sonnet-4-5", google: "gemini-2.5-flash" } as const

const running = new Map<Name, OpenAIEmulator.Emulator>()
const emulator = (name: Name): OpenAIEmulator.Emulator => {
  const found = running.get(name)
  if (found === undefined) throw new Error(`${name} is not running`)
  return found
}

let omnifile: Facade
let files: Files.OmnifileFiles
beforeAll(async () => {
  for (const name of names) {
    running.set(name, await emulators[name].start({ accounts: [{ name, key: `key-of-${name}` }] }))
  }
  omnifile = await Open.openProgram({
    configuration: {
      accounts: names.map(
        (name) =>
          new Account({
            id: `my-${name}`,
            provider: providers[name],
            baseUrl: emulator(name).baseUrl,
            apiKey: Redacted.make(`key-of-${name}`),
            headers: {},
            exclusive: true,
            policy: defaultPolicy
          })
      ),
      deployments: names.map(
        (name) => new Deployment({ id: name, account: `my-${name}`, modelName: name, model: models[name], weight: 1 })
      ),
      keys: [],
      storage: { registry: { _tag: "Memory" }, cache: "memory", content: { _tag: "Memory" } },
      secret: { current: Redacted.make("a secret of these tests"), previous: [] },
      server: { ...Defaults.server, log: { format: "json", level: "None" } },
      files: {}
    }
  })
  files = Files.make({ omnifile, accounts: { openai: "my-openai", anthropic: "my-anthropic", google: "my-google" } })
})
afterAll(async () => {
  await omnifile.close()
  await Promise.all([...running.values()].map(({ close }) => close()))
})

const modelOf = (name: Name) => {
  const apiKey = `key-of-${name}`
  const { baseUrl } = emulator(name)
  switch (name) {
    case "openai":
      return createOpenAI({ apiKey, baseURL: baseUrl }).chat(models.openai)
    case "anthropic":
      return createAnthropic({ apiKey, baseURL: `${baseUrl}/v1` })(models.anthropic)
    case "google":
      return createGoogle({ apiKey, baseURL: `${baseUrl}/v1beta` })(models.google)
  }
}

const pdf = new TextEncoder().encode("%PDF-1.7\nA report.\n")
const digest = createHash("sha256").update(pdf).digest("hex").slice(0, 16)

describe("omnifile's files", () => {
  it("are named by one reference in the calls of every provider", async () => {
    const { byteSize, filename, mediaType, providerReference } = await uploadFile({
      api: files,
      data: pdf,
      filename: "report.pdf"
    })
    assert.deepStrictEqual(
      { byteSize, filename, mediaType },
      { byteSize: 19, filename: "report.pdf", mediaType: "application/pdf" }
    )
    for (const name of names) {
      const { text } = await generateText({
        model: modelOf(name),
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "What is it?" },
              { type: "file", mediaType: "application/pdf", data: providerReference }
            ]
          }
        ]
      })
      assert.include(text, `19 bytes, sha256 ${digest}`)
      assert.strictEqual(emulator(name).files(name).length, 1)
    }
  })

  it("are uploaded as a stream, which is read as it is sent on", async () => {
    let received = 0
    let sent = 0
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          if (sent === 64) return controller.close()
          sent++
          controller.enqueue(new Uint8Array(64 * 1024).fill(sent))
        }
      },
      { highWaterMark: 0 }
    )
    const { providerReference } = await uploadFile({
      api: files,
      data: { type: "stream", stream },
      mediaType: "application/octet-stream",
      filename: "large.bin"
    })
    const id = providerReference["omnifile"] ?? ""
    const downloaded = await files.downloadFile?.({ file: providerReference })
    for await (const chunk of downloaded?.content ?? new ReadableStream<Uint8Array>()) received += chunk.byteLength
    assert.strictEqual(received, 64 * 64 * 1024)
    assert.strictEqual((await omnifile.files.retrieve(id)).bytes, 64 * 64 * 1024)
  })

  it("have one reference for as long as their copies live, for the providers that are asked for", async () => {
    const { providerReference } = await uploadFile({ api: files, data: pdf, filename: "again.pdf" })
    const id = providerReference["omnifile"] ?? ""
    assert.deepStrictEqual(await files.reference(id), providerReference)
    assert.deepStrictEqual(await files.reference(id, "google"), {
      omnifile: id,
      google: providerReference["google"] ?? "none"
    })
    const unknown = await files.reference(id, "mistral").catch((cause: unknown) => cause)
    assert.instanceOf(unknown, TypeError)
  })

  it("are described, and deleted everywhere", async () => {
    const { providerReference } = await uploadFile({
      api: files,
      data: { type: "text", text: "Hello" },
      filename: "a.txt"
    })
    const described = await files.getFileMetadata?.({ file: providerReference })
    assert.deepInclude(described, { filename: "a.txt", byteSize: 5 })
    await files.deleteFile?.({ file: providerReference })
    const missing = await files.reference(providerReference["omnifile"] ?? "").catch((cause: unknown) => cause)
    assert.propertyVal(missing, "_tag", "NotFound")
    await emulator("anthropic").waitFor(({ method, status }) => method === "DELETE" && status === 200)
  })

  it("are told from references of other providers", async () => {
    const failed = await Promise.resolve(files.getFileMetadata?.({ file: { openai: "file-1" } })).catch(
      (cause: unknown) => cause
    )
    assert.instanceOf(failed, TypeError)
  })
})
