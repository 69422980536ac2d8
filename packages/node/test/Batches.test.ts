import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { APIError, toFile } from "openai"
import type OpenAI from "openai"
import { type Installation, install, type RunningGateway } from "./support/gateways.ts"

let installation: Installation
let here: RunningGateway
let there: RunningGateway

beforeAll(async () => {
  installation = await install({ maintenanceInterval: 50, instanceTtl: 600_000 })
  here = await installation.start()
  there = await installation.start()
})
afterAll(() => installation.close())

interface Line {
  readonly id?: string
  readonly model?: string
  readonly file?: string
}

const line = ({ file, id = "1", model = "east" }: Line): string =>
  JSON.stringify({
    custom_id: id,
    method: "POST",
    url: "/v1/chat/completions",
    body: {
      model,
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: `mind the model "${model}"` },
            ...(file === undefined ? [] : [{ type: "file", file: { file_id: file } }])
          ]
        }
      ]
    }
  })

const upload = async (client: OpenAI, content: string, purpose: "batch" | "user_data" = "batch", name = "in.jsonl") =>
  client.files.create({ file: await toFile(Buffer.from(content), name), purpose })

const request = (input_file_id: string) =>
  ({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h" }) as const

const refusal = async (promise: Promise<unknown>): Promise<APIError> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof APIError) return error
    throw error
  }
  return assert.fail("it succeeded")
}

const contentOf = async (client: OpenAI, id: string): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const text = await (await client.files.content(id)).text()
  return text
    .trim()
    .split("\n")
    .map((one) => JSON.parse(one) as Record<string, unknown>)
}

const created = ({ emulator }: Installation) => emulator.journal.filter(({ route }) => route === "batches.create")

