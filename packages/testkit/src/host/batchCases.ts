/** A host takes batches, and gives out what they have made. */
import { assert, it } from "@effect/vitest"
import { toFile } from "openai"
import { refused } from "./checks.ts"
import { modelOf } from "./Installation.ts"
import type { RunningHost } from "./RunningHost.ts"

const url = "/v1/chat/completions"

const lines = (...prompts: ReadonlyArray<string>): string =>
  prompts
    .map((content, index) => {
      const body = { model: modelOf("beta"), messages: [{ role: "user", content }] }
      return `${JSON.stringify({ custom_id: `request-${index}`, method: "POST", url, body })}\n`
    })
    .join("")

export const register = (host: () => RunningHost): void => {
  it("runs a batch and gives out its output", async () => {
    const { emulator, openai } = host()
    const file = await toFile(Buffer.from(lines("Grüße", "and 😀")), "in.jsonl")
    const input = await openai.files.create({ file, purpose: "batch" })
    const batch = await openai.batches.create({ input_file_id: input.id, endpoint: url, completion_window: "24h" })
    assert.strictEqual(batch.status, "validating")
    emulator.advanceBatches("beta")
    emulator.advanceBatches("beta")
    const { output_file_id: output = "", status } = await openai.batches.retrieve(batch.id)
    assert.strictEqual(status, "completed")
    const text = await (await openai.files.content(output)).text()
    assert.include(text, "Answer from beta (model provider-beta).")
    assert.include(text, "Grüße")
    assert.include(text, '"custom_id":"request-1"')
    assert.isTrue((await openai.batches.list({ limit: 1 })).data.some(({ id }) => id === batch.id))
  })

  it("refuses a batch whose input is none of its client's", async () => {
    const { call } = host()
    const body = JSON.stringify({ input_file_id: "file-none", endpoint: url, completion_window: "24h" })
    const headers = { "content-type": "application/json" }
    const error = await refused(await call("/v1/batches", { method: "POST", headers, body }), 404)
    assert.strictEqual(error.param, "input_file_id")
    await refused(await call("/v1/batches/batch_none"), 404)
    await refused(await call("/v1/batches/batch_none/cancel", { method: "POST" }), 404)
  })
}
