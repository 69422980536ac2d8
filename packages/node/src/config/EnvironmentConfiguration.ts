/** A configuration without a file: the keys of providers that the environment holds, and defaults. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Configuration, Surroundings } from "./Configuration.ts"
import type { ConfigurationError, Problem } from "./ConfigurationError.ts"
import { decode } from "./Decoder.ts"
import { valueOf, type Environment } from "./Interpolation.ts"
import type { Finding, Path, Source } from "./Source.ts"

export interface EnvironmentConfiguration {
  /** Null when the environment holds no key of a provider that is built in. */
  readonly configuration: Configuration | null
  /** The key for clients where the environment names none: nobody knows it unless it is printed. */
  readonly generatedKey: Redacted.Redacted<string> | null
  /** What the operator should be told, one sentence each. */
  readonly notes: ReadonlyArray<string>
}

export interface EnvironmentOptions extends Surroundings {
  /** A random text that nobody can guess, for a key that clients can use. */
  readonly randomKey: Redacted.Redacted<string>
}

/** A provider whose key people have in their environment, and the variables that are about it. */
interface EnvironmentAccount {
  readonly provider: string
  readonly apiKey: string
  readonly models: string
  readonly defaultModels: ReadonlyArray<string>
  /** Fields of the account, by the variable that each is read from. */
  readonly fields: Readonly<Record<string, string>>
}

const known: ReadonlyArray<EnvironmentAccount> = [
  {
    provider: "openai",
    apiKey: "OPENAI_API_KEY",
    models: "OPENAI_MODELS",
    defaultModels: ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini"],
    fields: { OPENAI_BASE_URL: "base_url", OPENAI_ORG_ID: "organization", OPENAI_PROJECT_ID: "project" }
  },
  {
    provider: "anthropic",
    apiKey: "ANTHROPIC_API_KEY",
    models: "ANTHROPIC_MODELS",
    defaultModels: ["claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"],
    fields: { ANTHROPIC_BASE_URL: "base_url" }
  },
  {
    provider: "gemini",
    apiKey: "GEMINI_API_KEY",
    models: "GEMINI_MODELS",
    defaultModels: ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"],
    fields: { GEMINI_BASE_URL: "base_url" }
  },
  {
    provider: "mistral",
    apiKey: "MISTRAL_API_KEY",
    models: "MISTRAL_MODELS",
    defaultModels: ["mistral-large-latest", "mistral-medium-latest", "mistral-small-latest"],
    fields: { MISTRAL_BASE_URL: "base_url" }
  },
  {
    provider: "groq",
    apiKey: "GROQ_API_KEY",
    models: "GROQ_MODELS",
    defaultModels: ["llama-3.3-70b-versatile", "openai/gpt-oss-120b"],
    fields: { GROQ_BASE_URL: "base_url" }
  },
  {
    provider: "xai",
    apiKey: "XAI_API_KEY",
    models: "XAI_MODELS",
    defaultModels: ["grok-4", "grok-4-fast"],
    fields: { XAI_BASE_URL: "base_url" }
  },
  {
    provider: "together",
    apiKey: "TOGETHER_API_KEY",
    models: "TOGETHER_MODELS",
    defaultModels: ["meta-llama/Llama-3.3-70B-Instruct-Turbo"],
    fields: { TOGETHER_BASE_URL: "base_url" }
  }
]

/** The accounts that the environment has keys for. */
const accountsOf = ({ env, providers }: EnvironmentOptions): ReadonlyArray<EnvironmentAccount> =>
  known.filter(({ apiKey, provider }) => providers.includes(provider) && valueOf(env, apiKey) !== undefined)

const modelsOf = (env: Environment, { defaultModels, models }: EnvironmentAccount): ReadonlyArray<string> => {
  const list = valueOf(env, models)
  const names =
    list === undefined
      ? defaultModels
      : list
          .split(",")
          .map((name) => name.trim())
          .filter((name) => name !== "")
  return [...new Set(names)]
}

const toSecret = (text: string | undefined): Redacted.Redacted<string> | undefined =>
  text === undefined ? undefined : Redacted.make(text)

