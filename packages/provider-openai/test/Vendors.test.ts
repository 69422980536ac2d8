import { assert, describe, it } from "@effect/vitest"
import { ruleFor } from "@omnifile/core/FileCapabilities"
import * as Vendors from "../src/Vendors.ts"

const { deepseek, fireworks, groq, litellm, ollama, vllm } = Vendors

describe("vendors on OpenAI's wire", () => {
  it("have files for batches, or none, or all that OpenAI has", () => {
    const takes = (filename: string, purpose: "batch" | "user_data") =>
      groq.files?.takes({ filename, purpose, contentType: "application/jsonl", mediaType: "application/jsonl" })
    assert.deepStrictEqual(
      [takes("in.jsonl", "batch"), takes("in.txt", "batch"), takes("in.jsonl", "user_data")],
      [true, false, false]
    )
    assert.deepStrictEqual([groq.files?.life, groq.files?.list(null).path], [null, "/files"])
    assert.isNotNull(groq.batches)
    for (const { batches, files, fineTuning } of [deepseek, fireworks, ollama, vllm]) {
      assert.deepStrictEqual([files, batches, fineTuning], [null, null, null])
    }
    assert.isNotNull(litellm.files)
  })

  it("are spoken to as OpenAI is, and have images within calls where they understand them", () => {
    for (const { capabilities, chatCompletion } of [deepseek, fireworks, groq, ollama, vllm]) {
      assert.isNotNull(chatCompletion)
      assert.deepStrictEqual(capabilities.chat.reference, [])
    }
    const hasImages = [fireworks, groq, ollama, vllm, deepseek].map(
      ({ capabilities }) => ruleFor(capabilities.chat.inline, "image/png") !== undefined
    )
    assert.deepStrictEqual(hasImages, [true, true, true, true, false])
  })
})
