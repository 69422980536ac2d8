/** A host passes calls and streams on as they happen, and tells the provider when the client has gone. */
import { assert, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import type OpenAI from "openai"
import type { JournalEntry } from "../OpenAIEmulator.ts"
import { errorOf, failure, hungUp, refused, upload } from "./checks.ts"
import { brokenModel, modelOf } from "./Installation.ts"
import type { RunningHost } from "./RunningHost.ts"

type Messages = OpenAI.ChatCompletionCreateParams["messages"]

const say = (text: string): Messages => [{ role: "user", content: text }]

const askAbout = (file: string, text: string): Messages => [
  {
    role: "user",
    content: [
      { type: "file", file: { file_id: file } },
      { type: "text", text }
    ]
  }
]

/** The provider's view of the call whose prompt is this. */
const arrived = ({ emulator }: RunningHost, prompt: string): Promise<JournalEntry> =>
  emulator.waitFor(({ body, route }) => route === "chat" && body?.includes(prompt) === true)

const answers = (host: () => RunningHost): void => {
  it("answers a call that names a file", async () => {
    const { openai } = host()
    const { id } = await upload(host(), "a file to talk about")
    const answer = await openai.chat.completions.create({
      model: modelOf("beta"),
      messages: askAbout(id, 'Grüße, 😀 & "quotes"')
    })
    const text = answer.choices[0]?.message.content ?? ""
    assert.include(text, "Answer from beta (model provider-beta).")
    assert.include(text, "File 1: notes.txt, 20 bytes")
    assert.include(text, 'Prompt: Grüße, 😀 & "quotes"')
  })

  it("streams the same answer as events", async () => {
    const { call, openai } = host()
    const { id } = await upload(host(), "a file to talk about")
    const request = { model: modelOf("alpha"), messages: askAbout(id, "and tell me") }
    const whole = await openai.chat.completions.create(request)
    let text = ""
    for await (const { choices } of await openai.chat.completions.create({ ...request, stream: true })) {
      text += choices[0]?.delta.content ?? ""
    }
    assert.strictEqual(text, whole.choices[0]?.message.content)

    const raw = await call("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", "accept-encoding": "gzip, deflate, br" },
      body: JSON.stringify({ ...request, stream: true })
    })
    assert.match(String(raw.headers["content-type"]), /^text\/event-stream/)
    assert.strictEqual(raw.headers["cache-control"], "no-cache, no-transform")
    assert.strictEqual(raw.headers["x-accel-buffering"], "no")
    assert.isUndefined(raw.headers["content-encoding"])
    assert.match(await raw.body.text(), /^data: \{.*\n\ndata: \[DONE\]\n\n$/s)
  })

  it("answers a defect in OpenAI's shape, and goes on", async () => {
    const { call, openai } = host()
    for (const stream of [false, true]) {
      const answer = await call("/v1/chat/completions", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: brokenModel, messages: say("hello"), stream })
      })
      const error = await refused(answer, 500)
      assert.strictEqual(error.type, "server_error")
      assert.notInclude(error.message, "this hook is broken")
    }
    await openai.chat.completions.create({ model: modelOf("alpha"), messages: say("hello again") })
  })
}

const streams = (host: () => RunningHost): void => {
  it("delivers events as they come, and a client that leaves between two ends the provider's stream", async () => {
    const { openai } = host()
    const prompt = `endless ${randomUUID()}`
    const stream = await openai.chat.completions.create({
      model: modelOf("ticker"),
      messages: say(prompt),
      stream: true
    })
    let events = 0
    for await (const { choices } of stream) {
      if (choices[0]?.delta.content) events += 1
      if (events === 3) break
    }
    const entry = await arrived(host(), prompt)
    // It would go on for hours: whoever collects it delivers nothing.
    assert.isFalse(entry.cut)
    await hungUp(host(), entry)
  })

  it("breaks a stream that the provider has broken", async () => {
    const { call, emulator } = host()
    const fault = emulator.fault({ account: "alpha", route: "chat", times: 1, kind: { cutStreamAfterEvents: 2 } })
    const answer = await call("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: modelOf("alpha"), messages: say("to be broken"), stream: true })
    })
    assert.strictEqual(answer.statusCode, 200)
    let text = ""
    const read = async (): Promise<void> => {
      for await (const chunk of answer.body) text += String(chunk)
    }
    await failure(read())
    assert.match(text, /^data: \{/)
    assert.notInclude(text, "[DONE]")
    assert.strictEqual(fault.hits(), 1)
  })
}

const hangUps = (host: () => RunningHost): void => {
  it("a client that leaves before the answer ends the provider's call", async () => {
    const { emulator, openai } = host()
    const fault = emulator.fault({ account: "beta", route: "chat", times: 1, kind: { hang: true } })
    const prompt = `unanswered ${randomUUID()}`
    const client = new AbortController()
    const answer = openai.chat.completions.create(
      { model: modelOf("beta"), messages: say(prompt) },
      { signal: client.signal }
    )
    const entry = await arrived(host(), prompt)
    client.abort()
    await failure(answer)
    await hungUp(host(), entry)
    fault.clear()
  })

  it("passes on what the provider refuses", async () => {
    const { call } = host()
    const answer = await call("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: modelOf("alpha"), messages: [] })
    })
    const error = await refused(answer, 400)
    assert.strictEqual(error.param, "messages")
    assert.deepStrictEqual(errorOf(JSON.stringify({ error })), error)
  })
}

export const register = (host: () => RunningHost): void => {
  answers(host)
  streams(host)
  hangUps(host)
}
