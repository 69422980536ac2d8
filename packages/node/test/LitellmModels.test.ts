import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import * as Redacted from "effect/Redacted"
import { assert, describe, it } from "vitest"
import { parse } from "yaml"
import * as LitellmModels from "../src/litellm/LitellmModels.ts"

const account = (id: string, provider: string, baseUrl: string, key: string): Account =>
  new Account({
    id,
    provider,
    baseUrl,
    apiKey: Redacted.make(key),
    headers: {},
    exclusive: false,
    policy: defaultPolicy
  })

const accounts = [
  account("main", "openai", "https://api.openai.com/v1", "sk-main"),
  account("second", "openai", "https://api.openai.com/v1", "sk-second"),
  account("claude", "anthropic", "https://api.anthropic.com", "sk-claude"),
  account("local", "openai", "http://127.0.0.1:8000/v1", "none")
]

const env = { OPENAI_API_KEY: "sk-main", SECOND: "sk-second" }

const yaml = `
model_list:
  - model_name: gpt
    litellm_params: { model: openai/gpt-4o-mini }
  - model_name: gpt
    litellm_params: { model: gpt-4o-mini, api_key: os.environ/SECOND }
    model_info: { id: named }
  - model_name: sonnet
    litellm_params: { model: anthropic/claude-sonnet-4-5 }
  - model_name: mistral
    litellm_params: { model: openai/mistral, api_base: "http://127.0.0.1:8000/v1/" }
  - model_name: elsewhere
    litellm_params: { model: azure/gpt-4o, api_base: "https://example.openai.azure.com" }
`

describe("the model list of LiteLLM", () => {
  const models = LitellmModels.read(parse(yaml), accounts, env)
  const deployments = [new Deployment({ id: "ours", account: "local", modelName: "x", model: "y", weight: 1 })]
  const known = { map: new Map([["said", "claude"]]), deployments, models }
  const of = (deployment: string, names: ReadonlyArray<string> = []) =>
    LitellmModels.accountOfDeployment(known, deployment, names)

  it("tells the account by its base URL and its key", () => {
    assert.deepStrictEqual(
      models.map((model) => model.account),
      ["main", "second", "claude", "local", null]
    )
  })

  it("tells where a deployment is, in the order in which it can be relied on", () => {
    assert.strictEqual(of("said"), "claude")
    assert.strictEqual(of("ours"), "local")
    assert.strictEqual(of("named"), "second")
    assert.strictEqual(of("derived", ["sonnet"]), "claude")
    // On two accounts, on none, and of no model that is listed.
    assert.isUndefined(of("derived", ["gpt"]))
    assert.isUndefined(of("derived", ["sonnet", "elsewhere"]))
    assert.isUndefined(of("derived", ["of-another-time"]))
    assert.isUndefined(of("derived"))
  })

  it("is told from a configuration of omnifile", () => {
    assert.isTrue(LitellmModels.isLitellm(parse(yaml)))
    assert.isFalse(LitellmModels.isLitellm(parse("models: []")))
  })
})
