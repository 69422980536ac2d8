import { afterAll, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import type { AttemptAccount } from "@omnifile/core/Wrap"
import * as Installation from "@omnifile/testkit/host/Installation"
import * as WatchedStorage from "@omnifile/testkit/host/WatchedStorage"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import type { Emulator } from "@omnifile/testkit/OpenAIEmulator"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as AccountCredentials from "../src/AccountCredentials.ts"
import * as Open from "../src/Open.ts"
import * as Wrap from "../src/Wrap.ts"

const keyless = new Account({
  id: "france",
  provider: "azure",
  baseUrl: "http://127.0.0.1:1/openai/v1",
  apiKey: Redacted.make(""),
  headers: {},
  exclusive: false,
  policy: defaultPolicy,
  auth: "entra"
})

const deploymentOn = (account: string, weight: number) =>
  new Deployment({ id: `mini-${account}`, account, modelName: "mini", model: `mini-${account}`, weight })

const request = { model: "mini", messages: [{ role: "user", content: "hello" }] }

const completion = { object: "chat.completion", choices: [] }

/** A token a call, since each has expired when it is given out. */
let given = 0
let issues = true

const credential = {
  getToken: () => {
    if (!issues) return Promise.reject(new Error("nobody is there"))
    given += 1
    return Promise.resolve({ token: `token-${given}`, expiresOnTimestamp: 0 })
  }
}

/** An installation with one model, on an account that gets tokens and on one with a key that takes what is left. */
const optionsOf = (emulator: Emulator): Open.OpenOptions => {
  const { configuration, storage, ...base } = Installation.make(emulator, WatchedStorage.make())
  const accounts = [keyless, ...configuration.accounts]
  const tokens = AccountCredentials.layer({ accounts }, { entra: () => Promise.resolve(credential) })
  return {
    ...base,
    // In the place of Microsoft's own.
    storage: Layer.merge(storage, tokens),
    configuration: {
      ...configuration,
      accounts,
      deployments: [deploymentOn("france", 1), deploymentOn("alpha", 0)]
    }
  }
}

describe("handlers that call an account with tokens", () => {
  let emulator: Emulator
  const seen: Array<AttemptAccount> = []
  const handler = ({ account }: { readonly account: AttemptAccount }) => {
    seen.push(account)
    return completion
  }
  beforeAll(async () => {
    emulator = await Installation.startEmulator()
  })
  afterAll(() => emulator.close())
  beforeEach(() => {
    given = 0
    issues = true
    seen.length = 0
  })

  const credentials = () => seen.map(({ apiKey, authorization, id }) => ({ id, apiKey, authorization }))

  it("of a route are given a good one at every try", async () => {
    const gateway = await Open.open(optionsOf(emulator))
    const route = Wrap.make<Wrap.WrapBody, null>(gateway, { operation: "chat" }, handler)
    const host = await HostSuite.listen((incoming, response) => void route(incoming, response, null))
    const ask = async () => {
      const headers = { authorization: `Bearer ${Installation.key}`, "content-type": "application/json" }
      const answer = await fetch(host.url, { method: "POST", headers, body: JSON.stringify(request) })
      assert.deepStrictEqual(await answer.json(), completion)
    }
    try {
      await ask()
      await ask()
      // The account that has no token makes way for the next one.
      issues = false
      await ask()
      assert.deepStrictEqual(credentials(), [
        { id: "france", apiKey: "token-1", authorization: { authorization: "Bearer token-1" } },
        { id: "france", apiKey: "token-2", authorization: { authorization: "Bearer token-2" } },
        { id: "alpha", apiKey: "sk-alpha", authorization: { authorization: "Bearer sk-alpha" } }
      ])
    } finally {
      await host.stop()
      await gateway.close()
    }
  })

  it("of a program are, too, and so is one that only has a body made ready", async () => {
    const omnifile = await Open.openProgram(optionsOf(emulator))
    try {
      const answer = await omnifile.call(request, handler)
      assert.deepStrictEqual(await answer.json(), completion)
      const { account } = await omnifile.resolve(request)
      assert.deepStrictEqual(
        [...seen, account].map(({ apiKey }) => apiKey),
        ["token-1", "token-2"]
      )
    } finally {
      await omnifile.close()
    }
  })
})
