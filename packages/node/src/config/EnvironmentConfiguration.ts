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

const defaultModels = ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini"]

/** Keys of providers that people have set, and the provider that each is for. */
const otherProviders: ReadonlyArray<readonly [variable: string, provider: string]> = [
  ["ANTHROPIC_API_KEY", "anthropic"],
  ["GEMINI_API_KEY", "gemini"]
]

const modelsOf = (env: Environment): ReadonlyArray<string> => {
  const list = valueOf(env, "OPENAI_MODELS")
  return list === undefined
    ? defaultModels
    : list
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== "")
}

const toSecret = (text: string | undefined): Redacted.Redacted<string> | undefined =>
  text === undefined ? undefined : Redacted.make(text)

/** The same tree that a file would give. */
const toTree = (env: Environment, clientKey: Redacted.Redacted<string>): unknown => ({
  accounts: [
    {
      id: "openai",
      provider: "openai",
      api_key: toSecret(valueOf(env, "OPENAI_API_KEY")),
      base_url: valueOf(env, "OPENAI_BASE_URL"),
      organization: valueOf(env, "OPENAI_ORG_ID"),
      project: valueOf(env, "OPENAI_PROJECT_ID")
    }
  ],
  models: [...new Set(modelsOf(env))].map((name) => ({ name, deployments: [{ account: "openai", model: name }] })),
  // A name for the user, because another random key after a restart is still the same person.
  keys: [{ key: clientKey, role: "admin", user: "local" }],
  secret: toSecret(valueOf(env, "OMNIFILE_SECRET"))
})

const variableOf = (path: Path): string => {
  if (path[0] === "models") return "OPENAI_MODELS"
  if (path[0] === "keys") return "OMNIFILE_API_KEY"
  if (path[0] === "secret") return "OMNIFILE_SECRET"
  const variables = new Map([
    ["base_url", "OPENAI_BASE_URL"],
    ["organization", "OPENAI_ORG_ID"],
    ["project", "OPENAI_PROJECT_ID"]
  ])
  return variables.get(String(path.at(-1))) ?? "OPENAI_API_KEY"
}

const toProblem = ({ message, path }: Finding): Problem => ({
  file: "environment",
  line: null,
  column: null,
  field: variableOf(path),
  message
})

const notesOf = ({ env, providers }: EnvironmentOptions): ReadonlyArray<string> =>
  otherProviders
    .filter(([variable, provider]) => valueOf(env, variable) !== undefined && !providers.includes(provider))
    .map(([variable, provider]) => `${variable} is set, but provider ${provider} is not built into this version.`)

/**
 * The configuration of an account `openai` from `OPENAI_API_KEY`, with `OPENAI_BASE_URL`, `OPENAI_ORG_ID`,
 * `OPENAI_PROJECT_ID` and `OPENAI_MODELS` (a list with commas). Clients use `OMNIFILE_API_KEY`, or else the
 * random key.
 */
export const fromEnvironment = Effect.fnUntraced(function* (
  options: EnvironmentOptions
): Effect.fn.Return<EnvironmentConfiguration, ConfigurationError> {
  const { env } = options
  const notes = notesOf(options)
  if (valueOf(env, "OPENAI_API_KEY") === undefined) return { configuration: null, generatedKey: null, notes }
  const givenKey = toSecret(valueOf(env, "OMNIFILE_API_KEY"))
  const source: Source = { value: toTree(env, givenKey ?? options.randomKey), problems: [], locate: toProblem }
  const configuration = yield* Effect.fromResult(decode(source, options))
  return { configuration, generatedKey: givenKey === undefined ? options.randomKey : null, notes }
})
