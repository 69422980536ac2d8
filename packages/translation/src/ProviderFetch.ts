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

const callOf = (name: string, input: string | URL | Request, init: RequestInit | undefined): ProviderCall => {
  const address = typeof input === "string" ? input : input instanceof URL ? input.href : input.url
  if (!address.startsWith(`${origin}/`)) throw new TypeError("A model asked for an address other than its provider's.")
  const headers = Object.fromEntries([...new Headers(init?.headers)].filter(([name]) => !dropped.has(name)))
  const body = init?.body
  if (typeof body !== "string") throw new TypeError("A model's request has no JSON body.")
  return {
    name,
    method: "POST",
    path: address.slice(origin.length),
    headers,
    body: encoder.encode(body),
    idempotent: false
  }
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

/** Thrown in the place of an answer: only the request was wanted. */
export class Captured extends Error {
  readonly call: ProviderCall

  constructor(call: ProviderCall) {
    super("The request has been captured.")
    this.call = call
  }
}

export const capturing: typeof fetch = async (input, init) => {
  throw new Captured(callOf("batches", input, init))
}

/** Answers whatever is asked for. */
export const answering =
  (answer: string): typeof fetch =>
  async () =>
    new Response(answer, { status: 200, headers: { "content-type": "application/json" } })

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
