/** What the measured gateways are configured with: three accounts, a model on each, one key, SQLite and disk. */
import * as Configuration from "@omnifile/node/config/Configuration"
import type * as Open from "@omnifile/node/Open"
import { builtInProviders } from "@omnifile/node/Providers"
import type { Provider } from "@omnifile/core/Provider"
import * as Effect from "effect/Effect"

export interface Installation {
  /** Holds the registry and the content. */
  readonly directory: string
  readonly upstreamPort: number
}

export const apiKey = "sk-omnifile-benchmark"
export const authorization = `Bearer ${apiKey}`
export const user = "benchmark"

/** The provider's keys and model name, which the gateway puts in and the pass-through proxy must too. */
export const providerKey = "sk-provider"
export const providerModel = "gpt-4o-mini-2024-07-18"

/** By account. Each serves one model. */
export const models = { a: "gpt-4o-mini", b: "gpt-4.1-mini", c: "gpt-5-mini" } as const

/** The configuration file. YAML takes JSON. */
export const toYaml = ({ directory, upstreamPort }: Installation, provider: string = "openai"): string =>
  JSON.stringify({
    accounts: Object.keys(models).map((id) => ({
      id,
      provider,
      base_url: `http://127.0.0.1:${upstreamPort}/${id}/v1`,
      api_key: providerKey
    })),
    models: Object.entries(models).map(([account, name]) => ({
      name,
      deployments: [{ account, model: providerModel }]
    })),
    keys: [{ key: apiKey, user, role: "user", models: ["*"] }],
    storage: { registry: `sqlite:${directory}/omnifile.db`, content: `file:${directory}/blobs` },
    secret: "a secret of the benchmark, and of nothing else",
    server: { max_file_size: "4GiB" }
  })

/** OpenAI without its limit of 512 MB a file. */
const unlimited: ReadonlyArray<Provider> = builtInProviders
  .filter(({ id }) => id === "openai")
  .map((openai) => ({
    ...openai,
    id: "unlimited",
    files: openai.files === null ? null : { ...openai.files, maxBytes: null }
  }))

/** What `Open.open` takes. */
export const openOptions = (installation: Installation): Effect.Effect<Open.OpenOptions, Error> =>
  Effect.map(
    Configuration.parse(toYaml(installation, "unlimited"), {
      file: "benchmark.yaml",
      env: {},
      cwd: installation.directory,
      providers: unlimited.map(({ id }) => id)
    }),
    (configuration) => ({ configuration, providers: unlimited })
  )