const toAccount = (env: Environment, { apiKey, fields, provider }: EnvironmentAccount): unknown => ({
  id: provider,
  provider,
  api_key: toSecret(valueOf(env, apiKey)),
  ...Object.fromEntries(Object.entries(fields).map(([variable, field]) => [field, valueOf(env, variable)]))
})

/** The names of all models, and who serves each. */
const servedModels = (
  env: Environment,
  accounts: ReadonlyArray<EnvironmentAccount>
): ReadonlyArray<readonly [name: string, by: ReadonlyArray<EnvironmentAccount>]> => {
  const lists = accounts.map((account) => [account, modelsOf(env, account)] as const)
  return [...new Set(lists.flatMap(([, names]) => names))].map((name) => [
    name,
    lists.flatMap(([account, names]) => (names.includes(name) ? [account] : []))
  ])
}

/** The same tree that a file would give. */
const toTree = (
  env: Environment,
  accounts: ReadonlyArray<EnvironmentAccount>,
  clientKey: Redacted.Redacted<string>
): unknown => ({
  accounts: accounts.map((account) => toAccount(env, account)),
  models: servedModels(env, accounts).map(([name, by]) => ({
    name,
    deployments: by.map(({ provider }) => ({ account: provider, model: name }))
  })),
  // A name for the user, because another random key after a restart is still the same person.
  keys: [{ key: clientKey, role: "admin", user: "local" }],
  secret: toSecret(valueOf(env, "OMNIFILE_SECRET"))
})

/** The variable that a place of the tree comes from. */
const variableAt = (env: Environment, accounts: ReadonlyArray<EnvironmentAccount>, path: Path): string => {
  const [section, index] = path
  if (section === "keys") return "OMNIFILE_API_KEY"
  if (section === "secret") return "OMNIFILE_SECRET"
  if (section === "models") {
    const [account] = typeof index === "number" ? (servedModels(env, accounts)[index]?.[1] ?? []) : accounts
    return account?.models ?? "OPENAI_MODELS"
  }
  const account = accounts[typeof index === "number" ? index : 0]
  const field = Object.entries(account?.fields ?? {}).find(([, name]) => name === path.at(-1))
  return field?.[0] ?? account?.apiKey ?? "OPENAI_API_KEY"
}

const toProblem =
  (env: Environment, accounts: ReadonlyArray<EnvironmentAccount>) =>
  ({ message, path }: Finding): Problem => ({
    file: "environment",
    line: null,
    column: null,
    field: variableAt(env, accounts, path),
    message
  })

const notesOf = ({ env, providers }: EnvironmentOptions): ReadonlyArray<string> =>
  known
    .filter(({ apiKey, provider }) => valueOf(env, apiKey) !== undefined && !providers.includes(provider))
    .map(({ apiKey, provider }) => `${apiKey} is set, but provider ${provider} is not built into this version.`)

/**
 * The configuration of one account for each built-in provider whose key is there, such as `openai` from
 * `OPENAI_API_KEY`, with `OPENAI_BASE_URL`, `OPENAI_ORG_ID`, `OPENAI_PROJECT_ID`, and the list with commas
 * `OPENAI_MODELS`; and likewise for `ANTHROPIC_`, `GEMINI_`, `MISTRAL_`, `GROQ_`, `XAI_` and `TOGETHER_`, which have a
 * `BASE_URL` and `MODELS`. Clients use `OMNIFILE_API_KEY`, or else the random key.
 */
export const fromEnvironment = Effect.fnUntraced(function* (
  options: EnvironmentOptions
): Effect.fn.Return<EnvironmentConfiguration, ConfigurationError> {
  const { env } = options
  const notes = notesOf(options)
  const accounts = accountsOf(options)
  if (accounts.length === 0) return { configuration: null, generatedKey: null, notes }
  const givenKey = toSecret(valueOf(env, "OMNIFILE_API_KEY"))
  const source: Source = {
    value: toTree(env, accounts, givenKey ?? options.randomKey),
    problems: [],
    locate: toProblem(env, accounts)
  }
  const configuration = yield* Effect.fromResult(decode(source, options))
  return { configuration, generatedKey: givenKey === undefined ? options.randomKey : null, notes }
})
