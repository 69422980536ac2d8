/** What the tests of the OpenAI emulator share. */
import { assert, onTestFinished } from "@effect/vitest"
import { createHash } from "node:crypto"
import type { Readable } from "node:stream"
import OpenAI, { APIError, toFile } from "openai"
import { request as undici } from "undici"
import * as OpenAIEmulator from "../../src/OpenAIEmulator.ts"

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** An emulator that lives as long as the test, and the official SDK in front of it. */
export const start = async (
  options: Partial<OpenAIEmulator.EmulatorOptions> = {}
): Promise<{ emulator: OpenAIEmulator.Emulator; client: OpenAI }> => {
  const emulator = await OpenAIEmulator.start({ accounts: [{ name: "alpha", key: "sk-alpha" }], ...options })
  onTestFinished(() => emulator.close())
  return { emulator, client: clientOf(emulator) }
}

export const clientOf = (emulator: { readonly baseUrl: string }, key = "sk-alpha", maxRetries = 0): OpenAI =>
  new OpenAI({ apiKey: key, baseURL: emulator.baseUrl, maxRetries })

export const upload = async (client: OpenAI, name = "notes.txt", text = "hello") =>
  client.files.create({ purpose: "user_data", file: await toFile(Buffer.from(text), name) })

/** The error that the call fails with; the SDK's class is judged by the caller. */
export const failure = async (call: PromiseLike<unknown>): Promise<APIError> => {
  try {
    await call
  } catch (error) {
    assert.instanceOf(error, APIError)
    return error
  }
  return assert.fail("the call succeeded")
}

export interface Part {
  readonly name: string
  readonly filename?: string
  readonly type?: string
  readonly body: Uint8Array
}

export const boundary = "----emulator-test-boundary"

export const multipart = (parts: ReadonlyArray<Part>, end = `--${boundary}--\r\n`): Buffer =>
  Buffer.concat([
    ...parts.flatMap((part) => [
      Buffer.from(
        `--${boundary}\r\ncontent-disposition: form-data; name="${part.name}"` +
          (part.filename === undefined ? "" : `; filename="${part.filename}"`) +
          (part.type === undefined ? "" : `\r\ncontent-type: ${part.type}`) +
          "\r\n\r\n"
      ),
      part.body,
      Buffer.from("\r\n")
    ]),
    Buffer.from(end)
  ])

export const field = (name: string, value: string): Part => ({ name, body: Buffer.from(value) })
export const file = (body: Uint8Array, filename = "a.bin"): Part => ({
  name: "file",
  filename,
  type: "text/plain",
  body
})

export const post = async (
  emulator: OpenAIEmulator.Emulator,
  body: Buffer | Readable,
  contentType = `multipart/form-data; boundary=${boundary}`
) => {
  const response = await undici(`${emulator.baseUrl}/files`, {
    method: "POST",
    headers: { authorization: "Bearer sk-alpha", "content-type": contentType },
    body
  })
  return { status: response.statusCode, body: (await response.body.json()) as Record<string, never> }
}

export const ask = (fileId: string): OpenAI.ChatCompletionMessageParam[] => [
  {
    role: "user",
    content: [
      { type: "text", text: "What is in it?" },
      { type: "file", file: { file_id: fileId } }
    ]
  }
]
