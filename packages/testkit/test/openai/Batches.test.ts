import { assert, describe, it } from "@effect/vitest"
import type OpenAI from "openai"
import { toFile } from "openai"
import { clientOf, failure, start } from "./harness.ts"

const line = (id: string, body: object = { model: "gpt-4o-mini", messages: [{ role: "user", content: id }] }) =>
  JSON.stringify({ custom_id: id, method: "POST", url: "/v1/chat/completions", body })

const input = async (client: OpenAI, ...lines: ReadonlyArray<string>) =>
  client.files.create({ purpose: "batch", file: await toFile(Buffer.from(lines.join("\n")), "in.jsonl") })

const request = (input_file_id: string) =>
  ({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h" }) as const

describe("batches", () => {
  it("take their lines from validation to an output and an error file", async () => {
    const { client, emulator } = await start({ now: () => 1_700_000_000_000 })
    const wrong = {
      model: "gpt-4o-mini",
      messages: [{ role: "user", content: [{ type: "file", file: { file_id: "no" } }] }]
    }
    const { id: input_file_id } = await input(client, line("a"), "", line("b", wrong))
    const batch = await client.batches.create({
      ...request(input_file_id),
      metadata: { team: "research" },
      output_expires_after: { anchor: "created_at", seconds: 3_600 }
    })
    assert.strictEqual(batch.status, "validating")
    assert.deepStrictEqual(batch.metadata, { team: "research" })
    const seen: Array<string> = []
    for (let step = 0; step < 3; step++) {
      emulator.advanceBatches("alpha")
      seen.push((await client.batches.retrieve(batch.id)).status)
    }
    assert.deepStrictEqual(seen, ["in_progress", "completed", "completed"])

    const done = await client.batches.retrieve(batch.id)
    assert.deepStrictEqual(done.request_counts, { total: 2, completed: 1, failed: 1 })
    assert.isAbove(done.usage?.output_tokens ?? 0, 0)
    const output = await client.files.retrieve(done.output_file_id ?? "")
    assert.deepStrictEqual([output.purpose, output.expires_at], ["batch_output", 1_700_003_600])
    assert.include(await (await client.files.content(output.id)).text(), '"custom_id":"a"')
    const errors = await (await client.files.content(done.error_file_id ?? "")).text()
    assert.include(errors, '"custom_id":"b"')
    assert.include(errors, '"status_code":400')
  })

  it("fail as a whole for lines that cannot be read, and name them", async () => {
    const { client, emulator } = await start()
    const { id } = await client.batches.create(request((await input(client, line("a"), "no JSON")).id))
    emulator.advanceBatches("alpha")
    const failed = await client.batches.retrieve(id)
    assert.strictEqual(failed.status, "failed")
    assert.deepStrictEqual(
      failed.errors?.data?.map((error) => error.line),
      [2]
    )
  })

  it("go on by themselves when they are asked about, if they are told to", async () => {
    const { client, emulator } = await start()
    emulator.setBatches("alpha", { pollsPerStep: 2, reportsUsage: false })
    const { id } = await client.batches.create(request((await input(client, line("a"))).id))
    const seen: Array<string> = []
    for (let poll = 0; poll < 4; poll++) seen.push((await client.batches.retrieve(id)).status)
    assert.deepStrictEqual(seen, ["validating", "in_progress", "in_progress", "completed"])
    assert.isUndefined((await client.batches.retrieve(id)).usage)
  })

  it("keep what was done before they were cancelled", async () => {
    const { client, emulator } = await start()
    const { id } = await client.batches.create(request((await input(client, line("a"), line("b"))).id))
    emulator.advanceBatches("alpha")
    assert.strictEqual((await client.batches.cancel(id)).status, "cancelling")
    emulator.advanceBatches("alpha")
    const cancelled = await client.batches.retrieve(id)
    assert.strictEqual(cancelled.status, "cancelled")
    assert.isString(cancelled.output_file_id)
    assert.strictEqual((await failure(client.batches.cancel(id))).status, 409)
  })

  it("are listed newest first, and each account has its own", async () => {
    const accounts = ["alpha", "beta"].map((name) => ({ name, key: `sk-${name}` }))
    const { client, emulator } = await start({ accounts })
    const { id: file } = await input(client, line("a"))
    const made: Array<string> = []
    for (let count = 0; count < 3; count++) made.unshift((await client.batches.create(request(file))).id)
    const listed: Array<string> = []
    for await (const { id } of client.batches.list({ limit: 2 })) listed.push(id)
    assert.deepStrictEqual(listed, made)
    assert.deepStrictEqual(
      emulator.batches("alpha").map(({ id }) => id),
      made.toReversed()
    )
    const other = clientOf(emulator, "sk-beta")
    assert.strictEqual((await failure(other.batches.retrieve(made[0] ?? ""))).status, 404)
    assert.isEmpty((await other.batches.list()).data)
  })

  it("refuse what OpenAI refuses, and name the field", async () => {
    const { client } = await start()
    const { id } = await input(client, line("a"))
    const plain = await client.files.create({ purpose: "user_data", file: await toFile(Buffer.from("x"), "x.txt") })
    const pairs = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`${index}`, "x"]))
    for (const [body, param] of [
      [{ ...request(id), model: "m" }, "model"],
      [{ ...request(id), endpoint: "/v1/files" }, "endpoint"],
      [{ input_file_id: id, endpoint: "/v1/chat/completions" }, "completion_window"],
      [request("file-none"), "input_file_id"],
      [request(plain.id), "input_file_id"],
      [{ ...request(id), metadata: pairs }, "metadata"]
    ] as const) {
      const error = await failure(client.batches.create(body as OpenAI.BatchCreateParams))
      assert.deepStrictEqual([error.status, error.param], [400, param])
    }
  })
})
