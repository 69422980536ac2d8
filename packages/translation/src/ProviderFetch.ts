/** The `fetch` that a model's code is given: its requests become calls of the account, and go out nowhere else. */
import * as Bytes from "@omnifile/core/Bytes"
import { header, type TransportResponse } from "@omnifile/core/HttpTransport"
import type { ProviderCall } from "@omnifile/core/Provider"

/** What models take for the provider's address. Nothing is sent there. */
export const origin = "https://provider.invalid"

/** What models take for a key. It is in no call. */
export const key = "none"

/** Headers that are the account's, or tell of the code in between. */
const dropped = new Set(["authorization", "x-api-key", "x-goog-api-key", "user-agent", "x-goog-api-client"])

const encoder = new TextEncoder()

/** A model's request, as far as it is not the account's. */
interface Asked {
  readonly path: string
  readonly body: string
}

const askedOf = (input: string | URL | Request, init: RequestInit | undefined): Asked => {
  const address = typeof input === "string" ? input : input instanceof URL ? input.href : input.url
  if (!address.startsWith(`${origin}/`)) throw new TypeError("A model asked for an address other than its provider's.")
  const body = init?.body
  if (typeof body !== "string") throw new TypeError("A model's request has no JSON body.")
  return { path: address.slice(origin.length), body }
}

const callOf = (name: string, input: string | URL | Request, init: RequestInit | undefined): ProviderCall => {
  const { body, path } = askedOf(input, init)
  const headers = Object.fromEntries([...new Headers(init?.headers)].filter(([name]) => !dropped.has(name)))
  return { name, method: "POST", path, headers, body: encoder.encode(body), idempotent: false }
}

const readable = (response: TransportResponse): ReadableStream<Uint8Array> => {
  const iterator = response.body[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const next = await iterator.next()
        if (next.done === true) controller.close()
        else controller.enqueue(next.value)
      },
      cancel: response.cancel
    },
    // Nothing is read that nobody waits for.
    { highWaterMark: 0 }
  )
}

const webResponse = (response: TransportResponse): Response =>
  new Response(response.complete === null ? readable(response) : new Uint8Array(response.complete), {
    status: response.status,
    headers: { "content-type": header(response, "content-type") ?? "application/json" }
  })

/** Sends what a model asks for. The promise is rejected with what `send` is rejected with. */
export const sending =
  (name: string, send: (call: ProviderCall) => Promise<TransportResponse>): typeof fetch =>
  async (input, init) =>
    webResponse(await send(callOf(name, input, init)))

/**
 * Thrown in the place of an answer: only the request was wanted. No `Error`, since nobody looks at the trace of the stack,
 * which would cost more than making the request.
 */
export class Captured {
  readonly asked: Asked

  constructor(asked: Asked) {
    this.asked = asked
  }
}

export const capturing: typeof fetch = async (input, init) => {
  throw new Captured(askedOf(input, init))
}

const jsonHeaders = new Headers({ "content-type": "application/json" })

/** Reads one chunk. */
const readerOf = (
  chunk: Uint8Array
): Pick<ReadableStreamDefaultReader<Uint8Array>, "cancel" | "read" | "releaseLock"> => {
  let isRead = false
  return {
    read: async () => {
      if (isRead) return { done: true, value: undefined }
      isRead = true
      return { done: false, value: chunk }
    },
    cancel: async () => {},
    releaseLock: () => {}
  }
}

/**
 * A successful answer with as much of a `Response` as models read of one. A real one for each line of a batch, and a real
 * stream, would cost as much as all that is done with it.
 */
const bareResponse = (text: string): Response => {
  const stream: Pick<ReadableStream<Uint8Array>, "cancel"> & { readonly getReader: () => unknown } = {
    getReader: () => readerOf(encoder.encode(text)),
    cancel: async () => {}
  }
  const response: Pick<Response, "body" | "headers" | "json" | "ok" | "status" | "statusText" | "text"> = {
    ok: true,
    status: 200,
    statusText: "OK",
    headers: jsonHeaders,
    body: stream as ReadableStream<Uint8Array<ArrayBuffer>>,
    text: async () => text,
    json: async () => JSON.parse(text) as unknown
  }
  return response as Response
}

/** Answers whatever is asked for with the same. */
export class Answering {
  answer = ""
  readonly fetch: typeof fetch = async () => bareResponse(this.answer)
}

/** A whole answer in memory. */
export const jsonResponse = (status: number, body: unknown): TransportResponse => {
  const complete = encoder.encode(JSON.stringify(body))
  return {
    status,
    headers: { "content-type": "application/json", "content-length": String(complete.length) },
    complete,
    body: Bytes.fromArray(complete),
    cancel: () => {}
  }
}
