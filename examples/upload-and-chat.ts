/**
 * A file uploaded once and used on two providers, with an audit trail by a hook of one's own. The providers are
 * emulated, so this runs without any account.
 */
import * as Configuration from "@omnifile/node/config/Configuration"
import { open } from "@omnifile/node/Open"
import { serve } from "@omnifile/node/Server"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as Effect from "effect/Effect"
import OpenAI, { toFile } from "openai"
import { makeAuditHook } from "./audit-hook.ts"

const emulated = await OpenAIEmulator.demo()
const yaml = JSON.stringify({
  accounts: emulated.accounts.map(({ baseUrl, key, name }) => ({
    id: name,
    provider: "openai",
    base_url: baseUrl,
    api_key: key
  })),
  models: [
    { name: "alpha", deployments: [{ account: "emulated-alpha", model: "gpt-4o" }] },
    { name: "beta", deployments: [{ account: "emulated-beta", model: "gpt-4o-mini" }] }
  ],
  keys: [{ key: "sk-alice-0123456789", user: "alice" }],
  storage: { registry: "memory:", content: "memory:" },
  server: { log: { level: "error" } }
})
const configuration = await Effect.runPromise(
  Configuration.parse(yaml, { file: "inline", env: {}, cwd: process.cwd(), providers: ["openai"] })
)
const trail: Array<string> = []
const audit = await Effect.runPromise(makeAuditHook({ uploadsPerUser: 1, write: (line) => trail.push(line) }))
const gateway = await open({ configuration, hooks: [audit] })
const server = await serve({ gateway, host: "127.0.0.1", port: 0, shutdownTimeout: 1_000 })

const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "sk-alice-0123456789", maxRetries: 0 })
const upload = async () =>
  client.files.create({ file: await toFile(Buffer.from("the minutes"), "minutes.txt"), purpose: "user_data" })
const file = await upload()
for (const model of ["alpha", "beta"]) {
  const answer = await client.chat.completions.create({
    model,
    messages: [{ role: "user", content: [{ type: "file", file: { file_id: file.id } }] }]
  })
  console.log(answer.choices[0]?.message.content?.split("\n")[1])
}
await upload().catch((error: unknown) => {
  if (!(error instanceof OpenAI.RateLimitError)) throw error
  console.log(error.message)
})
await client.files.delete(file.id)
console.log(trail.join("\n"))

await server.stop()
await emulated.close()
