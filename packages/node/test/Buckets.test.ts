/** Copies in buckets: of S3 for Bedrock's models, of Cloud Storage for those of Vertex AI, by the official client. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Bucket } from "@omnifile/core/Account"
import * as GcsServer from "@omnifile/testkit/servers/GcsServer"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import type OpenAI from "openai"
import * as Clouds from "./support/clouds.ts"
import * as S3 from "./support/s3.ts"
import * as Sigv4 from "./support/sigv4.ts"
import * as Vendor from "./support/vendor.ts"

const pdf = `%PDF-1.7\n${"One page. ".repeat(9_001)}\n%%EOF\n`
const said = (content: string) =>
  `${content.length} bytes, sha256 ${createHash("sha256").update(content).digest("hex")}`

type Content = OpenAI.ChatCompletionContentPart

const ask = async ({ client }: Vendor.Vendor, ...files: ReadonlyArray<string>): Promise<string | null | undefined> => {
  const parts = files.map((file_id): Content => ({ type: "file", file: { file_id } }))
  const content: Array<Content> = [{ type: "text", text: "What does it say?" }, ...parts]
  const answer = await client.chat.completions.create({ model: "model", messages: [{ role: "user", content }] })
  return answer.choices[0]?.message.content
}

describe("Bedrock with a bucket", () => {
  const region = "eu-central-1"
  const prefix = "copies/of/files/"
  const nova = "eu.amazon.nova-pro-v1:0"
  const claude = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
  const key = { accessKeyId: S3.accessKey.id, secretAccessKey: S3.accessKey.secret }

  let s3: S3.S3
  beforeAll(async () => {
    s3 = await S3.start()
  })
  afterAll(() => s3.stop())

  const keyOf = (uri: string): string => uri.slice(`s3://${S3.bucket}/`.length)
  const uploads = () => s3.requests.filter((request) => request.startsWith("PUT "))

  const start = async (model: string) => {
    s3.requests.length = 0
    const read = (uri: string) => s3.read(keyOf(uri))
    const missing = { status: 400, body: { message: "Unable to get the S3 object." } }
    const cloud = await Clouds.start(Clouds.bedrock, "", { read, missing })
    const identity = {
      _tag: "AccessKey",
      accessKeyId: key.accessKeyId,
      secretAccessKey: Redacted.make(key.secretAccessKey),
      sessionToken: undefined
    } as const
    const vendor = await Vendor.make(cloud, {
      provider: "bedrock",
      model,
      auth: "aws",
      apiKey: Redacted.make(""),
      region,
      bucket: new Bucket({ name: S3.bucket, prefix, baseUrl: s3.baseUrl }),
      identities: { aws: new Map([[Vendor.account.name, identity]]) }
    })
    return { cloud, vendor }
  }

  const uriIn = (body: string | undefined): string => /"uri":"([^"]+)"/.exec(body ?? "")?.[1] ?? ""

  it("is uploaded to once, and Nova is told where the object is", async () => {
    const { cloud, vendor } = await start(nova)
    try {
      const { id } = await vendor.upload(pdf, "user_data", "Bericht für 2026.pdf")
      assert.strictEqual(await ask(vendor, id), said(pdf))
      const content = [{ type: "file" as const, file: { file_id: id } }]
      const streamed = vendor.client.chat.completions.stream({ model: "model", messages: [{ role: "user", content }] })
      assert.strictEqual(await streamed.finalContent(), said(pdf))
      assert.lengthOf(uploads(), 1)
      for (const { body, headers, rawPath } of cloud.received) {
        assert.match(body, /"document":\{"format":"pdf","name":"[^"]+","source":\{"s3Location":\{"uri":"s3:/)
        assert.match(
          uriIn(body),
          /^s3:\/\/omnifile-copies\/copies\/of\/files\/[0-9a-f]{32}\/Bericht!20f!C3!BCr!202026\.pdf$/
        )
        const request = { method: "POST", path: rawPath, headers, body }
        assert.strictEqual(
          headers.authorization,
          await Sigv4.authorizationOf(request, key, { region, service: "bedrock" })
        )
      }
      assert.deepStrictEqual(
        (await vendor.replicas(id)).map(({ account, state }) => ({ account, state })),
        [{ account: Vendor.account.name, state: "ready" }]
      )
      await vendor.client.files.delete(id)
      assert.isUndefined(await s3.read(keyOf(uriIn(cloud.received[0]?.body))))
    } finally {
      await vendor.close()
    }
  })

  it("serves images and films, too", async () => {
    const { cloud, vendor } = await start(nova)
    try {
      const png = "\u0089PNG\r\n\u001a\n and so on"
      const image = await vendor.upload(png, "user_data", "a.png")
      await ask(vendor, image.id)
      const film = await vendor.upload("\0\0\0\u0018ftypmp42 and so on", "user_data", "b.mp4")
      await ask(vendor, film.id)
      assert.deepStrictEqual(
        cloud.received.map(({ body }) => /"(\w+)":\{"format":"(\w+)","source":\{"s3Location"/.exec(body)?.slice(1)),
        [
          ["image", "png"],
          ["video", "mp4"]
        ]
      )
    } finally {
      await vendor.close()
    }
  })

  it("has no use for Claude, which gets the file within a signed call", async () => {
    const { cloud, vendor } = await start(claude)
    try {
      const { id } = await vendor.upload(pdf, "user_data", "report.pdf")
      assert.strictEqual(await ask(vendor, id), said(pdf))
      const [received] = cloud.received
      assert(received !== undefined)
      const { body, headers, rawPath } = received
      assert.match(body, /"source":\{"bytes":"[A-Za-z0-9+/]{1000}/)
      assert.strictEqual(headers["x-amz-content-sha256"], createHash("sha256").update(body).digest("hex"))
      const request = { method: "POST", path: rawPath, headers, body }
      assert.strictEqual(
        headers.authorization,
        await Sigv4.authorizationOf(request, key, { region, service: "bedrock" })
      )
    } finally {
      await vendor.close()
    }
  })

  it("is uploaded to again, once, when the object is gone", async () => {
    const { cloud, vendor } = await start(nova)
    try {
      const { id } = await vendor.upload(pdf, "user_data", "lost.pdf")
      await ask(vendor, id)
      await s3.remove(keyOf(uriIn(cloud.received[0]?.body)))
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(vendor, id)))
      assert.deepStrictEqual([...new Set(answers)], [said(pdf)])
      assert.lengthOf(uploads(), 2)
    } finally {
      await vendor.close()
    }
  })

  it("keeps nothing of an upload without an answer", async () => {
    const { cloud, vendor } = await start(nova)
    try {
      s3.cutNextUpload()
      const { id } = await vendor.upload(pdf, "user_data", "cut.pdf")
      assert.strictEqual(await ask(vendor, id), said(pdf))
      const [first = "", second = "", ...others] = uploads().map((request) => decodeURIComponent(request.slice(5)))
      assert.deepStrictEqual(others, [])
      assert.strictEqual(keyOf(uriIn(cloud.received[0]?.body)), second)
      await vendor.client.files.delete(id)
      assert.isUndefined(await s3.read(second))
      assert.isUndefined(await s3.read(first))
    } finally {
      await vendor.close()
    }
  })
})

describe("Vertex AI with a bucket", () => {
  const project = "/v1/projects/my-project/locations/global"
  let gcs: GcsServer.TestServer
  beforeAll(async () => {
    gcs = await GcsServer.start()
  })
  afterAll(() => gcs.stop())

  const nameOf = (uri: string): string => uri.slice(`gs://${gcs.options.bucket}/`.length)
  const uploads = () => gcs.requests.filter(({ method }) => method === "POST")

  const start = async (model: string) => {
    gcs.requests.length = 0
    const read = async (uri: string) => gcs.objects.get(nameOf(uri))?.body
    const body = { error: { code: 403, status: "PERMISSION_DENIED", message: "Permission denied on input file." } }
    const cloud = await Clouds.start(Clouds.vertex, project, { read, missing: { status: 403, body } })
    const vendor = await Vendor.make(cloud, {
      provider: "vertex",
      model,
      bucket: new Bucket({ name: gcs.options.bucket, prefix: "copies/", baseUrl: gcs.options.endpoint }),
      headers: { "x-operator": "for Vertex AI alone" }
    })
    return { cloud, vendor }
  }

  const uriIn = (body: string | undefined): string => /"fileUri":"([^"]+)"/.exec(body ?? "")?.[1] ?? ""

  it("is uploaded to once, and Gemini is told where the object is", async () => {
    const { cloud, vendor } = await start("gemini-2.5-flash")
    try {
      const { id } = await vendor.upload(pdf, "user_data", "report.pdf")
      assert.strictEqual(await ask(vendor, id), said(pdf))
      const input = [{ role: "user" as const, content: [{ type: "input_file" as const, file_id: id }] }]
      const response = await vendor.client.responses.create({ model: "model", input })
      assert.strictEqual(response.output_text, said(pdf))
      for (const { body, headers } of cloud.received) {
        assert.match(body, /"fileData":\{"mimeType":"application\/pdf","fileUri":"gs:\/\/omnifile-test\/copies\//)
        assert.strictEqual(headers["x-operator"], "for Vertex AI alone")
      }
      const [upload, ...others] = uploads()
      assert.deepStrictEqual(others, [])
      assert(upload !== undefined)
      assert.strictEqual(upload.headers["content-length"], String(pdf.length))
      assert.strictEqual(upload.headers.authorization, `Bearer ${Vendor.account.key}`)
      assert.isUndefined(upload.headers["x-operator"])
      await vendor.client.files.delete(id)
      assert.strictEqual(gcs.objects.size, 0)
    } finally {
      await vendor.close()
    }
  })

  it("has no use for Claude, which gets the file within the call", async () => {
    const { cloud, vendor } = await start("claude-sonnet-4-5@20250929")
    try {
      const { id } = await vendor.upload(pdf, "user_data", "report.pdf")
      assert.strictEqual(await ask(vendor, id), said(pdf))
      assert.match(cloud.received[0]?.body ?? "", /"type":"base64","media_type":"application\/pdf"/)
    } finally {
      await vendor.close()
    }
  })

  it("is uploaded to again, once, when the object is gone", async () => {
    const { cloud, vendor } = await start("gemini-2.5-flash")
    try {
      const { id } = await vendor.upload(pdf, "user_data", "lost.pdf")
      await ask(vendor, id)
      gcs.objects.delete(nameOf(uriIn(cloud.received[0]?.body)))
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(vendor, id)))
      assert.deepStrictEqual([...new Set(answers)], [said(pdf)])
      assert.lengthOf(uploads(), 2)
    } finally {
      await vendor.close()
    }
  })
})
