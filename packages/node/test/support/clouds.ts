/**
 * Servers that answer in the documented wires of Vertex AI and Bedrock, and say which content was within a call, or in the
 * object of a bucket that it names.
 */
import { EventStreamCodec } from "@smithy/eventstream-codec"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import { createHash } from "node:crypto"
import { buffer } from "node:stream/consumers"
import type { IncomingHttpHeaders } from "node:http"

export interface Received {
  readonly path: string
  /** As it came, not decoded. */
  readonly rawPath: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Cloud {
  readonly baseUrl: string
  readonly received: Array<Received>
  readonly close: () => Promise<void>
}

interface Answer {
  readonly status?: number | undefined
  readonly type: string
  readonly body: Uint8Array | string
}

/** The content of an object at an address; undefined if there is none. */
export type ReadObject = (uri: string) => Promise<Uint8Array | undefined>

/** By the end of the path of a call. The text is what the model has to say. */
type Wire = Readonly<Record<string, (text: string) => Answer>>

const json = (body: unknown): Answer => ({ type: "application/json", body: JSON.stringify(body) })
const events = (all: ReadonlyArray<object>): Answer => ({
  type: "text/event-stream",
  body: all
    .map((event) => `${"type" in event ? `event: ${event.type}\n` : ""}data: ${JSON.stringify(event)}\n\n`)
    .join("")
})

const halves = (text: string): readonly [string, string] => [text.slice(0, 10), text.slice(10)]

const usageMetadata = { promptTokenCount: 7, candidatesTokenCount: 5, totalTokenCount: 12 }
const candidate = (text: string, rest: object = {}) => ({
  candidates: [{ index: 0, content: { role: "model", parts: [{ text }] }, ...rest }]
})
const message = {
  id: "msg_vrtx_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-5",
  stop_sequence: null,
  usage: { input_tokens: 7, output_tokens: 5 }
}

/** https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest, and Claude's messages by raw predictions. */
export const vertex: Wire = {
  ":generateContent": (text) => json({ ...candidate(text, { finishReason: "STOP" }), usageMetadata }),
  ":streamGenerateContent?alt=sse": (text) => {
    const [first, second] = halves(text)
    return events([candidate(first), { ...candidate(second, { finishReason: "STOP" }), usageMetadata }])
  },
  ":rawPredict": (text) => json({ ...message, content: [{ type: "text", text }], stop_reason: "end_turn" }),
  ":streamRawPredict": (text) =>
    events([
      { type: "message_start", message: { ...message, content: [], stop_reason: null } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      ...halves(text).map((half) => ({
        type: "content_block_delta",
        index: 0,
        delta: { type: "text_delta", text: half }
      })),
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 5 } },
      { type: "message_stop" }
    ])
}

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === "string" ? bytes : Buffer.from(bytes as Uint8Array).toString()),
  (text) => Buffer.from(text)
)

/** https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html has the framing that AWS uses for all. */
const frame = (kind: "event" | "exception", name: string, payload: object): Uint8Array =>
  codec.encode({
    headers: {
      ":message-type": { type: "string", value: kind },
      [`:${kind}-type`]: { type: "string", value: name },
      ":content-type": { type: "string", value: "application/json" }
    },
    body: Buffer.from(JSON.stringify(payload))
  })

const frames = (...all: ReadonlyArray<Uint8Array>): Answer => ({
  type: "application/vnd.amazon.eventstream",
  body: Buffer.concat(all)
})

const usage = { inputTokens: 7, outputTokens: 5, totalTokens: 12 }

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and ConverseStream. */
export const bedrock: Wire = {
  "/converse": (text) =>
    json({
      output: { message: { role: "assistant", content: [{ text }] } },
      stopReason: "end_turn",
      usage,
      metrics: { latencyMs: 1 }
    }),
  "/converse-stream": (text) =>
    frames(
      frame("event", "messageStart", { role: "assistant" }),
      ...halves(text).map((half) =>
        frame("event", "contentBlockDelta", { contentBlockIndex: 0, delta: { text: half } })
      ),
      frame("event", "contentBlockStop", { contentBlockIndex: 0 }),
      frame("event", "messageStop", { stopReason: "end_turn" }),
      frame("event", "metadata", { usage, metrics: { latencyMs: 1 } })
    ),
  "busy/converse-stream": () => frames(frame("exception", "throttlingException", { message: "Too many requests." })),
  "expired/converse": () => ({ ...json({ message: "Bearer Token has expired" }), status: 403 })
}

/** Where the three wires have content in base64. */
const inlined = /"(?:data|bytes)":"([A-Za-z0-9+/]+={0,2})"/

/** Where they have an object. */
const located = /"(?:uri|fileUri)":"((?:s3|gs):[^"]+)"/

const describe = (content: Uint8Array): string =>
  `${content.length} bytes, sha256 ${createHash("sha256").update(content).digest("hex")}`

/** Undefined if the body names what is not there. */
const seen = async (body: string, read: ReadObject): Promise<string | undefined> => {
  const uri = located.exec(body)?.[1]
  if (uri === undefined) return describe(Buffer.from(inlined.exec(body)?.[1] ?? "", "base64"))
  const content = await read(uri)
  return content === undefined ? undefined : describe(content)
}

export interface Options {
  readonly read: ReadObject
  /** What is said of an object that is not there. */
  readonly missing: { readonly status: number; readonly body: unknown }
}

/** `prefix` is what comes before the paths of the wire. */
export const start = async (wire: Wire, prefix = "", options?: Options): Promise<Cloud> => {
  const received: Array<Received> = []
  const server = await HostSuite.listen((request, response) => {
    void buffer(request).then(async (bytes) => {
      const body = bytes.toString()
      const path = decodeURIComponent(request.url ?? "")
      received.push({ path, rawPath: request.url ?? "", headers: request.headers, body })
      const end = Object.keys(wire)
        .toSorted((a, b) => b.length - a.length)
        .find((end) => path.endsWith(end))
      const text = await seen(body, options?.read ?? (async () => undefined))
      const said = end === undefined || text === undefined ? undefined : wire[end]?.(text)
      const answer = text === undefined ? { ...json(options?.missing.body), status: options?.missing.status } : said
      response.writeHead(answer?.status ?? (answer === undefined ? 404 : 200), {
        "content-type": answer?.type ?? "text/plain"
      })
      response.end(answer?.body ?? "")
    })
  })
  return { baseUrl: `${server.url}${prefix}`, received, close: server.stop }
}
