/** What the cases of the host suite share. */
import { assert } from "@effect/vitest"
import type OpenAI from "openai"
import { toFile } from "openai"
import { setImmediate as nextTurn } from "node:timers/promises"
import type { Dispatcher } from "undici"
import type { JournalEntry } from "../OpenAIEmulator.ts"
import * as FormBody from "./FormBody.ts"
import type { RunningHost } from "./RunningHost.ts"

export const MiB = 1024 * 1024

/** Uploads by the official client; `fields` are those that it does not know. */
export const upload = async (
  { openai }: RunningHost,
  content: string | Uint8Array,
  fields: Readonly<Record<string, string>> = {},
  filename = "notes.txt"
): Promise<OpenAI.FileObject> => {
  const body = { file: await toFile(Buffer.from(content), filename), purpose: "user_data" as const, ...fields }
  return openai.files.create(body)
}

export interface ErrorBody {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | null
}

/** Asserts that a text is an error in OpenAI's shape, and answers it. */
export const errorOf = (text: string): ErrorBody => {
  const body: unknown = JSON.parse(text)
  assert.ok(typeof body === "object" && body !== null && "error" in body, text)
  const { error } = body as { readonly error: ErrorBody }
  assert.deepStrictEqual(Object.keys(error).sort(), ["code", "message", "param", "type"], text)
  assert.ok(typeof error.message === "string" && error.message !== "", text)
  assert.ok(typeof error.type === "string" && error.type !== "", text)
  assert.ok(error.param === null || typeof error.param === "string", text)
  assert.ok(error.code === null || typeof error.code === "string", text)
  return error
}

/** Asserts that an answer is a refusal with this status, in OpenAI's shape and with a request ID. */
export const refused = async (answer: Dispatcher.ResponseData, status: number): Promise<ErrorBody> => {
  const text = await answer.body.text()
  assert.strictEqual(answer.statusCode, status, text)
  assert.match(String(answer.headers["content-type"]), /^application\/json/)
  assert.isDefined(answer.headers["x-request-id"])
  return errorOf(text)
}

/** What a promise is rejected with. */
export const failure = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error("it succeeded")
}

/** Waits until the provider knows that nobody waits for its answer any more. */
export const hungUp = ({ emulator }: RunningHost, entry: JournalEntry): Promise<JournalEntry> =>
  emulator.waitFor((candidate) => candidate === entry && candidate.aborted)

/** Resolves with a count when it has not changed for many turns of the event loop. */
export const standstill = async (count: () => number): Promise<number> => {
  let last = count()
  for (let turns = 0; turns < 2_000; turns++) {
    await nextTurn()
    if (count() === last) continue
    last = count()
    turns = 0
  }
  return last
}

/** Content that is made while it is read. */
export interface Zeros extends AsyncIterable<Buffer> {
  /** How many bytes have been taken. */
  readonly taken: () => number
}

export const zeros = (total: number): Zeros => {
  let taken = 0
  return {
    taken: () => taken,
    async *[Symbol.asyncIterator]() {
      for (let left = total; left > 0; left -= 65_536) {
        const piece = Buffer.alloc(Math.min(left, 65_536))
        taken += piece.length
        yield piece
      }
    }
  }
}

/** Sends an upload of so many bytes, without a length. */
export const uploadZeros = (host: RunningHost, content: Zeros): Promise<Dispatcher.ResponseData> =>
  host.call("/v1/files", {
    method: "POST",
    headers: { "content-type": FormBody.contentType },
    body: FormBody.streamed([FormBody.field("purpose", "user_data")], "zeros.bin", content)
  })
