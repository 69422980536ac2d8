/** The same file in chat on four wires of an upstream that was not written here. */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import * as Aimock from "@omnifile/testkit/Aimock"
import * as Vendor from "../support/vendor.ts"

const pdf = "%PDF-1.7\nA report.\n"

/** aimock keeps files of OpenAI's wire alone: on the others they go within the call. */
const wires = [
  { provider: "openai", model: "gpt-4o", base: "/v1", path: "/v1/chat/completions", files: "auto" },
  { provider: "azure", model: "gpt-4o", base: "/openai/v1", path: "/openai/v1/chat/completions", files: "auto" },
  { provider: "anthropic", model: "claude-sonnet-4-5", base: "", path: "/v1/messages", files: "inline" },
  { provider: "gemini", model: "gemini-2.5-flash", base: "", path: "/v1beta/models/gemini-2.5-flash:", files: "inline" }
] as const

describe.each(wires)("aimock as $provider", ({ base, files, model, path, provider }) => {
  const start = async () => {
    const upstream = await Aimock.start({ answer: "Read it." })
    const baseUrl = upstream.baseUrl.replace(/\/v1$/, base)
    const vendor = await Vendor.make(upstream, { provider, model, baseUrl, files })
    onTestFinished(vendor.close)
    return { ...vendor, upstream }
  }

  it("answers with the file, whole, streamed and as a response", async () => {
    const { client, upload, upstream } = await start()
    const { id } = await upload(pdf, "user_data", "report.pdf")
    const ask = {
      model: "model",
      messages: [
        {
          role: "user" as const,
          content: [
            { type: "text" as const, text: "What is it?" },
            { type: "file" as const, file: { file_id: id } }
          ]
        }
      ]
    }
    const whole = await client.chat.completions.create(ask)
    assert.strictEqual(whole.choices[0]?.message.content, "Read it.")
    let streamed = ""
    for await (const { choices } of await client.chat.completions.create({ ...ask, stream: true })) {
      streamed += choices[0]?.delta.content ?? ""
    }
    assert.strictEqual(streamed, "Read it.")
    const response = await client.responses.create({
      model: "model",
      input: [{ role: "user", content: [{ type: "input_file", file_id: id }] }]
    })
    assert.strictEqual(response.output_text, "Read it.")

    const calls = upstream.requests().filter((request) => request.path.startsWith(path))
    assert.isAtLeast(calls.length, 2)
    for (const { body } of calls) assert.notInclude(JSON.stringify(body), id)
    const uploads = upstream
      .requests()
      .filter((request) => request.method === "POST" && request.path.endsWith("/files"))
    assert.strictEqual(uploads.length, files === "inline" ? 0 : 1)
    // What aimock's journal has of other wires is what it understood of a call: not its files.
    if (files === "auto") for (const { body } of calls) assert.include(JSON.stringify(body), '"file_id":"file-')
  })
})
