/** What clients do, in one line each. */
import * as FormBody from "@omnifile/testkit/host/FormBody"
import OpenAI, { toFile } from "openai"
import { assert } from "vitest"

export interface Upload {
  readonly name?: string
  /** For `target_model_names`. */
  readonly models?: string
  readonly purpose?: OpenAI.FilePurpose
  readonly idempotencyKey?: string
}

export const upload = async (
  client: OpenAI,
  content: string | Uint8Array,
  { idempotencyKey, models, name = "notes.txt", purpose = "user_data" }: Upload = {}
): Promise<OpenAI.FileObject> => {
  const file = await toFile(Buffer.from(content), name)
  const fields = models === undefined ? {} : { target_model_names: models }
  const headers = idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }
  return client.files.create({ file, purpose, ...fields }, { headers })
}

export const messagesOf = (...ids: ReadonlyArray<string>): Array<OpenAI.ChatCompletionMessageParam> => [
  {
    role: "user",
    content: [
      ...ids.map((id) => ({ type: "file" as const, file: { file_id: id } })),
      { type: "text" as const, text: "What is in it?" }
    ]
  }
]

/** The text of the answer. Emulated providers name themselves in it, and each file that they were given. */
export const ask = async (client: OpenAI, model: string, ...ids: ReadonlyArray<string>): Promise<string> => {
  const { choices } = await client.chat.completions.create({ model, messages: messagesOf(...ids) })
  return choices[0]?.message.content ?? ""
}

export const contentOf = async (client: OpenAI, id: string): Promise<Buffer> =>
  Buffer.from(await (await client.files.content(id)).arrayBuffer())

export const idsOf = async (files: AsyncIterable<OpenAI.FileObject>): Promise<ReadonlyArray<string>> => {
  const ids: Array<string> = []
  for await (const { id } of files) ids.push(id)
  return ids
}

/** What the server answers instead of success. */
export interface Refusal {
  readonly status: number
  readonly headers: Headers
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | null
}

/** Asserts that an error body has OpenAI's shape. */
const checked = (status: number, headers: Headers, body: unknown): Refusal => {
  const error = body as { readonly message: string; readonly type: string; param: string | null; code: string | null }
  assert.hasAllKeys(error, ["message", "type", "param", "code"], JSON.stringify(body))
  assert.isString(error.message)
  assert.isString(error.type)
  assert.isTrue(error.param === null || typeof error.param === "string")
  assert.isTrue(error.code === null || typeof error.code === "string")
  assert.match(headers.get("x-request-id") ?? "", /./)
  return { status, headers, ...error }
}

/** The refusal that a call of the official client ends with; fails when it succeeds. */
export const refusal = async (call: Promise<unknown>): Promise<Refusal> => {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error
  )
  assert.instanceOf(outcome, OpenAI.APIError, String(outcome))
  const { error, headers, status } = outcome
  return checked(status as number, headers as Headers, error)
}

/** The refusal that an answer is; fails when it is none. */
export const refusalOf = async (answer: Response): Promise<Refusal> => {
  const text = await answer.text()
  assert.isFalse(answer.ok, text)
  return checked(answer.status, answer.headers, (JSON.parse(text) as { readonly error: unknown }).error)
}

/** A body for `fetch` that is sent in chunks. */
export const streamOf = (chunks: AsyncIterable<Uint8Array>): ReadableStream => {
  const iterator = chunks[Symbol.asyncIterator]()
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await iterator.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    }
  })
}

async function* inChunks(body: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size)
}

/** A form for `fetch`, with its length or in chunks. */
export const form = (
  parts: ReadonlyArray<FormBody.Part>,
  framing: "with its length" | "in chunks" = "with its length"
) => {
  const body = new Uint8Array(FormBody.encode(...parts))
  return {
    method: "POST",
    headers: { "content-type": FormBody.contentType },
    body: framing === "in chunks" ? streamOf(inChunks(body, 9_973)) : body,
    duplex: "half"
  } as const
}
