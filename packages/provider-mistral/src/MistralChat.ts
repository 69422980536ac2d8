/**
 * Chat completions in Mistral's words. Where OpenAI's wire has fields of its own, Mistral refuses the whole call: those
 * that it knows under another name get that name, and those that mean nothing to a model are left out. What asks for
 * something that Mistral does not do stays, so that the client learns of it. Bodies without any of these stay as they are.
 */
import * as BodyPieces from "@omnifile/core/BodyPieces"
import * as Bytes from "@omnifile/core/Bytes"
import type { RequestBody } from "@omnifile/core/HttpTransport"
import { isObject, type Json, type JsonObject, parseObject } from "@omnifile/core/Json"

const renamed: ReadonlyMap<string, string> = new Map([
  ["max_completion_tokens", "max_tokens"],
  ["seed", "random_seed"]
])

/** Usage is in the last event of every stream. */
const meaningless: ReadonlySet<string> = new Set([
  "prompt_cache_retention",
  "safety_identifier",
  "store",
  "stream_options",
  "user",
  "verbosity"
])

/** What OpenAI's answers have beside Mistral's, and a client sends back with them. */
const answered: ReadonlySet<string> = new Set(["annotations", "audio", "function_call", "refusal"])

const isSaid = (value: Json | undefined): boolean =>
  value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)

const partOf = (part: Json): Json => {
  if (!isObject(part)) return part
  const { file, input_audio: sound, type } = part
  if (type === "input_audio" && isObject(sound)) return { type, input_audio: sound["data"] ?? null }
  if (type !== "file" || !isObject(file) || typeof file["file_data"] !== "string") return part
  const { file_data, filename } = file
  return {
    type: "document_url",
    document_url: file_data,
    ...(isSaid(filename) ? { document_name: filename ?? null } : {})
  }
}

const messageOf = (message: Json): Json => {
  if (!isObject(message)) return message
  const { content, role } = message
  const kept = Object.entries(message).filter(
    ([name, value]) => !(name === "name" && role !== "tool") && !(answered.has(name) && !isSaid(value))
  )
  return {
    ...Object.fromEntries(kept),
    ...(role === "developer" ? { role: "system" } : {}),
    ...(Array.isArray(content) ? { content: content.map(partOf) } : {})
  }
}

/** A body of OpenAI's wire, with file parts that are Mistral's already. */
export const translate = (body: JsonObject): JsonObject => {
  const fields = Object.entries(body).filter(([name]) => !meaningless.has(name) && !renamed.has(name))
  const { messages } = body
  const others = [...renamed].flatMap(([name, other]) =>
    isSaid(body[name]) ? [[other, body[name] ?? null] as const] : []
  )
  return {
    ...Object.fromEntries(fields),
    ...Object.fromEntries(others),
    ...(Array.isArray(messages) ? { messages: messages.map(messageOf) } : {})
  }
}

/** Whether there may be anything to translate: looking for it costs far less than to write every body anew. */
const suspect = new RegExp(
  `"(?:${[...renamed.keys(), ...meaningless, ...answered, "name", "input_audio", "file_data"].join("|")})"\\s*:|"developer"`
)

const decoder = new TextDecoder()
const encoder = new TextEncoder()

const translated = (bytes: Uint8Array): Uint8Array | undefined => {
  const text = decoder.decode(bytes)
  const body = suspect.test(text) ? parseObject(text) : undefined
  return body === undefined ? undefined : encoder.encode(JSON.stringify(translate(body)))
}

/** Of a body that brings the content of a file, all but that content is read. */
export const bodyOf = (body: RequestBody): RequestBody => {
  if (body instanceof Uint8Array) return translated(body) ?? body
  if (body.bytes instanceof Bytes.InMemory) return Bytes.readJoined(body.bytes, translated) ?? body
  return body.pieces === undefined ? body : (BodyPieces.rewritten(body.pieces, translated) ?? body)
}
