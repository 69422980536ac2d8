/**
 * What a host's own handler hands back, as the answer of a provider: the handler may call the provider as it likes,
 * with `fetch`, an official client or anything else, and hand on what it got.
 */
import * as Bytes from "./Bytes.ts"
import type { TransportResponse } from "./HttpTransport.ts"

/** What the events of a stream look like. */
export type Wire = "chat" | "responses" | "messages"

/** An answer in its parts. Without `headers` a body that is no text or bytes is JSON. */
export interface Parts {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: unknown
}

/**
 * - a `Response`, as from `fetch` or from `.asResponse()` of an official client
 * - an answer in its parts
 * - a stream: bytes and text are passed on as they come, objects as server-sent events
 * - any other object: the answer itself, as JSON
 */
export type HostAnswer = Response | Parts | AsyncIterable<Uint8Array | string | object> | object

const encoder = new TextEncoder()

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const isIterable = (value: unknown): value is AsyncIterable<unknown> =>
  isObject(value) && typeof value[Symbol.asyncIterator as unknown as string] === "function"

/** By its shape: there may be several classes of that name. */
const isResponse = (value: unknown): value is Response =>
  isObject(value) && typeof value["status"] === "number" && typeof value["arrayBuffer"] === "function"

const isParts = (value: object): value is Parts =>
  "status" in value && typeof value.status === "number" && ("body" in value || "headers" in value)

const nothing = (): void => {}

const whole = (status: number, headers: Readonly<Record<string, string>>, bytes: Uint8Array): TransportResponse => ({
  status,
  headers,
  complete: bytes,
  body: Bytes.fromArray(bytes),
  cancel: nothing
})

/** A body whose end is its own, or that of who gives it up. */
const streamed = (
  status: number,
  headers: Readonly<Record<string, string>>,
  iterator: AsyncIterator<Uint8Array>
): TransportResponse => {
  let ended = false
  const cancel = (): void => {
    if (ended) return
    ended = true
    // It is nobody's concern how a stream ends that nobody reads.
    void Promise.resolve(iterator.return?.()).catch(nothing)
  }
  return {
    status,
    headers,
    complete: null,
    cancel,
    body: {
      async *[Symbol.asyncIterator]() {
        try {
          for (;;) {
            const next = await iterator.next()
            if (next.done === true) {
              ended = true
              return
            }
            yield next.value
          }
        } catch (cause) {
          ended = true
          throw cause
        } finally {
          cancel()
        }
      }
    }
  }
}

/** One server-sent event. Names come from the object itself, where the wire has them. */
const eventOf = (event: object, wire: Wire): string => {
  const name = wire !== "chat" && "type" in event && typeof event.type === "string" ? `event: ${event.type}\n` : ""
  return `${name}data: ${JSON.stringify(event)}\n\n`
}

async function* written(source: AsyncIterator<unknown>, wire: Wire): AsyncGenerator<Uint8Array, void, void> {
  let events = false
  let ended = false
  try {
    for (;;) {
      const next = await source.next()
      if (next.done === true) break
      const item = next.value
      if (item instanceof Uint8Array) yield item
      else if (typeof item === "string") yield encoder.encode(item)
      else if (isObject(item)) {
        events = true
        yield encoder.encode(eventOf(item, wire))
      } else throw new TypeError(`A stream of events cannot hold a value of type ${typeof item}.`)
    }
    ended = true
    // Objects are what official clients have parsed, and those keep the closing event to themselves.
    if (events && wire === "chat") yield encoder.encode("data: [DONE]\n\n")
  } finally {
    if (!ended) await source.return?.()
  }
}

/** The same, when its first chunk is there: until then a failure is one of the call, and not of its answer. */
const begun = async (bytes: AsyncIterator<Uint8Array>): Promise<AsyncIterator<Uint8Array>> => {
  let first: IteratorResult<Uint8Array> | undefined = await bytes.next()
  return {
    next: () => {
      const held = first
      first = undefined
      return held === undefined ? bytes.next() : Promise.resolve(held)
    },
    return: () => bytes.return?.() ?? Promise.resolve({ done: true, value: undefined })
  }
}

const ofIterable = async (
  status: number,
  headers: Readonly<Record<string, string>>,
  source: AsyncIterable<unknown>,
  wire: Wire
): Promise<TransportResponse> => streamed(status, headers, await begun(written(source[Symbol.asyncIterator](), wire)))

const lowerCase = (headers: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/** Without what was true of the body on the way here only: `fetch` has decoded it. */
const decodedHeaders = (headers: Headers): Record<string, string> => {
  const kept: Record<string, string> = {}
  headers.forEach((value, name) => {
    if (name !== "content-encoding" && name !== "content-length" && name !== "transfer-encoding") kept[name] = value
  })
  return kept
}

const json = { "content-type": "application/json" }
const eventStream = { "content-type": "text/event-stream; charset=utf-8" }

const ofParts = async ({ body, headers, status }: Parts, stream: boolean, wire: Wire): Promise<TransportResponse> => {
  const { "content-length": _length, ...given } = lowerCase(headers)
  if (body === undefined || body === null) return whole(status, given, new Uint8Array(0))
  if (typeof body === "string") return whole(status, { ...json, ...given }, encoder.encode(body))
  if (body instanceof Uint8Array) return whole(status, { ...json, ...given }, body)
  if (isIterable(body)) return ofIterable(status, { ...(stream ? eventStream : json), ...given }, body, wire)
  return whole(status, { ...json, ...given }, encoder.encode(JSON.stringify(body)))
}

/**
 * The answer that a handler's result stands for. `stream` is whether the client asked for events. A stream is an
 * answer once its first part is there; rejects with what it throws until then, and with a `TypeError` for a result
 * that is no answer.
 */
export const toResponse = async (result: unknown, stream: boolean, wire: Wire): Promise<TransportResponse> => {
  if (isResponse(result)) {
    const { body, headers, status } = result
    const kept = decodedHeaders(headers)
    if (body === null) return whole(status, kept, new Uint8Array(0))
    // A web stream is iterable wherever there are servers.
    const chunks = body as unknown as AsyncIterable<Uint8Array>
    return streamed(status, kept, chunks[Symbol.asyncIterator]())
  }
  if (result instanceof Uint8Array) return whole(200, json, result)
  if (isIterable(result)) return ofIterable(200, stream ? eventStream : json, result, wire)
  if (!isObject(result) || Array.isArray(result)) {
    throw new TypeError("The handler must answer with a Response, an object or a stream.")
  }
  return isParts(result) ? ofParts(result, stream, wire) : whole(200, json, encoder.encode(JSON.stringify(result)))
}
