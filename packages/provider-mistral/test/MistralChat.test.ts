import { assert, describe, it } from "@effect/vitest"
import * as BodyPieces from "@omnifile/core/BodyPieces"
import * as Bytes from "@omnifile/core/Bytes"
import type { RequestBody } from "@omnifile/core/HttpTransport"
import type { JsonObject } from "@omnifile/core/Json"
import * as MistralChat from "../src/MistralChat.ts"

const encoder = new TextEncoder()

const textOf = async (body: RequestBody): Promise<string> =>
  new TextDecoder().decode(body instanceof Uint8Array ? body : await Bytes.collect(body.bytes))

const sent = async (body: JsonObject): Promise<unknown> =>
  JSON.parse(await textOf(MistralChat.bodyOf(encoder.encode(JSON.stringify(body)))))

describe("a chat completion", () => {
  it("has Mistral's names for what Mistral does, and nothing that only OpenAI knows", async () => {
    const said = { model: "m", messages: [{ role: "user", content: "Hi" }], temperature: 0.5, stream: true }
    assert.deepStrictEqual(
      await sent({
        ...said,
        max_completion_tokens: 9,
        max_tokens: 100,
        seed: 7,
        user: "u",
        store: false,
        verbosity: "low",
        safety_identifier: "s",
        stream_options: { include_usage: true }
      }),
      { ...said, max_tokens: 9, random_seed: 7 }
    )
    assert.deepStrictEqual(await sent({ ...said, max_tokens: 5, max_completion_tokens: null, seed: null }), {
      ...said,
      max_tokens: 5
    })
  })

  it("still asks for what Mistral does not do, so that it is refused", async () => {
    const body = { model: "m", messages: [], logit_bias: { "1": 2 }, user: "u" }
    assert.deepStrictEqual(await sent(body), { model: "m", messages: [], logit_bias: { "1": 2 } })
  })

  it("has Mistral's roles, and of messages of other models what Mistral reads", async () => {
    const call = { id: "call12345", type: "function", function: { name: "f", arguments: "{}" } }
    const messages = [
      { role: "developer", content: "Be brief." },
      { role: "user", content: "Hi", name: "bob" },
      { role: "assistant", content: null, refusal: null, annotations: [], audio: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "call12345", name: "f", content: "1" }
    ]
    assert.deepStrictEqual(await sent({ model: "m", messages }), {
      model: "m",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hi" },
        { role: "assistant", content: null, tool_calls: [call] },
        { role: "tool", tool_call_id: "call12345", name: "f", content: "1" }
      ]
    })
  })

  it("has content within it as Mistral's parts", async () => {
    const content = [
      { type: "text", text: "Read." },
      { type: "file", file_id: "uuid" },
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0=" } },
      { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }
    ]
    assert.deepStrictEqual(await sent({ model: "m", messages: [{ role: "user", content }] }), {
      model: "m",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "Read." },
            { type: "file", file_id: "uuid" },
            { type: "document_url", document_url: "data:application/pdf;base64,JVBERi0=", document_name: "a.pdf" },
            { type: "input_audio", input_audio: "AAAA" }
          ]
        }
      ]
    })
  })

  it("is not written anew without need", async () => {
    const plain = encoder.encode('{ "model": "m", "messages": [{ "role": "user", "content": "my seed, my user" }] }')
    assert.strictEqual(MistralChat.bodyOf(plain), plain)
    const broken = encoder.encode('{"seed": 1')
    assert.strictEqual(MistralChat.bodyOf(broken), broken)
  })

  it("is read where it is in pieces", async () => {
    const pieces = ['{"model":"m","mes', 'sages":[],"se', 'ed":1}'].map((text) => encoder.encode(text))
    const bytes = new Bytes.InMemory(pieces)
    const body = MistralChat.bodyOf({ bytes, length: bytes.length })
    assert.deepStrictEqual(JSON.parse(await textOf(body)), { model: "m", messages: [], random_seed: 1 })
  })

  it("is read around the content of files, which is not", async () => {
    const streamed = (text: string) => {
      const bytes = encoder.encode(text)
      return { length: bytes.length, bytes: Bytes.inSequence([Bytes.fromArray(bytes)]) }
    }
    const pieces = [
      encoder.encode(
        '{"max_completion_tokens":9,"messages":[{"role":"developer","content":"ü"},{"role":"user","content":[' +
          '{"type":"image_url","image_url":{"url":"data:image/png;base64,'
      ),
      streamed("UE5H"),
      encoder.encode('"}},{"type":"file","file":{"file_data":"data:application/pdf;base64,'),
      streamed("JVBERi0="),
      encoder.encode('","filename":"a.pdf"}}]}],"seed":7,"user":"u"}')
    ]
    const body = MistralChat.bodyOf(BodyPieces.body(pieces))
    const text = await textOf(body)
    assert.strictEqual(body.length, encoder.encode(text).length)
    assert.deepStrictEqual(JSON.parse(text), {
      max_tokens: 9,
      messages: [
        { role: "system", content: "ü" },
        {
          role: "user",
          content: [
            { type: "image_url", image_url: { url: "data:image/png;base64,UE5H" } },
            { type: "document_url", document_url: "data:application/pdf;base64,JVBERi0=", document_name: "a.pdf" }
          ]
        }
      ],
      random_seed: 7
    })
    const plain = BodyPieces.body([encoder.encode('{"messages":["'), streamed("UE5H"), encoder.encode('"]}')])
    assert.strictEqual(MistralChat.bodyOf(plain), plain)
  })
})
