/** A gateway over emulated providers, with two users, and clients to call it. */
import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import type { FileSettings } from "@omnifile/core/Settings"
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as Redacted from "effect/Redacted"
import OpenAI, { toFile } from "openai"
import * as Open from "../../src/Open.ts"

interface User {
  readonly key: string
  readonly openai: OpenAI
  /** Any request with the user's key. */
  readonly call: (path: string, init?: RequestInit) => Promise<Response>
  readonly upload: (content: string, filename?: string) => Promise<string>
}

export interface World {
  readonly url: string
  /** The accounts `alpha` and `beta`; each has a model of its own, and both have the model `shared`. */
  readonly openai: OpenAIEmulator.Emulator
  /** The account `claude` with its model. */
  readonly anthropic: OpenAIEmulator.Emulator
  readonly alice: User
  readonly bob: User
  readonly close: () => Promise<void>
}

const keys = { alice: "sk-of-alice", bob: "sk-of-bob" } as const

const deployment = (id: string, account: string, modelName: string, model = `provider-${account}`): Deployment =>
  new Deployment({ id, account, modelName, model, weight: 1 })

export const make = async (files: Partial<FileSettings> = {}): Promise<World> => {
  const openai = await OpenAIEmulator.start({
    accounts: [
      { name: "alpha", key: "sk-alpha" },
      { name: "beta", key: "sk-beta" },
      { name: "ticker", key: "sk-ticker", stream: { events: 1_000_000, intervalMs: 5 } }
    ]
  })
  const anthropic = await AnthropicEmulator.start({
    accounts: [
      { name: "claude", key: "sk-claude" },
      { name: "endless", key: "sk-endless", stream: { events: 1_000_000, intervalMs: 5 } }
    ]
  })
  const account = (id: string, provider: "openai" | "anthropic"): Account =>
    new Account({
      id,
      provider,
      baseUrl: provider === "openai" ? openai.baseUrl : anthropic.baseUrl,
      apiKey: Redacted.make(`sk-${id}`),
      headers: {},
      exclusive: false,
      policy: defaultPolicy
    })
  const gateway = await Open.open({
    configuration: {
      accounts: [
        account("alpha", "openai"),
        account("beta", "openai"),
        account("ticker", "openai"),
        account("claude", "anthropic"),
        account("endless", "anthropic")
      ],
      deployments: [
        deployment("on-alpha", "alpha", "model-alpha"),
        deployment("on-beta", "beta", "model-beta"),
        deployment("on-ticker", "ticker", "model-ticker"),
        deployment("shared-alpha", "alpha", "shared"),
        deployment("shared-beta", "beta", "shared"),
        deployment("moderation", "alpha", "omni-moderation-latest", "omni-moderation-latest"),
        deployment("on-claude", "claude", "model-claude"),
        deployment("on-endless", "endless", "model-endless")
      ],
      keys: Object.entries(keys).map(([user, key]) => ({
        key: Redacted.make(key),
        role: "user",
        user,
        team: null,
        models: ["*"]
      })),
      files,
      secret: { current: Redacted.make("a secret of these tests"), previous: [] },
      storage: { registry: { _tag: "Memory" }, cache: "memory", content: { _tag: "Memory" } },
      server: {
        host: "127.0.0.1",
        port: 0,
        maxBodySize: 64 * 1024 * 1024,
        forwardPaths: ["/videos", "/embeddings"],
        shutdownTimeout: 1_000,
        log: { format: "json", level: "None" }
      }
    }
  })
  const host = await HostSuite.listen((request, response) => void gateway.node(request, response))

  const user = (key: string): User => {
    const client = new OpenAI({ apiKey: key, baseURL: `${host.url}/v1`, maxRetries: 0 })
    return {
      key,
      openai: client,
      call: (path, init = {}) => {
        const headers = new Headers(init.headers)
        headers.set("authorization", `Bearer ${key}`)
        return fetch(host.url + path, { ...init, headers })
      },
      upload: async (content, filename = "notes.txt") => {
        const file = await toFile(Buffer.from(content), filename)
        return (await client.files.create({ file, purpose: "user_data" })).id
      }
    }
  }
  return {
    url: host.url,
    openai,
    anthropic,
    alice: user(keys.alice),
    bob: user(keys.bob),
    close: async () => {
      await host.stop()
      await gateway.close()
      await openai.close()
      await anthropic.close()
    }
  }
}
