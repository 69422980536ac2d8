import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import * as Installation from "@omnifile/testkit/host/Installation"
import * as WatchedStorage from "@omnifile/testkit/host/WatchedStorage"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import type { Emulator } from "@omnifile/testkit/OpenAIEmulator"
import * as Redacted from "effect/Redacted"
import * as Open from "../src/Open.ts"
import * as Wrap from "../src/Wrap.ts"

const anthropicAccount = new Account({
  id: "claude",
  provider: "anthropic",
  baseUrl: "http://127.0.0.1:1",
  apiKey: Redacted.make("sk-ant"),
  headers: {},
  exclusive: false,
  policy: defaultPolicy
})

describe("a wrapped route of Messages", () => {
  let emulator: Emulator
  let host: HostSuite.Host & { readonly close: () => Promise<void> }
  let handler: Wrap.Handler<Wrap.WrapBody, null> = () => ({})
  beforeAll(async () => {
    emulator = await Installation.startEmulator()
    const { configuration, ...base } = Installation.make(emulator, WatchedStorage.make())
    const deployment = new Deployment({ id: "c", account: "claude", modelName: "claude", model: "claude-1", weight: 1 })
    const gateway = await Open.open({
      ...base,
      configuration: {
        ...configuration,
        accounts: [...configuration.accounts, anthropicAccount],
        deployments: [...configuration.deployments, deployment]
      }
    })
    const route = Wrap.make<Wrap.WrapBody, null>(gateway, { operation: "messages" }, (attempt) =>
      handler(attempt, null)
    )
    const listening = await HostSuite.listen((request, response) => void route(request, response, null))
    host = { ...listening, close: () => gateway.close() }
  })
  afterAll(async () => {
    await host.stop()
    await host.close()
    await emulator.close()
  })

  const ask = (body: object, headers: Record<string, string> = { "x-api-key": Installation.key }) =>
    fetch(host.url, {
      method: "POST",
      headers: { "content-type": "application/json", "anthropic-version": "2023-06-01", ...headers },
      body: JSON.stringify(body)
    })
  const request = { model: "claude", max_tokens: 9, messages: [{ role: "user", content: "hello" }] }

  it("hands over the protocol's headers, and names its events", async () => {
    handler = ({ account, body, headers }) => {
      assert.deepStrictEqual(
        [account.id, body.model, headers["anthropic-version"]],
        ["claude", "claude-1", "2023-06-01"]
      )
      return (async function* () {
        yield { type: "message_start", message: { id: "msg_1", usage: { input_tokens: 3, output_tokens: 1 } } }
        yield { type: "message_stop" }
      })()
    }
    const answer = await ask({ ...request, stream: true })
    assert.match(answer.headers.get("request-id") ?? "", /^req_/)
    const text = await answer.text()
    assert.match(
      text,
      /^event: message_start\ndata: \{.*\}\n\nevent: message_stop\ndata: \{"type":"message_stop"\}\n\n$/s
    )
    assert.notInclude(text, "[DONE]")
  })

  it("answers errors in Anthropic's shape, thrown ones and its own", async () => {
    const error = { type: "error", error: { type: "invalid_request_error", message: "max_tokens: too odd" } }
    handler = () => {
      throw Object.assign(new Error("400"), { status: 400, error })
    }
    const thrown = await ask(request)
    assert.strictEqual(thrown.status, 400)
    assert.deepInclude(await thrown.json(), { type: "error", error: error.error })
    const refused = await ask(request, { "x-api-key": "nobody" })
    assert.strictEqual(refused.status, 401)
    assert.deepNestedInclude(await refused.json(), { "error.type": "authentication_error" })
  })

  it("is not served by accounts that do not speak it", async () => {
    handler = () => assert.fail("it was asked")
    const answer = await ask({ ...request, model: Installation.modelOf("alpha") })
    assert.strictEqual(answer.status, 400)
  })
})
