/** Two providers' models behind a translator, and an upstream that answers as told and keeps what it was sent. */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createGoogle } from "@ai-sdk/google"
import * as Bytes from "@omnifile/core/Bytes"
import type { TranslatedRequest } from "@omnifile/core/ChatTranslator"
import type { TransportResponse } from "@omnifile/core/HttpTransport"
import { type JsonObject, parseObject } from "@omnifile/core/Json"
import type { ProviderCall } from "@omnifile/core/Provider"
import * as Translator from "../../src/Translator.ts"

export const anthropic = Translator.make({
  load:
    async () =>
    (name, { fetch, key, origin }) =>
      createAnthropic({ apiKey: key, baseURL: `${origin}/v1`, fetch })(name),
  reference: "anthropic",
  fetches: true,
  serial: { anthropic: { disableParallelToolUse: true } },
  promptsForJson: () => true
})

export const gemini = Translator.make({
  load:
    async () =>
    (name, { fetch, key, origin }) =>
      createGoogle({ apiKey: key, baseURL: `${origin}/v1beta`, fetch })(name),
  reference: "google",
  fetches: false,
  promptsForJson: (model) => model.startsWith("claude-")
})

export const request = (body: JsonObject, rest: Partial<TranslatedRequest> = {}): TranslatedRequest => ({
  wire: "chat",
  body,
  model: "claude-sonnet-4-5",
  modelName: "smart",
  files: new Map(),
  id: "0193",
  now: 1_700_000_000_500,
  ...rest
})

export interface Upstream {
  readonly send: (call: ProviderCall) => Promise<TransportResponse>
  readonly calls: Array<ProviderCall>
  /** The bodies of the calls. */
  readonly bodies: Array<JsonObject>
  cancelled: number
}

/** Chunks of any size, for as long as somebody reads. */
const upstream = (contentType: string, ...chunks: ReadonlyArray<string>): Upstream => {
  const calls: Array<ProviderCall> = []
  const bodies: Array<JsonObject> = []
  const made: Upstream = {
    calls,
    bodies,
    cancelled: 0,
    send: async (call) => {
      calls.push(call)
      const body = call.body instanceof Uint8Array ? parseObject(new TextDecoder().decode(call.body)) : undefined
      bodies.push(body ?? {})
      return {
        status: 200,
        headers: { "content-type": contentType },
        complete: null,
        body: Bytes.fromArray(...chunks.map((chunk) => new TextEncoder().encode(chunk))),
        cancel: () => {
          made.cancelled++
        }
      }
    }
  }
  return made
}

export const json = (body: unknown): Upstream => upstream("application/json", JSON.stringify(body))

/** Anthropic names its events; Gemini does not. */
export const events = (...data: ReadonlyArray<JsonObject>): ReadonlyArray<string> =>
  data.map((event) => {
    const name = typeof event["type"] === "string" ? `event: ${event["type"]}\n` : ""
    return `${name}data: ${JSON.stringify(event)}\n\n`
  })

export const sse = (...data: ReadonlyArray<JsonObject>): Upstream => upstream("text/event-stream", ...events(...data))

export const textOf = async (response: TransportResponse): Promise<string> =>
  new TextDecoder().decode(await Bytes.collect(response.body))

export const bodyOf = async (response: TransportResponse): Promise<JsonObject> =>
  parseObject(await textOf(response)) ?? {}

/** The data of a stream, without its end mark. */
export const dataOf = (text: string): ReadonlyArray<JsonObject> =>
  text
    .split("\n")
    .filter((line) => line.startsWith("data: ") && line !== "data: [DONE]")
    .map((line) => parseObject(line.slice(6)) ?? {})
