/** One PDF within the calls of models on Vertex AI and Bedrock, which have no place for files, by the official client. */
import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { APIError } from "openai"
import * as Clouds from "./support/clouds.ts"
import * as Vendor from "./support/vendor.ts"

const pdf = `%PDF-1.7\n${"One page. ".repeat(9_001)}\n%%EOF\n`
const said = `${pdf.length} bytes, sha256 ${createHash("sha256").update(pdf).digest("hex")}`

interface Case {
  readonly provider: "vertex" | "bedrock"
  readonly model: string
  /** Of the base URL. */
  readonly prefix: string
  /** What the paths begin with; the whole one is followed by the streamed one. */
  readonly model_path: string
  readonly ends: readonly [whole: string, streamed: string]
  readonly key: Readonly<Record<string, string>>
  readonly pdf: RegExp
}

const project = "/v1/projects/my-project/locations/global"
const bearer = { authorization: `Bearer ${Vendor.account.key}` }
const gemini = {
  provider: "vertex",
  model: "gemini-2.5-flash",
  ends: [":generateContent", ":streamGenerateContent?alt=sse"],
  pdf: /"inlineData":\{"mimeType":"application\/pdf"/
} as const

const cases: ReadonlyArray<readonly [string, Case]> = [
  [
    "Gemini on Vertex AI",
    {
      ...gemini,
      prefix: project,
      model_path: `${project}/publishers/google/models/gemini-2.5-flash`,
      key: bearer
    }
  ],
  [
    "Gemini on Vertex AI in express mode",
    {
      ...gemini,
      prefix: "/v1",
      model_path: "/v1/publishers/google/models/gemini-2.5-flash",
      key: { "x-goog-api-key": Vendor.account.key }
    }
  ],
  [
    "Claude on Vertex AI",
    {
      provider: "vertex",
      model: "claude-sonnet-4-5@20250929",
      prefix: project,
      model_path: `${project}/publishers/anthropic/models/claude-sonnet-4-5@20250929`,
      ends: [":rawPredict", ":streamRawPredict"],
      key: bearer,
      pdf: /"type":"base64","media_type":"application\/pdf"/
    }
  ],
  [
    "Claude on Bedrock",
    {
      provider: "bedrock",
      model: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
      prefix: "",
      model_path: "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
      ends: ["/converse", "/converse-stream"],
      key: bearer,
      pdf: /"document":\{"format":"pdf","name":"report","source":\{"bytes":/
    }
  ]
]

describe.each(cases)("%s", (_, { ends, key, model, model_path, pdf: place, prefix, provider }) => {
  it("has the whole file, and no key but the account's", async () => {
    const cloud = await Clouds.start(Clouds[provider], prefix)
    const vendor = await Vendor.make(cloud, { provider, model })
    try {
      const { id } = await vendor.upload(pdf, "user_data", "report.pdf")
      const chat = {
        model: "model",
        messages: [
          {
            role: "user" as const,
            content: [
              { type: "text" as const, text: "What does it say?" },
              { type: "file" as const, file: { file_id: id } }
            ]
          }
        ]
      }
      const whole = await vendor.client.chat.completions.create(chat)
      assert.strictEqual(whole.choices[0]?.message.content, said)
      assert.strictEqual(whole.choices[0]?.finish_reason, "stop")
      assert.strictEqual(whole.usage?.total_tokens, 12)

      const streamed = vendor.client.chat.completions.stream(chat)
      assert.strictEqual(await streamed.finalContent(), said)

      const input = [{ role: "user" as const, content: [{ type: "input_file" as const, file_id: id }] }]
      const response = await vendor.client.responses.create({ model: "model", input })
      assert.strictEqual(response.output_text, said)
      assert.strictEqual(
        (await vendor.client.responses.stream({ model: "model", input }).finalResponse()).output_text,
        said
      )

      assert.deepStrictEqual(
        cloud.received.map(({ path }) => path),
        [...ends, ...ends].map((end) => `${model_path}${end}`)
      )
      for (const { body, headers } of cloud.received) {
        assert.match(body, place)
        const { authorization, "x-goog-api-key": googleKey, "x-api-key": anthropicKey } = headers
        const sent = { authorization, "x-goog-api-key": googleKey, "x-api-key": anthropicKey }
        assert.deepStrictEqual(JSON.parse(JSON.stringify(sent)), key)
        assert.notInclude(JSON.stringify(headers), "ai-sdk")
      }
      assert.deepStrictEqual(await vendor.replicas(id), [])
    } finally {
      await vendor.close()
    }
  })

  it("is not sent what it does not take", async () => {
    const cloud = await Clouds.start(Clouds[provider], prefix)
    const vendor = await Vendor.make(cloud, { provider, model })
    try {
      const { id } = await vendor.upload("PK\u0003\u0004 and so on", "user_data", "a.zip")
      const refused = await vendor.client.responses
        .create({ model: "model", input: [{ role: "user", content: [{ type: "input_file", file_id: id }] }] })
        .then(() => assert.fail("it was answered"))
        .catch((error: unknown) => error)
      assert.instanceOf(refused, APIError)
      assert.strictEqual(refused.status, 400)
      assert.include(refused.message, "application/zip")
      assert.deepStrictEqual(cloud.received, [])
    } finally {
      await vendor.close()
    }
  })
})

describe("Bedrock", () => {
  const failing = async (model: string, stream: boolean): Promise<InstanceType<typeof APIError>> => {
    const vendor = await Vendor.make(await Clouds.start(Clouds.bedrock), { provider: "bedrock", model })
    try {
      const failed = await vendor.client.chat.completions
        .create({ model: "model", messages: [{ role: "user", content: "Hello" }], stream })
        .then(() => assert.fail("it was answered"))
        .catch((error: unknown) => error)
      assert.instanceOf(failed, APIError)
      return failed
    } finally {
      await vendor.close()
    }
  }

  it("gets documents of one name under different ones", async () => {
    const cloud = await Clouds.start(Clouds.bedrock)
    const vendor = await Vendor.make(cloud, { provider: "bedrock", model: "eu.amazon.nova-pro-v1:0" })
    try {
      const report = await vendor.upload(pdf, "user_data", "report.pdf")
      const text = await vendor.upload("In short.", "user_data", "Report.txt")
      const named = [report, report, text, report].map(({ id }) => ({ type: "file" as const, file: { file_id: id } }))
      await vendor.client.chat.completions.create({
        model: "model",
        messages: [
          { role: "user", content: [...named.slice(0, 2), { type: "text", text: "What do they say?" }] },
          { role: "assistant", content: "Little." },
          { role: "user", content: [...named.slice(2), { type: "text", text: "And these?" }] }
        ]
      })
      const names = [...(cloud.received[0]?.body ?? "").matchAll(/"format":"(\w+)","name":"([^"]*)"/g)]
      assert.deepStrictEqual(
        names.map(([, format, name]) => `${name} ${format}`),
        ["report pdf", "report-2 pdf", "Report-3 txt", "report-4 pdf"]
      )
    } finally {
      await vendor.close()
    }
  })

  it("says in a stream's first frame that it is busy", async () => {
    const { status } = await failing("busy", true)
    assert.strictEqual(status, 429)
  })

  it("does not accept a key that has expired", async () => {
    const { status } = await failing("expired", false)
    assert.strictEqual(status, 502)
  })
})
