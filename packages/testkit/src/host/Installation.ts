/** What the gateways of the suite are built from: emulated accounts, watched storage, two keys, a hook that breaks. */
import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import type { ApiKey } from "@omnifile/core/Authenticator"
import type { BlobStore } from "@omnifile/core/BlobStore"
import type { Hook } from "@omnifile/core/Hooks"
import type { RegistryBackend } from "@omnifile/core/RegistryBackend"
import type { FileSettings } from "@omnifile/core/Settings"
import type { Secrets } from "@omnifile/core/UnifiedId"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as OpenAIEmulator from "../OpenAIEmulator.ts"
import type { WatchedStorage } from "./WatchedStorage.ts"

/** All that a gateway needs to be told. Its accounts speak the protocol of the provider `openai`. */
export interface Installation {
  readonly accounts: ReadonlyArray<Account>
  readonly deployments: ReadonlyArray<Deployment>
  readonly keys: ReadonlyArray<ApiKey>
  readonly secrets: Secrets
  readonly settings: Partial<FileSettings>
  readonly hooks: ReadonlyArray<Hook>
  readonly blobs: Layer.Layer<BlobStore>
  readonly registry: Layer.Layer<RegistryBackend>
}

export const key = "sk-host-suite"

/** The accounts, each with one model of its own. */
export const accounts = ["alpha", "beta", "ticker"] as const

/** The model name that one account serves. */
export const modelOf = (account: (typeof accounts)[number]): string => `model-${account}`

/** A call for this model meets a defect. */
export const brokenModel = "model-broken"

const broken: Hook = {
  name: "broken",
  preCall: (call) =>
    call.operation._tag === "ChatCompletion" && call.operation.model === brokenModel
      ? Effect.die(new Error("this hook is broken"))
      : Effect.succeed(call)
}

/** Streams of the account `ticker` have an event every few milliseconds and no end that a test would see. */
export const startEmulator = (): Promise<OpenAIEmulator.Emulator> =>
  OpenAIEmulator.start({
    accounts: accounts.map((name) => ({
      name,
      key: `sk-${name}`,
      ...(name === "ticker" ? { stream: { events: 1_000_000, intervalMs: 5 } } : {})
    }))
  })

export const make = (
  emulator: OpenAIEmulator.Emulator,
  storage: WatchedStorage,
  settings: Partial<FileSettings> = {}
): Installation => ({
  accounts: accounts.map(
    (id) =>
      new Account({
        id,
        provider: "openai",
        baseUrl: emulator.baseUrl,
        apiKey: Redacted.make(`sk-${id}`),
        headers: {},
        exclusive: false,
        policy: defaultPolicy
      })
  ),
  deployments: accounts.map(
    (account) =>
      new Deployment({
        id: `on-${account}`,
        account,
        modelName: modelOf(account),
        model: `provider-${account}`,
        weight: 1
      })
  ),
  keys: [{ key: Redacted.make(key), role: "user", user: "alice", team: null, models: ["*"] }],
  secrets: { current: Redacted.make("a secret of the host suite") },
  settings,
  hooks: [broken],
  blobs: storage.blobs,
  registry: storage.registry
})
