/**
 * An assistant on Express that makes its calls to the provider itself, with the hooks of omnifile around them: one file
 * ID on every account, checked for the user who is signed in, and the next account when one fails. The providers are
 * emulated, so this runs without any account.
 */
import { omnifile, wrap } from "@omnifile/express"
import * as Configuration from "@omnifile/node/config/Configuration"
import { open } from "@omnifile/node/Open"
import { serve } from "@omnifile/node/Server"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as Effect from "effect/Effect"
import express, { type Request } from "express"
import OpenAI, { toFile } from "openai"

const emulator = await OpenAIEmulator.start({ accounts: ["east", "west"].map((name) => ({ name, key: `sk-${name}` })) })
const yaml = `
accounts:
  - { id: east, provider: openai, base_url: "${emulator.baseUrl}", api_key: sk-east }
  - { id: west, provider: openai, base_url: "${emulator.baseUrl}", api_key: sk-west }
models:
  - name: assistant
    deployments: [{ account: east, model: gpt-4o }, { account: west, model: gpt-4o-mini, weight: 0 }]
keys: [{ key: sk-alice-0123456789, user: alice }]
storage: { registry: "memory:", content: "memory:" }
server: { log: { level: error } }
`
const surroundings = { file: "inline", env: {}, cwd: process.cwd(), providers: ["openai"] }
const gateway = await open({ configuration: await Effect.runPromise(Configuration.parse(yaml, surroundings)) })

/** Whom the application's own session belongs to. */
const userOf = (request: Request) => (request.headers.cookie === "session=alices-session" ? { user: "alice" } : null)

const assistant = wrap(gateway, { operation: "chat", caller: userOf }, ({ account, bytes, deployment, signal }) => {
  console.log(`asking ${account.id} for ${deployment.model}`)
  const headers = { ...account.authorization, "content-type": "application/json" }
  return fetch(`${account.baseUrl}/chat/completions`, { method: "POST", headers, body: Buffer.from(bytes), signal })
})
const app = express()
app.post("/ask", assistant)
app.use(omnifile(gateway))
const server = await serve({ gateway, host: "127.0.0.1", port: 0, shutdownTimeout: 1_000, listener: app })

const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "sk-alice-0123456789", maxRetries: 0 })
const content = await toFile(Buffer.from("the minutes"), "minutes.txt")
const { id } = await client.files.create({ file: content, purpose: "user_data" })

const ask = (session: string): Promise<Response> =>
  fetch(`${server.url}/ask`, {
    method: "POST",
    headers: { "content-type": "application/json", cookie: `session=${session}` },
    body: JSON.stringify({
      model: "assistant",
      stream: true,
      messages: [{ role: "user", content: [{ type: "file", file: { file_id: id } }] }]
    })
  })

// The first account fails once; the second has no share of the calls but takes what the first cannot.
emulator.fault({ route: "chat", times: 1, kind: { status: 500 } })
const events = (await (await ask("alices-session")).text()).split("\n\n")
console.log(events.length > 10, events.at(-2))
console.log((await ask("nobodys-session")).status)

await server.stop()
await emulator.close()
