/** OpenAI's batches on Vertex AI: a file of requests and one of responses, both in the account's bucket. */
import { assert, describe, it } from "@effect/vitest"
import { Bucket } from "@omnifile/core/Account"
import * as GcsServer from "@omnifile/testkit/servers/GcsServer"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import { json } from "node:stream/consumers"
import { APIError, toFile } from "openai"
import type OpenAI from "openai"
import * as Vendor from "./support/vendor.ts"

const project = "/v1/projects/p/locations/europe-west1"

interface Job {
  readonly name: string
  readonly displayName: string
  readonly model: string
  readonly inputConfig: { readonly gcsSource: { readonly uris: ReadonlyArray<string> } }
  readonly outputConfig: { readonly gcsDestination: { readonly outputUriPrefix: string } }
  state: string
  createTime: string
  completionStats?: { readonly successfulCount: string; readonly failedCount: string }
  outputInfo?: { readonly gcsOutputDirectory: string }
}

interface Request {
  readonly contents: ReadonlyArray<{
    readonly parts: ReadonlyArray<{ readonly text?: string; readonly fileData?: { readonly fileUri: string } }>
  }>
  readonly labels: Readonly<Record<string, string>>
}

const candidate = (text: string) => ({
  candidates: [{ index: 0, content: { role: "model", parts: [{ text }] }, finishReason: "STOP" }],
  usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 5, totalTokenCount: 12 }
})

/** https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs */
const startVertex = async (gcs: GcsServer.TestServer) => {
  const jobs = new Map<string, Job>()
  const nameOf = (uri: string): string => uri.replace(`gs://${gcs.options.bucket}/`, "")

  /** Answers every request in reverse order; one that says so is refused. */
  const run = (job: Job): void => {
    const input = gcs.objects.get(nameOf(job.inputConfig.gcsSource.uris[0] ?? ""))?.body.toString() ?? ""
    const requests = input.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line).request as Request]))
    const lines = requests.toReversed().map((request) => {
      const parts = request.contents.flatMap(({ parts }) => parts)
      const said = parts.map(({ fileData, text }) => text ?? fileData?.fileUri ?? "").join(" ")
      return said.includes("refuse")
        ? { status: "Bad Request: it is refused", processed_time: "", request, response: {} }
        : { status: "", processed_time: "", request, response: candidate(`Answer to ${said}`) }
    })
    const directory = `${job.outputConfig.gcsDestination.outputUriPrefix}/prediction-model-2026-11-23T04:05:06.000Z`
    const body = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
    const name = `${nameOf(directory)}/predictions.jsonl`
    gcs.objects.set(name, { name, body, crc32c: "", metadata: {}, timeCreated: new Date().toISOString() })
    const failed = lines.filter(({ status }) => status !== "").length
    job.state = "JOB_STATE_SUCCEEDED"
    job.outputInfo = { gcsOutputDirectory: directory }
    job.completionStats = { successfulCount: String(lines.length - failed), failedCount: String(failed) }
  }

  const server = await HostSuite.listen((request, response) => {
    void (async () => {
      const { pathname } = new URL(request.url ?? "", "http://vertex")
      const [, id = "", action] = /\/batchPredictionJobs(?:\/(\d+)(?::(\w+))?)?$/.exec(pathname) ?? []
      const job = jobs.get(id)
      let answer: unknown = {}
      if (request.headers.authorization !== `Bearer ${Vendor.account.key}`) response.statusCode = 401
      else if (request.method === "POST" && id === "") {
        const made = (await json(request)) as Job
        const number = String(jobs.size + 1)
        const name = `projects/1/locations/europe-west1/batchPredictionJobs/${number}`
        const stored = { ...made, name, state: "JOB_STATE_PENDING", createTime: new Date().toISOString() }
        jobs.set(number, stored)
        answer = stored
      } else if (id === "") answer = { batchPredictionJobs: [...jobs.values()].toReversed() }
      else if (job === undefined) response.statusCode = 404
      else if (action === "cancel") job.state = "JOB_STATE_CANCELLED"
      else answer = job
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify(answer))
    })()
  })
  return { baseUrl: server.url + project, close: server.stop, jobs, run: () => [...jobs.values()].forEach(run) }
}

