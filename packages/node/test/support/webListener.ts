import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import type { ReadableStream as NodeReadableStream } from "node:stream/web"

type WebHandler = (request: Request) => Promise<Response>

const requestOf = (incoming: IncomingMessage, signal: AbortSignal): Request => {
  const { headers, method = "GET", url = "/" } = incoming
  const hasBody = method !== "GET" && method !== "HEAD"
  return new Request(new URL(url, `http://${headers.host}`), {
    method,
    headers: Object.entries(headers).map(([name, value]) => [name, String(value)]),
    signal,
    ...(hasBody ? { body: Readable.toWeb(incoming) as ReadableStream<Uint8Array>, duplex: "half" } : {})
  })
}

const answer = async (handler: WebHandler, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
  const client = new AbortController()
  outgoing.once("close", () => client.abort())
  const response = await handler(requestOf(incoming, client.signal))
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  if (response.body === null) return void outgoing.end()
  await pipeline(Readable.fromWeb(response.body as NodeReadableStream), outgoing)
}

/** The least that a host of a web handler does: `Request` in, `Response` out, a signal for clients that leave. */
export const webListener =
  (handler: WebHandler): RequestListener =>
  (incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch(() => outgoing.destroy())
  }
