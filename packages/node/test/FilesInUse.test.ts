import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { failure } from "@omnifile/testkit/host/checks"
import { APIError, toFile } from "openai"
import { type Installation, install, type RunningGateway } from "./support/gateways.ts"

let installation: Installation
let here: RunningGateway
let there: RunningGateway

beforeAll(async () => {
  installation = await install({ instanceTtl: 600_000 })
  here = await installation.start()
  there = await installation.start()
})
afterAll(() => installation.close())

const upload = async (content: string, purpose: "batch" | "user_data") =>
  (await here.alice.files.create({ purpose, file: await toFile(Buffer.from(content), "a.jsonl") })).id

const startBatch = async () => {
  const attached = await upload("what a line names", "user_data")
  const body = { model: "east", messages: [{ role: "user", content: [{ type: "file", file: { file_id: attached } }] }] }
  const line = { custom_id: "1", method: "POST", url: "/v1/chat/completions", body }
  const input = await upload(`${JSON.stringify(line)}\n`, "batch")
  const batch = await here.alice.batches.create({
    input_file_id: input,
    endpoint: "/v1/chat/completions",
    completion_window: "24h"
  })
  return { attached, input, batch: batch.id }
}

const refused = async (id: string, batch: string): Promise<void> => {
  const error = await failure(there.alice.files.delete(id))
  assert.instanceOf(error, APIError)
  assert.deepStrictEqual([error.status, error.code], [409, "file_in_use"] as ReadonlyArray<unknown>)
  assert.include(error.message, batch)
}

describe("the files of a batch, its input and what its lines name,", () => {
  it("cannot be deleted before a look at it has seen its end", async () => {
    const { attached, batch, input } = await startBatch()
    for (const id of [input, attached]) await refused(id, batch)
    for (let step = 0; step < 3; step++) installation.emulator.advanceBatches("east")
    assert.strictEqual((await there.alice.batches.retrieve(batch)).status, "completed")
    for (const id of [input, attached]) assert.isTrue((await here.alice.files.delete(id)).deleted)
  })

  it("are kept while it is being cancelled", async () => {
    const { attached, batch, input } = await startBatch()
    assert.strictEqual((await here.alice.batches.cancel(batch)).status, "cancelling")
    for (const id of [input, attached]) await refused(id, batch)
    for (let step = 0; step < 3; step++) installation.emulator.advanceBatches("east")
    assert.strictEqual((await here.alice.batches.retrieve(batch)).status, "cancelled")
    for (const id of [input, attached]) assert.isTrue((await there.alice.files.delete(id)).deleted)
  })
})
