import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import { parse, text } from "./support.ts"

const resource = "id: main, provider: azure, base_url: https://r.openai.azure.com/openai/v1"

const parseAccount = (fields: string, env: Record<string, string> = {}) =>
  parse(text({ account: `${resource}, ${fields}` }), { providers: ["openai", "azure"], env })

const problemsOf = (yaml: string) =>
  Effect.map(Effect.flip(parse(yaml, { providers: ["openai", "azure"] })), ({ message }) =>
    message.replaceAll("omnifile.yaml:", "").split("\n")
  )

const accountProblems = (fields: string) => problemsOf(text({ account: `${resource}, ${fields}` }))

describe("Microsoft Entra in a configuration", () => {
  it.effect("makes the tokens of an account without a key, as the machine", () =>
    Effect.gen(function* () {
      const { accounts, entra } = yield* parseAccount("auth: entra")
      assert.strictEqual(accounts[0]?.auth, "entra")
      assert.strictEqual(accounts[0] && Redacted.value(accounts[0].apiKey), "")
      assert.deepStrictEqual(entra?.get("main"), { _tag: "Machine", clientId: undefined })
    })
  )

  it.effect("may be a managed identity that is named, or an application with its secret", () =>
    Effect.gen(function* () {
      const named = yield* parseAccount("auth: entra, client_id: 0a1b-2c")
      assert.deepStrictEqual(named.entra?.get("main"), { _tag: "Machine", clientId: "0a1b-2c" })

      const configuration = yield* parseAccount(
        'auth: entra, tenant_id: example.org, client_id: "${CLIENT}", client_secret: "${SECRET}"',
        { CLIENT: "0a1b-2c", SECRET: "8Q~very.secret" }
      )
      const identity = configuration.entra?.get("main")
      assert(identity?._tag === "Application")
      assert.strictEqual(identity.tenantId, "example.org")
      assert.strictEqual(identity.clientId, "0a1b-2c")
      assert.strictEqual(Redacted.value(identity.clientSecret), "8Q~very.secret")
      assert.notInclude(inspect(configuration, { depth: 9 }) + JSON.stringify(identity), "very.secret")
    })
  )

  it.effect("leaves a key that is given as it is", () =>
    Effect.gen(function* () {
      const { accounts, entra } = yield* parseAccount("auth: entra, api_key: a-token")
      assert.strictEqual(accounts[0] && Redacted.value(accounts[0].apiKey), "a-token")
      assert.strictEqual(entra, undefined)
    })
  )

  it.effect("is the only thing that takes the place of a key", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* accountProblems("auth: api_key"), ["2:5 accounts[0].api_key: is required"])
      assert.deepStrictEqual(yield* problemsOf(text({ account: "id: main, provider: openai, auth: entra" })), [
        "2:41 accounts[0].auth: is only for accounts of provider azure"
      ])
    })
  )

  it.effect("needs all of an application", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* accountProblems("auth: entra, client_secret: hush"), [
        "2:5 accounts[0].tenant_id: is required beside the others",
        "2:5 accounts[0].client_id: is required beside the others"
      ])
      assert.deepStrictEqual(yield* accountProblems("auth: entra, tenant_id: t, client_id: c"), [
        "2:5 accounts[0].client_secret: is required beside the others"
      ])
    })
  )

  it.effect("has no identity beside a key, and none of a strange form", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* accountProblems("api_key: k, client_id: c"), [
        "2:94 accounts[0].client_id: is only for auth: entra without an api_key"
      ])
      assert.deepStrictEqual(yield* accountProblems("auth: entra, client_id: ../c"), [
        "2:106 accounts[0].client_id: must be the client ID of an application or a managed identity"
      ])
    })
  )

  it.effect("sees the files of its resource whoever it is, so no other account there is exclusive", () =>
    Effect.gen(function* () {
      const yaml = (other: string) => `accounts:
  - { ${resource}, auth: entra, exclusive: true }
  - { id: other, provider: azure, base_url: "https://r.openai.azure.com/openai/v1/", ${other} }
models:
  - { name: gpt, deployments: [{ account: main, model: gpt-1 }] }
keys:
  - { key: client-1 }
`
      const told = ["2:106 accounts[0].exclusive: cannot be true: accounts[1] has the same base_url"]
      assert.deepStrictEqual(yield* problemsOf(yaml("auth: entra")), told)
      assert.deepStrictEqual(yield* problemsOf(yaml("api_key: k")), told)
    })
  )
})