const startAll = async (model = "gemini-2.5-flash") => {
  const gcs = await GcsServer.start()
  const vertex = await startVertex(gcs)
  const bucket = new Bucket({ name: gcs.options.bucket, prefix: "copies/", baseUrl: gcs.options.endpoint })
  const vendor = await Vendor.make(vertex, { provider: "vertex", model, bucket })
  const close = async () => {
    await vendor.close()
    await gcs.stop()
  }
  return { gcs, vertex, vendor, close }
}

const line = (customId: string, content: unknown) => ({
  custom_id: customId,
  method: "POST",
  url: "/v1/chat/completions",
  body: { model: "model", messages: [{ role: "user", content }] }
})

const create = async ({ client }: Vendor.Vendor, lines: ReadonlyArray<unknown>): Promise<OpenAI.Batch> => {
  const content = lines.map((each) => `${JSON.stringify(each)}\n`).join("")
  const input = await client.files.create({ purpose: "batch", file: await toFile(Buffer.from(content), "in.jsonl") })
  return client.batches.create({
    input_file_id: input.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h"
  })
}

interface Line {
  readonly custom_id: string
  readonly response: { readonly body: OpenAI.ChatCompletion } | null
  readonly error: { readonly code: string; readonly message: string } | null
}

const linesOf = async ({ client }: Vendor.Vendor, id: string | null | undefined): Promise<ReadonlyArray<Line>> => {
  const text = await (await client.files.content(id ?? "")).text()
  return text.split("\n").flatMap((each) => (each === "" ? [] : [JSON.parse(each) as Line]))
}

describe("a batch on Vertex AI", () => {
  it("brings every result back under the client's own names, and names files by their objects", async () => {
    const { close, vendor, vertex } = await startAll()
    try {
      const pdf = await vendor.upload("%PDF-1.7\none page", "user_data", "a.pdf")
      const file = { type: "file", file: { file_id: pdf.id } }
      const created = await create(vendor, [
        line("Größe/1", "One"),
        line("two", "refuse"),
        line("three", [{ type: "text", text: "Three" }, file])
      ])
      const [job] = vertex.jobs.values()
      assert.strictEqual(job?.model, "publishers/google/models/gemini-2.5-flash")
      assert.strictEqual(created.status, "validating")
      vertex.run()
      const ended = await vendor.client.batches.retrieve(created.id)
      assert.strictEqual(ended.status, "completed")
      assert.deepEqual(ended.request_counts, { total: 3, completed: 2, failed: 1 })
      const output = await linesOf(vendor, ended.output_file_id)
      assert.deepStrictEqual(
        output.map(({ custom_id, response }) => [custom_id, response?.body.choices[0]?.message.content?.slice(0, 40)]),
        [
          ["three", "Answer to Three gs://omnifile-test/copie"],
          ["Größe/1", "Answer to One"]
        ]
      )
      assert.strictEqual(output[1]?.response?.body.usage?.total_tokens, 12)
      const [refused, ...others] = await linesOf(vendor, ended.error_file_id)
      assert.deepStrictEqual(others, [])
      assert.strictEqual(refused?.custom_id, "two")
      assert.strictEqual(refused?.error?.message, "Bad Request: it is refused")
    } finally {
      await close()
    }
  })

  it("is cancelled, and says of each line that it was not run", async () => {
    const { close, vendor } = await startAll()
    try {
      const created = await create(vendor, [line("a", "One"), line("b", "Two")])
      await vendor.client.batches.cancel(created.id)
      const ended = await vendor.client.batches.retrieve(created.id)
      assert.strictEqual(ended.status, "cancelled")
      const errors = await linesOf(vendor, ended.error_file_id)
      assert.deepStrictEqual(
        errors.map(({ error }) => error?.code),
        ["batch_cancelled", "batch_cancelled"]
      )
    } finally {
      await close()
    }
  })

  it("is not made of Claude's requests, which it has another form for", async () => {
    const { close, vendor, vertex } = await startAll("claude-sonnet-4-5@20250929")
    try {
      const refused = await create(vendor, [line("a", "One")]).then(
        () => assert.fail("it was made"),
        (error: unknown) => error
      )
      assert.instanceOf(refused, APIError)
      assert.strictEqual(refused.status, 400)
      assert.strictEqual(vertex.jobs.size, 0)
    } finally {
      await close()
    }
  })
})
