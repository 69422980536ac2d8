/**
 * The provider: OpenAI's wire with as little behind it as can be. Uploads are counted and dropped, each account
 * at a rate of its own if it is given one.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { attach } from "../harness/Control.ts"
import { listen } from "../harness/Loopback.ts"

export interface StreamShape {
  readonly events: number
  /** Between two events of a stream, in milliseconds. */
  readonly gap: number
}

export type UpstreamCommands = {
  /** Bytes a second for each account that has a limit; the others take what comes. */
  readonly limitUploads: (rates: Readonly<Record<string, number>>) => void
  readonly shapeStreams: (shape: StreamShape) => void
}

let rates: Readonly<Record<string, number>> = {}
let shape: StreamShape = { events: 200, gap: 1 }
let files = 0

const json = (response: ServerResponse, body: string): void => {
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body)
}

const completion = JSON.stringify({
  id: "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
  object: "chat.completion",
  created: 1_741_570_283,
  model: "gpt-4o-mini-2024-07-18",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "The document describes the terms of a lease.", refusal: null },
      logprobs: null,
      finish_reason: "stop"
    }
  ],
  usage: { prompt_tokens: 1117, completion_tokens: 46, total_tokens: 1163 },
  system_fingerprint: "fp_fc9f1d7035"
})

/** About 120 bytes. `sent` is the machine's monotonic clock, so that a client on it sees how long the event took. */
const event = (): string =>
  `data: {"id":"chatcmpl-B9MHDbslf","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" the"}}],` +
  `"sent":${process.hrtime.bigint() / 1000n}}\n\n`

const stream = (response: ServerResponse): void => {
  const { events, gap } = shape
  response.writeHead(200, { "content-type": "text/event-stream" })
  let written = 0
  const next = (): void => {
    if (response.destroyed) return
    if (written++ === events) return void response.end("data: [DONE]\n\n")
    response.write(event())
    setTimeout(next, gap)
  }
  next()
}

const complete = (request: IncomingMessage, response: ServerResponse): void => {
  let streams: boolean | undefined
  request.on("data", (chunk: Buffer) => {
    // The benchmark writes the field at the beginning.
    streams ??= chunk.subarray(0, 200).includes('"stream":true')
  })
  request.on("end", () => (streams === true ? stream(response) : json(response, completion)))
}

const receive = (account: string, request: IncomingMessage, response: ServerResponse): void => {
  const rate = rates[account]
  const started = performance.now()
  let bytes = 0
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length
    if (rate === undefined) return
    const ahead = (bytes / rate) * 1000 - (performance.now() - started)
    if (ahead < 5) return
    request.pause()
    setTimeout(() => request.resume(), ahead)
  })
  request.on("end", () => {
    const id = `file-${account}${String(++files).padStart(18, "0")}`
    json(response, JSON.stringify({ id, object: "file", bytes, created_at: 1_741_570_283, status: "processed" }))
  })
}

/** Paths are `/{account}/v1/...`. */
const server = createServer((request, response) => {
  const [, account = "", , resource] = (request.url ?? "").split("/", 4)
  if (resource === "chat") complete(request, response)
  else if (request.method === "POST") receive(account, request, response)
  else if (request.method === "DELETE") json(response, JSON.stringify({ id: "file", object: "file", deleted: true }))
  else json(response, JSON.stringify({ object: "list", data: [], has_more: false }))
})
// Long enough that no connection ends between two rounds.
server.keepAliveTimeout = 300_000

attach<UpstreamCommands>(await listen(server), {
  limitUploads: (given) => void (rates = given),
  shapeStreams: (given) => void (shape = given)
})
