import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { Account, defaultPolicy, Deployment } from "../src/Account.ts"
import * as Catalog from "../src/Catalog.ts"
import { alice, withModels } from "./support/principals.ts"
import { wire } from "./support/wire.ts"

const account = (id: string, provider = "wire"): Account =>
  new Account({
    id,
    provider,
    baseUrl: `https://${id}.test`,
    apiKey: Redacted.make("k"),
    headers: {},
    exclusive: true,
    policy: defaultPolicy
  })

const deployment = (id: string, of: string, modelName: string): Deployment =>
  new Deployment({ id, account: of, modelName, model: modelName, weight: 1 })

describe("Catalog", () => {
  const catalog = Catalog.make({
    providers: [wire],
    accounts: [account("east"), account("west")],
    deployments: [
      deployment("1", "east", "b"),
      deployment("2", "west", "a"),
      deployment("3", "east", "b"),
      deployment("4", "west", "b")
    ]
  })
  const ids = (deployments: ReadonlyArray<Deployment>) => deployments.map(({ id }) => id)

  it("has the models in the order of the configuration, and the accounts of each once", () => {
    assert.deepStrictEqual(catalog.modelNames, ["b", "a"])
    assert.deepStrictEqual(ids(catalog.deploymentsOf("b")), ["1", "3", "4"])
    assert.deepStrictEqual(catalog.accountsOf("b"), ["east", "west"])
    assert.deepStrictEqual(catalog.accountsOf("none"), [])
  })

  it("shows each principal the models that they may use", () => {
    assert.deepStrictEqual(catalog.modelsOf(alice), ["b", "a"])
    const restricted = withModels(alice, "a", "none")
    assert.deepStrictEqual(catalog.modelsOf(restricted), ["a"])
    assert.deepStrictEqual(ids(catalog.deployments("b", restricted)), [])
    assert.deepStrictEqual(ids(catalog.deployments("a", restricted)), ["2"])
    assert.deepStrictEqual(catalog.modelsOf(withModels(alice)), [])
  })

  it("names all that does not fit together, at once", () => {
    const make = () =>
      Catalog.make({
        providers: [wire],
        accounts: [account("east"), account("east"), account("odd", "unheard-of")],
        deployments: [deployment("1", "east", "m"), deployment("1", "east", "m"), deployment("2", "nowhere", "m")]
      })
    for (const problem of [
      /account east is given twice/,
      /account odd: unknown provider unheard-of/,
      /deployment 1 is given twice/,
      /deployment 2: unknown account nowhere/
    ]) {
      assert.throws(make, TypeError, problem)
    }
  })
})
