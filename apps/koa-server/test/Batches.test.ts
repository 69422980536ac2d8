/** A server that is killed while a provider takes a batch: its successor knows the batch, and there is one. */
import { assert, describe, it } from "vitest"
import { contentOf, upload } from "./support/calls.ts"
import { eventually } from "./support/eventually.ts"
import * as Installation from "./support/Installation.ts"

const line = JSON.stringify({
  custom_id: "only",
  method: "POST",
  url: "/v1/chat/completions",
  body: { model: "alpha", messages: [{ role: "user", content: "hello" }] }
})

describe("a batch whose server is killed", { timeout: 60_000 }, () => {
  it("before the provider's answer is read is adopted by the next server", async ({ onTestFinished }) => {
    const installation = await Installation.open({ settings: { jobs: { poll_interval: "1s" } } })
    onTestFinished(installation.close)
    const { emulator } = installation
    const first = await installation.start()
    const client = installation.client(first)
    const input = await upload(client, line, { name: "in.jsonl", models: "alpha", purpose: "batch" })
    // The provider has the batch, and its answer takes for ever.
    emulator.fault({ account: "alpha", route: "batches.create", kind: { slowBytesPerSecond: 1 } })
    const request = { input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const
    const unanswered = client.batches.create(request).catch(() => "broken off")
    await eventually(() => emulator.batches("alpha").length === 1, { what: "the provider has the batch" })
    await first.kill()
    assert.strictEqual(await unanswered, "broken off")
    emulator.clearFaults()

    const second = installation.client(await installation.start())
    const adopted = await eventually(async () => (await second.batches.list()).data[0], { what: "the batch is listed" })
    assert.strictEqual(adopted.input_file_id, input.id)
    emulator.advanceBatches("alpha")
    emulator.advanceBatches("alpha")
    // Nobody asks for the batch itself: it is followed all the same.
    const output = await eventually(async () => (await second.files.list({ purpose: "batch_output" })).data[0], {
      what: "the output is listed"
    })
    assert.include((await contentOf(second, output.id)).toString(), "Answer from alpha (model provider-alpha).")
    assert.lengthOf(emulator.batches("alpha"), 1)
  })
})
