/** Content at services that are loaded when they are asked for. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { createServer } from "node:http"
import { afterAll } from "vitest"
import * as Configuration from "../src/config/Configuration.ts"
import * as Doctor from "../src/Doctor.ts"
import { builtInProviders } from "../src/Providers.ts"

/** Any of the services, as long as it is asked for what is not there. */
const requests: Array<string> = []
const service = createServer((request, response) => {
  requests.push(`${request.method} ${request.url}`)
  response.writeHead(404, { "x-ms-error-code": "BlobNotFound", "content-type": "application/json" }).end("{}")
}).listen(0, "127.0.0.1")
await once(service, "listening")
afterAll(() => {
  service.closeAllConnections()
  service.close()
})
const address = service.address()
const port = typeof address === "object" ? address?.port : undefined
const endpoint = `http://127.0.0.1:${port}`

const key = Buffer.alloc(32, 7).toString("base64")

/** What the doctor says about content, in a configuration that says no more than where it is. */
const examine = (storage: string) =>
  Effect.gen(function* () {
    const yaml = [
      `accounts: [{ id: a, provider: openai, base_url: "${endpoint}/v1", api_key: sk-of-the-account }]`,
      "models: [{ name: m, deployments: [{ account: a, model: m }] }]",
      "keys: [{ key: sk-of-the-admin, role: admin }]",
      `storage: { registry: memory, ${storage} }`
    ].join("\n")
    const options = { file: "omnifile.yaml", cwd: "/", env: {}, providers: ["openai"] }
    const configuration = yield* Configuration.parse(yaml, options)
    const findings = yield* Doctor.examine(configuration, builtInProviders)
    return findings.find(({ subject }) => subject === "content")
  })

const services = [
  {
    name: "s3",
    storage: `content: "s3://files/blobs", s3: { endpoint: "${endpoint}", path_style: true, region: here, access_key_id: id, secret_access_key: pw }`,
    asked: "HEAD /files/blobs/readiness"
  },
  {
    name: "azure-blob",
    storage: `content: "azblob://account/files/blobs?endpoint=${endpoint}/account", azure: { account_key: "${key}" }`,
    asked: "HEAD /account/files/blobs/readiness"
  },
  {
    name: "gcs",
    storage: `content: "gs://files/blobs?endpoint=${endpoint}"`,
    asked: "GET /storage/v1/b/files/o/blobs%2Freadiness"
  }
]

describe("content", () => {
  it.live.each(services)("at $name is asked for where the configuration says", ({ asked, name, storage }) =>
    Effect.gen(function* () {
      requests.length = 0
      assert.deepStrictEqual(yield* examine(storage), { subject: "content", verdict: "ok", detail: `${name} answers` })
      assert.isTrue(
        requests.some((request) => request.split("?")[0] === asked),
        requests.join(", ")
      )
    })
  )

  it.live("that cannot be reached is told, and no secret", () =>
    Effect.gen(function* () {
      const azure = `azure: { account_key: "${key}" }`
      const finding = yield* examine(`content: "azblob://account/files?endpoint=http://127.0.0.1:1/account", ${azure}`)
      assert.strictEqual(finding?.verdict, "failed")
      assert.notInclude(finding?.detail, key)
    })
  )
})
