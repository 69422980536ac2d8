/** Configurations for who has not written one: from provider keys in the environment, or for a trial. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import * as Configuration from "./config/Configuration.ts"

/** Two providers that are no providers: they answer, but know nothing. */
export interface EmulatedProviders {
  readonly accounts: ReadonlyArray<{ readonly name: string; readonly baseUrl: string; readonly key: string }>
  readonly close: () => Promise<void>
}

export interface TrialSource {
  readonly configuration: Configuration.Configuration
  readonly banner: (url: string) => string
}

/** The client key of a trial. It opens nothing but the emulated providers of this machine. */
const trialKey = "sk-omnifile-trial"

const modelName = (index: number): string => (index === 0 ? "alpha" : index === 1 ? "beta" : `model-${index}`)

/** A configuration as somebody would write it, so that a trial runs what a configuration runs. */
const yamlFor = ({ accounts }: EmulatedProviders): string =>
  JSON.stringify({
    accounts: accounts.map(({ baseUrl, key, name }) => ({
      id: name,
      provider: "openai",
      base_url: baseUrl,
      api_key: key
    })),
    models: accounts.map(({ name }, index) => ({
      name: modelName(index),
      deployments: [{ id: `${modelName(index)}-1`, account: name, model: `emulated-${modelName(index)}` }]
    })),
    keys: [{ key: trialKey, user: "trial", role: "user", models: ["*"] }]
  })

const commands = (url: string, names: ReadonlyArray<string>): string => {
  const chat = (model: string): string =>
    `  curl -s ${url}/v1/chat/completions -H "Authorization: Bearer ${trialKey}" -H "Content-Type: application/json" ` +
    `-d '{"model":"${model}","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"'"$ID"'"}},` +
    `{"type":"text","text":"What is in it?"}]}]}'`
  return [
    `  ID=$(curl -s ${url}/v1/files -H "Authorization: Bearer ${trialKey}" -F purpose=user_data ` +
      `-F target_model_names=${names.join(",")} -F file=@README.md | sed 's/.*"id":"\\([^"]*\\)".*/\\1/'); echo $ID`,
    ...names.map(chat)
  ].join("\n")
}

export const fromEmulated = (
  emulated: EmulatedProviders,
  options: Configuration.Surroundings
): Effect.Effect<TrialSource, Configuration.ConfigurationError> =>
  Effect.map(Configuration.parse(yamlFor(emulated), { ...options, file: "(trial)" }), (configuration) => ({
    configuration,
    banner: (url) =>
      `omnifile listens on ${url}\n\n` +
      `There is no configuration and no provider key, so this is a trial with two EMULATED providers on this\n` +
      `machine (${emulated.accounts.map(({ name }) => name).join(", ")}). They take files and answer chats, but no ` +
      `language model is behind them.\nUpload a file once, and use its one ID on both:\n\n` +
      `${commands(
        url,
        emulated.accounts.map((_, index) => modelName(index))
      )}\n\n`
  }))

const randomKey = (): Redacted.Redacted<string> => Redacted.make(`sk-omnifile-${randomBytes(24).toString("base64url")}`)

const clientKeyNote = (key: Redacted.Redacted<string> | null): string =>
  key === null
    ? "Clients use the key in OMNIFILE_API_KEY.\n"
    : `Clients use the key ${Redacted.value(key)} until the server stops; set OMNIFILE_API_KEY for one of your own.\n`

/** Null if there is no provider key in the environment. */
export const fromEnvironment = Effect.fnUntraced(function* (
  options: Configuration.Surroundings
): Effect.fn.Return<TrialSource | null, Configuration.ConfigurationError> {
  const found = yield* Configuration.fromEnvironment({ ...options, randomKey: randomKey() })
  const notes = found.notes.map((note) => `Note: ${note}\n`).join("")
  if (found.configuration === null) {
    if (notes !== "") yield* Effect.sync(() => process.stderr.write(notes))
    return null
  }
  const { configuration, generatedKey } = found
  const names = configuration.accounts.map(({ id }) => id)
  const accounts = `the ${names.length === 1 ? "account" : "accounts"} ${names.join(" and ")}`
  const models = [...new Set(configuration.deployments.map(({ modelName }) => modelName))].join(", ")
  return {
    configuration,
    banner: (url) =>
      `omnifile listens on ${url}, with ${accounts} of the environment and the models ${models}.\n` +
      clientKeyNote(generatedKey) +
      notes
  }
})
