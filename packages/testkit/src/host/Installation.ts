/** What the gateways of the suite are built from: emulated accounts, watched storage, two keys, a hook that breaks. */
import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import type { ApiKey } from "@omnifile/core/Authenticator"
import type { BlobStore } from "@omnifile/core/BlobStore"
import type { Hook } from "@omnifile/core/Hooks"
import type { RegistryBackend } from "@omnifile/core/RegistryBackend"
import type { FileSettings } from "@omnifile/core/Settings"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as OpenAIEmulator from "../OpenAIEmulator.ts"
import type { WatchedStorage } from "./WatchedStorage.ts"

/** All that a gateway needs to be told, in the shape that `Open.open` of `@omnifile/node` takes. */
export interface Installation {
  readonly configuration: {
    /** They speak the protocol of the provider `openai`. */
    readonly accounts: ReadonlyArray<Account>
    readonly deployments: ReadonlyArray<Deployment>
    readonly keys: ReadonlyArray<ApiKey>
    readonly files: Partial<FileSettings>
    readonly secret: { readonly current: Redacted.Redacted<string>; readonly previous: ReadonlyArray<never> }
    /** `storage` below stands in the place of this. */
    readonly storage: {
      readonly registry: { readonly _tag: "Memory" }
      readonly cache: "memory"
      readonly content: { readonly _tag: "Memory" }
    }
    readonly server: {
      readonly host: string
      readonly port: number
      readonly maxBodySize: number
      readonly shutdownTimeout: number
      readonly log: { readonly format: "json"; readonly level: "None" }
    }
  }
  readonly hooks: ReadonlyArray<Hook>
  readonly storage: Layer.Layer<BlobStore | RegistryBackend>
}

export const key = "sk-host-suite"

/** The accounts, each with one model of its own. */
export const accounts = ["alpha", "beta", "ticker"] as const

/** The model name that one account serves. */
export const modelOf = (account: (typeof accounts)[number]): string => `model-${account}`

/** Another model of the account `alpha`: only those ask for it who count its calls. */
export const countedModel = "model-counted"

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

const deploymentOn = (account: string, modelName: string): Deployment =>
  new Deployment({ id: `${modelName}-on-${account}`, account, modelName, model: `provider-${account}`, weight: 1 })

export const make = (
  emulator: OpenAIEmulator.Emulator,
  storage: WatchedStorage,
  files: Partial<FileSettings> = {}
): Installation => ({
  configuration: {
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
    deployments: [
      ...accounts.map((account) => deploymentOn(account, modelOf(account))),
      deploymentOn("alpha", countedModel)
    ],
    keys: [{ key: Redacted.make(key), role: "user", user: "alice", team: null, models: ["*"] }],
    files,
    secret: { current: Redacted.make("a secret of the host suite"), previous: [] },
    storage: { registry: { _tag: "Memory" }, cache: "memory", content: { _tag: "Memory" } },
    server: {
      host: "127.0.0.1",
      port: 0,
      maxBodySize: 64 * 1024 * 1024,
      shutdownTimeout: 1_000,
      log: { format: "json", level: "None" }
    }
  },
  hooks: [broken],
  storage: storage.layer
})
