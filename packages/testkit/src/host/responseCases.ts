/** A host serves responses and what is passed on like them: whole, as events while they happen, and as bytes. */
import { assert, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { toFile } from "openai"
import { hungUp, upload } from "./checks.ts"
import { modelOf } from "./Installation.ts"
import type { RunningHost } from "./RunningHost.ts"

const inputOf = (file: string, text: string) => [
  {
    role: "user" as const,
    content: [
      { type: "input_file" as const, file_id: file },
      { type: "input_text" as const, text }
    ]
  }
]

export const register = (host: () => RunningHost): void => {
  it("answers a response whole and as events, under one ID that finds it again", async () => {
    const { openai } = host()
    const { id: file } = await upload(host(), "a file to talk about")
    const request = { model: modelOf("beta"), input: inputOf(file, "Grüße, 😀") }
    const whole = await openai.responses.create(request)
    assert.include(whole.output_text, "File 1: notes.txt, 20 bytes")
    assert.include(JSON.stringify(whole.output), `"file_id":"${file}"`)
    assert.strictEqual((await openai.responses.retrieve(whole.id)).output_text, whole.output_text)

    const ids = new Set<string>()
    let text = ""
    for await (const event of await openai.responses.create({ ...request, stream: true })) {
      if ("response" in event) ids.add(event.response.id)
      if (event.type === "response.output_text.delta") text += event.delta
    }
    assert.strictEqual(text, whole.output_text)
    const [id = "", ...others] = ids
    assert.deepStrictEqual(others, [])
    await openai.responses.delete(id)
    const gone = await openai.responses.retrieve(id).catch((error: unknown) => error)
    assert.propertyVal(gone, "status", 404)
  })

  it("delivers a response's events as they come, and a client that leaves ends the provider's stream", async () => {
    const { emulator, openai } = host()
    const prompt = `endless ${randomUUID()}`
    const stream = await openai.responses.create({ model: modelOf("ticker"), input: prompt, stream: true })
    let deltas = 0
    for await (const { type } of stream) {
      if (type === "response.output_text.delta") deltas += 1
      if (deltas === 3) break
    }
    const entry = await emulator.waitFor(
      ({ body, route }) => route === "responses.create" && body?.includes(prompt) === true
    )
    assert.isFalse(entry.cut)
    await hungUp(host(), entry)
  })

  it("passes forms on with what is in them, and answers of any type", async () => {
    const { openai } = host()
    const file = await toFile(Buffer.alloc(200_000, 1), "speech.mp3")
    const { text } = await openai.audio.transcriptions.create({ file, model: modelOf("alpha") })
    assert.include(text, "alpha/provider-alpha: speech.mp3, 200000 bytes")
    const speech = await openai.audio.speech.create({ model: modelOf("alpha"), input: "hello", voice: "alloy" })
    assert.strictEqual(speech.headers.get("content-type"), "audio/mpeg")
    assert.include(Buffer.from(await speech.arrayBuffer()).toString("latin1"), "alpha/provider-alpha")
  })
}