describe("a batch", () => {
  it("runs with the deployment's own names, and comes back with ours", async () => {
    const { emulator } = installation
    const attached = await upload(here.alice, "what is attached", "user_data", "attached.txt")
    const input = await upload(here.alice, `${line({ id: "a", file: attached.id })}\n\n${line({ id: "b" })}\r\n`)
    const batch = await here.alice.batches.create({
      ...request(input.id),
      metadata: { mine: "1" },
      output_expires_after: { anchor: "created_at", seconds: 7_200 }
    })
    assert.match(batch.id, /^batch_/)
    assert.strictEqual(batch.input_file_id, input.id)
    assert.strictEqual(batch.status, "validating")
    assert.deepStrictEqual(batch.metadata, { mine: "1" })

    const [remote] = emulator.batches("east")
    assert(remote !== undefined)
    const sent = emulator.files("east").find(({ id }) => id === remote.inputFileId)
    assert.strictEqual(sent?.filename, "in.jsonl")
    const lines = Buffer.from(sent?.content ?? [])
      .toString()
      .split("\n")
    assert.strictEqual(lines.length, 4)
    assert.include(lines[0], '"model":"provider-east"')
    assert.notInclude(lines[0], attached.id)
    assert.include(lines[0], 'mind the model \\"east\\"')
    assert.isTrue(lines[2]?.endsWith("\r"))

    emulator.advanceBatches("east")
    assert.strictEqual((await there.alice.batches.retrieve(batch.id)).status, "in_progress")
    emulator.advanceBatches("east")
    const done = await there.alice.batches.retrieve(batch.id)
    assert.strictEqual(done.status, "completed")
    const answers = await contentOf(here.alice, done.output_file_id ?? "")
    assert.deepStrictEqual(
      answers.map(({ custom_id }) => custom_id),
      ["a", "b"]
    )
    assert.include(JSON.stringify(answers[0]), "attached.txt, 16 bytes")
    assert.isNull(done.error_file_id ?? null)

    const outputs = await here.alice.files.list({ purpose: "batch_output" })
    assert.deepStrictEqual(
      outputs.data.map(({ id }) => id),
      [done.output_file_id]
    )
    const [output] = outputs.data
    assert.strictEqual(output?.filename, `${batch.id}_output.jsonl`)
    assert.strictEqual((output?.expires_at ?? 0) - (output?.created_at ?? 0), 7_200)
    assert.isEmpty((await here.bob.files.list({ purpose: "batch_output" })).data)
  })

  it("is one batch with one output, however often and wherever it is asked for", async () => {
    const { emulator } = installation
    const input = await upload(here.alice, line({ model: "west" }))
    const batch = await here.alice.batches.create(request(input.id))
    emulator.advanceBatches("west")
    emulator.advanceBatches("west")
    const polls = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        (index % 2 === 0 ? here : there)[index % 3 === 0 ? "admin" : "alice"].batches.retrieve(batch.id)
      )
    )
    const ids = new Set(polls.map(({ output_file_id }) => output_file_id))
    assert.strictEqual(ids.size, 1)
    const asked = emulator.journal.length
    const [id = ""] = ids
    assert.strictEqual((await there.alice.batches.retrieve(batch.id)).output_file_id, id)
    assert.strictEqual(emulator.journal.length, asked)
    // Deleted, it stays away.
    await here.alice.files.delete(id ?? "")
    assert.strictEqual((await there.alice.batches.retrieve(batch.id)).output_file_id, id)
    assert.strictEqual((await refusal(there.alice.files.retrieve(id ?? ""))).status, 404)
  })

  it("is nobody else's", async () => {
    const input = await upload(here.alice, line({}))
    const batch = await here.alice.batches.create(request(input.id))
    for (const attempt of [
      () => here.bob.batches.retrieve(batch.id),
      () => here.bob.batches.cancel(batch.id),
      () => here.bob.batches.create(request(input.id)),
      () => here.bob.batches.list({ after: batch.id })
    ]) {
      const error = await refusal(attempt())
      assert.include([400, 404], error.status)
    }
    const missing = await refusal(here.alice.batches.retrieve("batch_nothing"))
    const foreign = await refusal(here.bob.batches.retrieve(batch.id))
    assert.strictEqual(foreign.message.replace(batch.id, "ID"), missing.message.replace("batch_nothing", "ID"))
    assert.isFalse((await here.bob.batches.list()).data.some(({ id }) => id === batch.id))
  })

  it("can be cancelled, and then no more", async () => {
    const { emulator } = installation
    const input = await upload(here.alice, `${line({ id: "a" })}\n${line({ id: "b" })}`)
    const batch = await here.alice.batches.create(request(input.id))
    emulator.advanceBatches("east")
    assert.strictEqual((await here.alice.batches.cancel(batch.id)).status, "cancelling")
    emulator.advanceBatches("east")
    const cancelled = await here.alice.batches.retrieve(batch.id)
    assert.strictEqual(cancelled.status, "cancelled")
    assert.strictEqual((await contentOf(here.alice, cancelled.output_file_id ?? "")).length, 1)
    assert.strictEqual((await here.alice.batches.cancel(batch.id)).status, "cancelled")
  })

  it("is listed newest first, page by page, without a call to a provider", async () => {
    const { emulator } = installation
    const asked = emulator.journal.length
    const all: Array<string> = []
    for await (const { id } of here.alice.batches.list({ limit: 2 })) all.push(id)
    assert.strictEqual(new Set(all).size, all.length)
    assert.isAtLeast(all.length, 4)
    assert.strictEqual(emulator.journal.length, asked)
    assert.strictEqual((await refusal(here.alice.batches.list({ limit: 101 }))).param, "limit")
  })

  it("goes where the request's model is, and gets a variant for each", async () => {
    const { emulator } = installation
    const input = await upload(here.alice, line({ model: "both" }))
    for (const account of ["east", "west"] as const) {
      const before = emulator.batches(account).length
      await here.alice.batches.create({ ...request(input.id), model: account } as OpenAI.BatchCreateParams)
      assert.strictEqual(emulator.batches(account).length, before + 1)
      const remote = emulator.batches(account).at(-1)
      const sent = emulator.files(account).find(({ id }) => id === remote?.inputFileId)
      assert.include(Buffer.from(sent?.content ?? []).toString(), `"model":"provider-${account}"`)
    }
  })

  it("made under an Idempotency-Key is made once", async () => {
    const input = await upload(here.alice, line({}))
    const options = { headers: { "idempotency-key": "batch-once" } }
    const before = created(installation).length
    const [first, second] = await Promise.all([
      here.alice.batches.create(request(input.id), options),
      there.alice.batches.create(request(input.id), options)
    ])
    assert.strictEqual(first.id, second.id)
    assert.strictEqual(created(installation).length, before + 1)
    const other = { ...request(input.id), metadata: { other: "1" } }
    assert.strictEqual((await refusal(here.alice.batches.create(other, options))).status, 409)
  })
})

