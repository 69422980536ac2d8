/** Servers that answer in the documented wires of Vertex AI and Bedrock, and say which content was within a call. */
import { EventStreamCodec } from "@smithy/eventstream-codec"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import { createHash } from "node:crypto"
import { buffer } from "node:stream/consumers"
import type { IncomingHttpHeaders } from "node:http"

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Cloud {
  readonly baseUrl: string
  readonly received: Array<Received>
  readonly close: () => Promise<void>
}

interface Answer {
  readonly status?: number
  readonly type: string
  readonly body: Uint8Array | string
}

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

const seen = (body: string): string => {
  const content = Buffer.from(inlined.exec(body)?.[1] ?? "", "base64")
  return `${content.length} bytes, sha256 ${createHash("sha256").update(content).digest("hex")}`
}

/** `prefix` is what comes before the paths of the wire. */
export const start = async (wire: Wire, prefix = ""): Promise<Cloud> => {
  const received: Array<Received> = []
  const server = await HostSuite.listen((request, response) => {
    void buffer(request).then((bytes) => {
      const body = bytes.toString()
      const path = decodeURIComponent(request.url ?? "")
      received.push({ path, headers: request.headers, body })
      const end = Object.keys(wire)
        .toSorted((a, b) => b.length - a.length)
        .find((end) => path.endsWith(end))
      const answer = end === undefined ? undefined : wire[end]?.(seen(body))
      response.writeHead(answer?.status ?? (answer === undefined ? 404 : 200), {
        "content-type": answer?.type ?? "text/plain"
      })
      response.end(answer?.body ?? "")
    })
  })
  return { baseUrl: `${server.url}${prefix}`, received, close: server.stop }
}
