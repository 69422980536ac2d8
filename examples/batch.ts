/**
 * A batch whose lines name a model and a file of the gateway: it runs at the provider under the provider's own names, and
 * its output comes back as a file of its owner. The provider is emulated, so this runs without any account.
 */
import * as Configuration from "@omnifile/node/config/Configuration"
import { open } from "@omnifile/node/Open"
import { serve } from "@omnifile/node/Server"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as Effect from "effect/Effect"
import OpenAI, { toFile } from "openai"

const emulated = await OpenAIEmulator.demo()
const yaml = JSON.stringify({
  accounts: emulated.accounts.map(({ baseUrl, key, name }) => ({
    id: name,
    provider: "openai",
    base_url: baseUrl,
    api_key: key
  })),
  models: [{ name: "fast", deployments: [{ account: "emulated-alpha", model: "gpt-4o-mini" }] }],
  keys: [{ key: "sk-alice-0123456789", user: "alice" }],
  storage: { registry: "memory:", content: "memory:" },
  server: { log: { level: "error" } }
})
const configuration = await Effect.runPromise(
  Configuration.parse(yaml, { file: "inline", env: {}, cwd: process.cwd(), providers: ["openai"] })
)
const gateway = await open({ configuration })
const server = await serve({ gateway, host: "127.0.0.1", port: 0, shutdownTimeout: 1_000 })
const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "sk-alice-0123456789", maxRetries: 0 })

const minutes = await client.files.create({
  file: await toFile(Buffer.from("the minutes"), "minutes.txt"),
  purpose: "user_data"
})
const requests = [
  { role: "user", content: "Say hello." },
  { role: "user", content: [{ type: "file", file: { file_id: minutes.id } }] }
].map((message, index) => ({
  custom_id: `request-${index}`,
  method: "POST",
  url: "/v1/chat/completions",
  body: { model: "fast", messages: [message] }
}))
const input = await client.files.create({
  file: await toFile(Buffer.from(requests.map((request) => JSON.stringify(request)).join("\n")), "requests.jsonl"),
  purpose: "batch"
})
let batch = await client.batches.create({
  input_file_id: input.id,
  endpoint: "/v1/chat/completions",
  completion_window: "24h"
})
while (batch.status !== "completed") {
  console.log(batch.status)
  batch = await client.batches.retrieve(batch.id)
}
console.log(`${batch.request_counts?.completed} of ${batch.request_counts?.total} requests`)
const output = await (await client.files.content(batch.output_file_id ?? "")).text()
for (const line of output.trim().split("\n")) {
  const { custom_id, response } = JSON.parse(line)
  console.log(custom_id, response.body.choices[0].message.content.split("\n").slice(0, 2).join(" "))
}

await server.stop()
await emulated.close()