describe("a batch that cannot be", () => {
  it("names the field, or the line", async () => {
    const { emulator } = installation
    const before = created(installation).length
    const good = await upload(here.alice, line({}))
    const theirs = await upload(here.bob, "secret", "user_data", "theirs.txt")
    const plain = await upload(here.alice, "no batch", "user_data", "plain.txt")
    const requests: ReadonlyArray<readonly [body: object, param: string]> = [
      [{ endpoint: "/v1/chat/completions", completion_window: "24h" }, "input_file_id"],
      [{ input_file_id: good.id, completion_window: "24h" }, "endpoint"],
      [{ ...request(good.id), endpoint: "/v1/files" }, "endpoint"],
      [{ ...request(good.id), endpoint: "/v1/embeddings" }, "endpoint"],
      [{ input_file_id: good.id, endpoint: "/v1/chat/completions" }, "completion_window"],
      [{ ...request(good.id), metadata: [] }, "metadata"],
      [
        { ...request(good.id), output_expires_after: { anchor: "created_at", seconds: 1 } },
        "output_expires_after.seconds"
      ],
      [{ ...request(good.id), model: 4 }, "model"],
      [{ ...request(good.id), model: "unknown" }, "model"],
      [request(plain.id), "input_file_id"],
      [request(theirs.id), "input_file_id"],
      [request("file-raw"), "input_file_id"]
    ]
    for (const [body, param] of requests) {
      const error = await refusal(here.alice.batches.create(body as OpenAI.BatchCreateParams))
      assert.include([400, 404], error.status)
      assert.strictEqual(error.param, param, error.message)
    }
    const contents: ReadonlyArray<readonly [content: string, message: RegExp]> = [
      ["", /no requests/],
      [`${line({})}\n\n{"custom_id"`, /Line 3 .*JSON/],
      [`${line({})}\n[]`, /Line 2 .*object/],
      [`${line({ id: "x" })}\n${line({ id: "x" })}`, /Line 2 .*line 1/],
      [line({}).replace('"custom_id":"1",', ""), /Line 1 .*custom_id/],
      [line({}).replace("POST", "GET"), /Line 1 .*method/],
      [line({}).replace("/v1/chat/completions", "/v1/files"), /Line 1 .*url/],
      [line({}).replace('"model":"east",', ""), /Line 1 .*body.model/],
      [`${line({ id: "1" })}\n${line({ id: "2", model: "west" })}`, /Line 2 .*west/],
      [line({ model: "unknown" }), /Line 1 .*unknown/],
      [`${line({ id: "1" })}\n${line({ id: "2", file: theirs.id })}`, /line 2/],
      [line({ file: "file-raw" }), /line 1/]
    ]
    for (const [content, message] of contents) {
      const file = await upload(here.alice, content)
      const error = await refusal(here.alice.batches.create(request(file.id)))
      assert.include([400, 404], error.status)
      assert.strictEqual(error.param, "input_file_id", error.message)
      assert.match(error.message, message)
    }
    assert.strictEqual(created(installation).length, before)
    assert.isTrue(emulator.files("east").every(({ filename }) => filename !== "theirs.txt"))
  })

  it("shows the provider's reason with our IDs, and leaves nothing behind", async () => {
    const { emulator } = installation
    const input = await upload(here.alice, line({ model: "west" }))
    const known = (await here.alice.batches.list({ limit: 100 })).data.length
    const fault = emulator.fault({
      account: "west",
      route: "batches.create",
      times: 1,
      kind: { status: 400, body: { error: { message: "billing limit", type: "t", param: "endpoint", code: "c" } } }
    })
    const error = await refusal(here.alice.batches.create(request(input.id)))
    assert.deepStrictEqual([error.status, error.param, error.code], [400, "endpoint", "c"])
    assert.include(error.message, "billing limit")
    assert.strictEqual(fault.hits(), 1)
    assert.strictEqual((await here.alice.batches.list({ limit: 100 })).data.length, known)
    await here.alice.files.delete(input.id)
  })

  it("is found again when its answer was lost", async () => {
    const { emulator } = installation
    const input = await upload(here.alice, line({ model: "west" }))
    const before = emulator.batches("west").length
    emulator.fault({ account: "west", route: "batches.create", times: 1, kind: { acceptThenCut: true } })
    const batch = await here.alice.batches.create(request(input.id))
    assert.strictEqual(emulator.batches("west").length, before + 1)
    assert.strictEqual((await there.alice.batches.retrieve(batch.id)).id, batch.id)
    assert.isTrue(batch.metadata === null || batch.metadata === undefined)
  })
})
