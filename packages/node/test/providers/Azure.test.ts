/** A resource of Azure OpenAI behind a gateway, with either API. */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import * as AzureEmulator from "@omnifile/testkit/AzureEmulator"
import * as Vendor from "../support/vendor.ts"

const start = async (apiVersion: string | null) => {
  const emulator = await AzureEmulator.start({ accounts: [Vendor.account] })
  const baseUrl = apiVersion === null ? emulator.baseUrl : emulator.baseUrl.replace("/v1", "")
  const vendor = await Vendor.make(emulator, { provider: "azure", apiVersion, baseUrl, model: "my-gpt" })
  onTestFinished(vendor.close)
  return { emulator, ...vendor }
}

describe.each([null, "2025-04-01-preview"])("Azure with the version %s of its API", (apiVersion) => {
  it("has a file when it is no longer pending, answers with it, and deletes it", async () => {
    const { client, emulator, replicas, upload } = await start(apiVersion)
    const file = await upload("for Azure")
    assert.deepInclude((await replicas(file.id))[0], { state: "ready" })
    assert.match(emulator.files("main")[0]?.id ?? "", /^assistant-/)
    const answer = await client.chat.completions.create({
      model: "model",
      messages: [{ role: "user", content: [{ type: "file", file: { file_id: file.id } }] }]
    })
    assert.match(String(answer.choices[0]?.message.content), /\(model my-gpt\)\.\nFile 1: notes\.txt, 9 bytes/)
    await client.files.delete(file.id)
    await emulator.waitFor(({ done, route }) => route === "files.delete" && done)
    assert.deepStrictEqual(emulator.files("main"), [])
    assert.isTrue(emulator.journal.every(({ path }) => path.includes("api-version") === (apiVersion !== null)))
  })

  it("runs a batch whose lines name its deployment", async () => {
    const { client, emulator, upload } = await start(apiVersion)
    const line = (custom_id: string) =>
      JSON.stringify({
        custom_id,
        method: "POST",
        url: "/v1/chat/completions",
        body: { model: "model", messages: [{ role: "user", content: custom_id }] }
      })
    const input = await upload([line("one"), line("two")].join("\n"), "batch", "in.jsonl")
    const batch = await client.batches.create({
      input_file_id: input.id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h"
    })
    emulator.advanceBatches("main")
    emulator.advanceBatches("main")
    const ended = await client.batches.retrieve(batch.id)
    assert.strictEqual(ended.status, "completed")
    const output = await (await client.files.content(String(ended.output_file_id))).text()
    assert.deepStrictEqual(
      [...output.matchAll(/"custom_id":"(\w+)"/g)].map(([, id]) => id),
      ["one", "two"]
    )
    assert.include(output, "model my-gpt")
  })
})
