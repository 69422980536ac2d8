/** Mistral's chat has the shape of OpenAI's, and refuses every field that it does not know. */
import { ApiError } from "../openai/Answer.ts"
import type { ChatApi } from "../openai/Chat.ts"
import { isRecord } from "../openai/Chat.ts"

/** Of the body; from the models of the official SDK. */
const fields: ReadonlySet<string> = new Set([
  "frequency_penalty",
  "guardrails",
  "logprobs",
  "max_tokens",
  "messages",
  "metadata",
  "min_tokens",
  "model",
  "n",
  "parallel_tool_calls",
  "prediction",
  "presence_penalty",
  "prompt_cache_key",
  "prompt_logprobs",
  "prompt_mode",
  "random_seed",
  "reasoning_effort",
  "repetition_penalty",
  "response_format",
  "safe_prompt",
  "service_tier",
  "stop",
  "stream",
  "temperature",
  "tool_choice",
  "tools",
  "top_k",
  "top_logprobs",
  "top_p",
  "top_prompt_logprobs"
])

/** Of a message, by its role. */
const messageFields: ReadonlyMap<unknown, ReadonlySet<string>> = new Map([
  ["system", new Set(["role", "content"])],
  ["user", new Set(["role", "content"])],
  ["assistant", new Set(["role", "content", "tool_calls", "prefix"])],
  ["tool", new Set(["role", "content", "tool_call_id", "name"])]
])

const parts: ReadonlySet<unknown> = new Set([
  "text",
  "image_url",
  "document_url",
  "reference",
  "file",
  "thinking",
  "input_audio"
])

const refuse = (place: string, type: string, message: string): never => {
  throw new ApiError(422, message, { param: place, code: type })
}

const checkFields = (value: Readonly<Record<string, unknown>>, known: ReadonlySet<string>, place: string): void => {
  const extra = Object.keys(value).find((name) => !known.has(name))
  if (extra !== undefined) refuse(`${place}${extra}`, "extra_forbidden", "Extra inputs are not permitted")
}

const checkPart = (part: Readonly<Record<string, unknown>>, place: string): void => {
  const { file_id: file, input_audio: sound, type } = part
  if (!parts.has(type))
    refuse(`${place}.type`, "union_tag_invalid", "Input tag found does not match any of the expected tags")
  if (type === "file" && typeof file !== "string") refuse(`${place}.file_id`, "missing", "Field required")
  if (type === "input_audio" && typeof sound !== "string") {
    refuse(`${place}.input_audio`, "string_type", "Input should be a valid string")
  }
}

const check = (body: Readonly<Record<string, unknown>>): void => {
  checkFields(body, fields, "")
  const { messages } = body
  if (!Array.isArray(messages)) return
  for (const [at, message] of messages.entries()) {
    if (!isRecord(message)) continue
    const { content, role } = message
    const known = messageFields.get(role)
    if (known === undefined) return refuse(`messages.${at}.role`, "union_tag_invalid", "Input should be a known role")
    checkFields(message, known, `messages.${at}.${String(role)}.`)
    if (!Array.isArray(content)) continue
    for (const [index, part] of content.entries()) {
      if (isRecord(part)) checkPart(part, `messages.${at}.${String(role)}.content.${index}`)
    }
  }
}

/** The ID of a file stands in the part itself. */
export const chat: ChatApi = {
  fileOf: (part) => (part["type"] === "file" ? { file_id: part["file_id"] } : undefined),
  check
}
