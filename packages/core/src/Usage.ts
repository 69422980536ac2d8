/**
 * What a call has used, in the provider's own count. Each protocol family says it in a `usage` object of its own;
 * here they come to one form.
 */
import * as Schema from "effect/Schema"
import * as JsonScan from "./JsonScan.ts"

/** A plain object: one is made for every call. */
export const Tokens = Schema.Struct({
  /** All that went in, cached tokens among them. */
  input: Schema.Int,
  /** Those of `input` that the provider had in its cache. */
  cachedInput: Schema.Int,
  /** All that came out, reasoning among them. */
  output: Schema.Int
})
export type Tokens = typeof Tokens.Type

export const none: Tokens = { input: 0, cachedInput: 0, output: 0 }

export const add = (a: Tokens, b: Tokens): Tokens => ({
  input: a.input + b.input,
  cachedInput: a.cachedInput + b.cachedInput,
  output: a.output + b.output
})

type JsonObject = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A count; anything that is none is undefined. */
const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined

const cachedIn = (usage: JsonObject, details: string): number => {
  const found = usage[details]
  return (isObject(found) ? count(found["cached_tokens"]) : undefined) ?? 0
}

/** Anthropic counts what is read from its cache, or written to it, beside the other input. */
const besideInput = (usage: JsonObject): { readonly read: number; readonly written: number } => ({
  read: count(usage["cache_read_input_tokens"]) ?? 0,
  written: count(usage["cache_creation_input_tokens"]) ?? 0
})

/**
 * Reads a `usage` object of OpenAI's chat, embeddings, Responses, images, audio and batches, or of Anthropic's
 * Messages. Null if it counts no tokens.
 */
export const read = (usage: unknown): Tokens | null => {
  if (!isObject(usage)) return null
  const input = count(usage["prompt_tokens"]) ?? count(usage["input_tokens"])
  const output = count(usage["completion_tokens"]) ?? count(usage["output_tokens"])
  if (input === undefined && output === undefined) {
    const total = count(usage["total_tokens"])
    return total === undefined ? null : { input: total, cachedInput: 0, output: 0 }
  }
  const beside = besideInput(usage)
  return {
    input: (input ?? 0) + beside.read + beside.written,
    cachedInput: beside.read + cachedIn(usage, "prompt_tokens_details") + cachedIn(usage, "input_tokens_details"),
    output: output ?? 0
  }
}

const parseObject = (text: string): JsonObject | null => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

const utf8 = new TextDecoder()
const encoder = new TextEncoder()

/** An answer, an event's Response or message, or a batch's result within a line of its output. */
const paths = JsonScan.compile({
  answer: "usage",
  response: "response.usage",
  message: "message.usage",
  line: "response.body.usage"
})

/** The `usage` object of a JSON document: null if none counts tokens, undefined if it is no whole document. */
const usageOf = (bytes: Uint8Array): JsonObject | null | undefined => {
  const scanned = JsonScan.scan(bytes, paths)
  if (scanned._tag === "Malformed") return undefined
  const found = scanned.matches.findLast(({ kind }) => kind === "object")
  const usage = found === undefined ? null : parseObject(utf8.decode(bytes.subarray(found.start, found.end)))
  return read(usage) === null ? null : usage
}

/** The tokens that a whole JSON answer reports, or a line of a batch's output. Null if it reports none. */
export const ofJson = (bytes: Uint8Array): Tokens | null => read(usageOf(bytes))

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN = 0x7b
const CLOSE = 0x7d

/** Longer than any `usage` object. In characters. */
const longestUsage = 4096

/** The end of the object that begins at `start`, or -1 if it is not near. */
const endOfObject = (text: string, start: number): number => {
  let depth = 0
  let inString = false
  const limit = Math.min(text.length, start + longestUsage)
  for (let at = start; at < limit; at++) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === BACKSLASH) at++
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) inString = true
    else if (code === OPEN) depth++
    else if (code === CLOSE && --depth === 0) return at + 1
  }
  return -1
}

/** How much of an answer's end is looked at for its usage before all of it is; in bytes. */
const endLength = 1024

const key = '"usage":'

/**
 * The same for a chat's answer, in which nothing stands by itself that a client has written: so its last `usage` is its
 * own, wherever it is, and most have it at their end.
 */
export const ofChat = (bytes: Uint8Array): Tokens | null => {
  const end = utf8.decode(bytes.subarray(Math.max(0, bytes.length - endLength)))
  const start = end.lastIndexOf(key) + key.length
  const stop = end[start] === "{" ? endOfObject(end, start) : -1
  return (stop < 0 ? null : read(parseObject(end.slice(start, stop)))) ?? ofJson(bytes)
}

const usageKey = /"usage"\s*:\s*(?=\{)/g
const hasUsage = /"usage"\s*:\s*\{/

/**
 * The last `usage` of a document whose beginning is missing. Text cannot be mistaken for it: its quotes are escaped.
 */
const usageOfEnd = (text: string): JsonObject | null => {
  let last: JsonObject | null = null
  for (const match of text.matchAll(usageKey)) {
    const start = match.index + match[0].length
    const end = endOfObject(text, start)
    const usage = end < 0 ? null : parseObject(text.slice(start, end))
    if (read(usage) !== null) last = usage
  }
  return last
}

const dataField = /^data: ?/

/**
 * What a stream of events reports, or a long document, of which only its beginning and its end are at hand. Later
 * counts replace earlier ones, since providers count up.
 */
export const ofParts = (...parts: ReadonlyArray<string>): Tokens | null => {
  let all: JsonObject = {}
  for (const part of parts) {
    for (const line of part.split(/\r\n|\n|\r/)) {
      if (!hasUsage.test(line)) continue
      const text = line.replace(dataField, "")
      const whole = usageOf(encoder.encode(text))
      const usage = whole === undefined ? usageOfEnd(text) : whole
      if (usage === null) continue
      all = { ...all, ...Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null)) }
    }
  }
  return read(all)
}
