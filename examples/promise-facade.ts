/**
 * The core in a program of its own: no server, no Effect, only promises. The providers are emulated, so this runs
 * without any account.
 */
import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import * as BlobStore from "@omnifile/core/BlobStore"
import * as Omnifile from "@omnifile/core/Omnifile"
import * as RegistryBackend from "@omnifile/core/RegistryBackend"
import { UnifiedIds } from "@omnifile/core/UnifiedId"
import * as NodeSha256 from "@omnifile/node/NodeSha256"
import * as UndiciTransport from "@omnifile/node/UndiciTransport"
import { openai } from "@omnifile/provider-openai/OpenAI"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import OpenAI from "openai"

const names = ["east", "west"]
const emulator = await OpenAIEmulator.start({ accounts: names.map((name) => ({ name, key: `sk-${name}` })) })

const accountOf = (id: string): Account =>
  new Account({
    id,
    provider: "openai",
    baseUrl: emulator.baseUrl,
    apiKey: Redacted.make(`sk-${id}`),
    headers: {},
    exclusive: false,
    policy: defaultPolicy
  })
const deploymentOn = (account: string): Deployment =>
  new Deployment({ id: account, account, modelName: `${account}-model`, model: "gpt-4o", weight: 1 })

const omnifile = await Omnifile.make({
  catalog: { accounts: names.map(accountOf), deployments: names.map(deploymentOn), providers: [openai] },
  backends: Layer.mergeAll(
    BlobStore.layerMemory,
    RegistryBackend.layerMemory,
    UndiciTransport.layer,
    NodeSha256.layer,
    UnifiedIds.layerSealed({ current: Redacted.make("a secret of this installation") })
  )
})

const alice = { user: "alice" }
const file = await omnifile.files.create({ content: "the minutes", filename: "minutes.txt" }, alice)
const question = (model: string) => ({
  model,
  messages: [{ role: "user", content: [{ type: "file", file: { file_id: file.id } }] }]
})

// The whole call by omnifile.
const answer = (await (await omnifile.chat(question("east-model"), alice)).json()) as OpenAI.ChatCompletion
console.log(answer.choices[0]?.message.content?.split("\n")[1])

// Only the body by omnifile, and the call by whatever client one has.
const ready = await omnifile.resolve<OpenAI.Chat.ChatCompletionCreateParamsNonStreaming>(question("west-model"), alice)
const client = new OpenAI({ apiKey: ready.account.apiKey, baseURL: ready.account.baseUrl })
const own = await client.chat.completions.create(ready.body)
console.log(own.choices[0]?.message.content?.split("\n").slice(0, 2).join(" "))

// An ID alone grants nothing.
await omnifile.resolve(question("west-model"), { user: "bob" }).catch((error: Error) => console.log(error.name))

// A file that comes in parts, as a large one does: two at once, put together in the order that is told at the end.
const upload = await omnifile.uploads.create({ filename: "transcript.txt", bytes: 20 }, alice)
const parts = await Promise.all(
  ["first half", ", and rest"].map((content) => omnifile.uploads.addPart({ upload: upload.id, content }, alice))
)
const whole = await omnifile.uploads.complete({ upload: upload.id, parts: parts.map(({ id }) => id) }, alice)
console.log(whole.status, new TextDecoder().decode(await omnifile.files.content(whole.file?.id ?? "", alice)))

const { files } = await omnifile.files.list({ order: "asc" }, alice)
console.log(files.map(({ filename, bytes }) => `${filename} (${bytes})`).join())
await Promise.all(files.map(({ id }) => omnifile.files.delete(id, alice)))

await omnifile.close()
await emulator.close()
