/** Mistral refuses every field that it does not know: calls and lines written for OpenAI are to work all the same. */
import { assert, it, onTestFinished } from "@effect/vitest"
import * as MistralEmulator from "@omnifile/testkit/MistralEmulator"
import type OpenAI from "openai"
import { APIError } from "openai"
import * as Vendor from "../support/vendor.ts"

const start = async () => {
  const emulator = await MistralEmulator.start({ accounts: [Vendor.account] })
  const vendor = await Vendor.make(emulator, { provider: "mistral" })
  onTestFinished(vendor.close)
  return { emulator, ...vendor }
}

it("calls of OpenAI's wire are answered by Mistral, whole and streamed, with files and in batches", async () => {
  const { client, emulator, upload } = await start()
  const file = await upload("%PDF-1.7\nA report.\n", "user_data", "report.pdf")
  const body = {
    model: "model",
    messages: [
      { role: "developer", content: "Be brief." },
      {
        role: "user",
        name: "bob",
        content: [
          { type: "text", text: "What is it?" },
          { type: "file", file: { file_id: file.id } }
        ]
      }
    ],
    max_completion_tokens: 20,
    seed: 1,
    user: "u",
    store: false
  } satisfies OpenAI.ChatCompletionCreateParamsNonStreaming
  const whole = await client.chat.completions.create(body)
  assert.include(whole.choices[0]?.message.content, "File 1: report.pdf")

  const stream = await client.chat.completions.create({
    ...body,
    stream: true,
    stream_options: { include_usage: true }
  })
  let text = ""
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? ""
  assert.include(text, "File 1: report.pdf")

  const line = { custom_id: "one", method: "POST", url: "/v1/chat/completions", body }
  const input = await upload(JSON.stringify(line), "batch", "in.jsonl")
  const batch = await client.batches.create({
    input_file_id: input.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h"
  })
  emulator.advanceBatches("main")
  emulator.advanceBatches("main")
  const { request_counts: counts } = await client.batches.retrieve(batch.id)
  assert.deepStrictEqual(counts, { total: 1, completed: 1, failed: 0 })
})

it("what Mistral does not do is refused in its validator's words", async () => {
  const { client } = await start()
  const refused = await client.chat.completions
    .create({ model: "model", messages: [{ role: "user", content: "Hi" }], logit_bias: { "1": 2 } })
    .catch((cause: unknown) => cause)
  assert.instanceOf(refused, APIError)
  assert.deepInclude({ ...refused }, { status: 422, param: "logit_bias" })
  assert.include(refused.message, "Extra inputs are not permitted")
})
