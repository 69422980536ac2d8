import { assert, describe, it } from "@effect/vitest"
import { fromEnvironment } from "@omnifile/node/config/Configuration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const read = (env: Record<string, string | undefined>) =>
  fromEnvironment({ env, cwd: "/srv", providers: ["openai", "anthropic"], randomKey: Redacted.make("random-key") })

describe("fromEnvironment", () => {
  it.effect("makes an account of OPENAI_API_KEY, with models that people use", () =>
    Effect.gen(function* () {
      const { configuration, generatedKey, notes } = yield* read({ OPENAI_API_KEY: "sk-1" })
      assert.ok(configuration !== null)
      const [account] = configuration.accounts
      assert.strictEqual(configuration.accounts.length, 1)
      assert.deepInclude(account, { id: "openai", baseUrl: "https://api.openai.com/v1", headers: {} })
      assert.strictEqual(account === undefined ? null : Redacted.value(account.apiKey), "sk-1")
      assert.deepStrictEqual(
        configuration.deployments.map(({ id, model, modelName }) => [id, modelName, model]),
        ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini"].map((name) => [
          `${name}@openai`,
          name,
          name
        ])
      )
      assert.deepInclude(configuration.server, { host: "127.0.0.1", port: 4000 })
      assert.deepStrictEqual(configuration.storage.registry, { _tag: "Sqlite", filename: "/srv/data/omnifile.db" })
      const [key] = configuration.keys
      assert.ok(key !== undefined && generatedKey !== null)
      assert.deepInclude(key, { role: "admin", user: "local", models: ["*"] })
      assert.deepStrictEqual([Redacted.value(key.key), Redacted.value(generatedKey)], ["random-key", "random-key"])
      assert.deepStrictEqual(notes, [])
    })
  )

  it.effect("uses what else the environment says", () =>
    Effect.gen(function* () {
      const { configuration, generatedKey } = yield* read({
        OPENAI_API_KEY: "sk-1",
        OPENAI_BASE_URL: "http://localhost:9000/v1/",
        OPENAI_ORG_ID: "org-1",
        OPENAI_PROJECT_ID: "proj-1",
        OPENAI_MODELS: "a, b,,a ",
        OMNIFILE_API_KEY: "client-1",
        OMNIFILE_SECRET: "0123456789abcdef",
        PORT: "5000",
        HOST: "0.0.0.0"
      })
      assert.ok(configuration !== null)
      assert.deepInclude(configuration.accounts[0], {
        baseUrl: "http://localhost:9000/v1",
        headers: { "openai-organization": "org-1", "openai-project": "proj-1" }
      })
      assert.deepStrictEqual(
        configuration.deployments.map(({ modelName }) => modelName),
        ["a", "b"]
      )
      assert.deepInclude(configuration.server, { host: "0.0.0.0", port: 5000 })
      assert.deepStrictEqual(
        configuration.keys.map(({ key }) => Redacted.value(key)),
        ["client-1"]
      )
      assert.isNull(generatedKey)
      assert.isNotNull(configuration.secret.current)
    })
  )

  it.effect("makes an account of each key, and says which variable of which cannot be used", () =>
    Effect.gen(function* () {
      const env = {
        OPENAI_API_KEY: "sk-1",
        OPENAI_MODELS: "a,both",
        ANTHROPIC_API_KEY: "sk-2",
        ANTHROPIC_MODELS: "both,b"
      }
      const { configuration } = yield* read(env)
      assert.deepStrictEqual(
        configuration?.accounts.map(({ baseUrl, id, provider }) => [id, provider, baseUrl]),
        [
          ["openai", "openai", "https://api.openai.com/v1"],
          ["anthropic", "anthropic", "https://api.anthropic.com"]
        ]
      )
      assert.deepStrictEqual(
        configuration?.deployments.map(({ id }) => id),
        ["a@openai", "both@openai", "both@anthropic", "b@anthropic"]
      )
      const alone = yield* read({ ANTHROPIC_API_KEY: "sk-2" })
      assert.deepStrictEqual(
        alone.configuration?.deployments.map(({ modelName }) => modelName),
        ["claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"]
      )
      const long = "m".repeat(300)
      const error = yield* Effect.flip(read({ ...env, ANTHROPIC_BASE_URL: "none", ANTHROPIC_MODELS: `both,${long}` }))
      assert.deepStrictEqual([...new Set(error.message.split("\n").map((line) => line.split(":")[0]))].sort(), [
        "environment ANTHROPIC_BASE_URL",
        "environment ANTHROPIC_MODELS"
      ])
    })
  )

  it.effect("is nothing without a key for a provider that is built in, and says what it passed over", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({ OPENAI_API_KEY: "", GEMINI_API_KEY: "g", ANTHROPIC_API_KEY: "" }), {
        configuration: null,
        generatedKey: null,
        notes: ["GEMINI_API_KEY is set, but provider gemini is not built into this version."]
      })
    })
  )

  it.effect("names the variables that cannot be used", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        read({
          OPENAI_API_KEY: "two words",
          OPENAI_BASE_URL: "http://api.example.com",
          OPENAI_MODELS: " , ",
          OMNIFILE_API_KEY: "line\nbreak",
          OMNIFILE_SECRET: "short",
          PORT: "99999"
        })
      )
      assert.sameMembers(error.message.split("\n"), [
        "environment OPENAI_API_KEY: must be printable ASCII without spaces and line breaks",
        "environment OPENAI_BASE_URL: must be https, or the API key is sent in clear; " +
          "allow_insecure_http: true on the account permits it",
        "environment OPENAI_MODELS: must have at least one entry",
        "environment OMNIFILE_API_KEY: must be printable ASCII without spaces and line breaks",
        "environment OMNIFILE_SECRET: must have at least 16 characters",
        "environment PORT: must be a whole number from 0 to 65535"
      ])
    })
  )
})
