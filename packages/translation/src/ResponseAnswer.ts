/** A model's answer as a response of the Responses API, whole and as events. */
import type {
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage
} from "@ai-sdk/provider"
import type { TranslatedRequest } from "@omnifile/core/ChatTranslator"
import { isObject, type Json, type JsonObject } from "@omnifile/core/Json"
import { textOf } from "./ChatAnswer.ts"
import { ToolInputs } from "./ToolInputs.ts"

type Named = Pick<TranslatedRequest, "body" | "id" | "modelName" | "now">

/** Why an answer is not complete, or null if it is. */
const incompleteReason = ({ unified }: LanguageModelV4FinishReason): string | null => {
  switch (unified) {
    case "length":
      return "max_output_tokens"
    case "content-filter":
      return "content_filter"
    default:
      return null
  }
}

const usageOf = ({ inputTokens, outputTokens }: LanguageModelV4Usage): JsonObject => {
  const input = inputTokens.total ?? 0
  const output = outputTokens.total ?? 0
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: inputTokens.cacheRead ?? 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: outputTokens.reasoning ?? 0 },
    total_tokens: input + output
  }
}

/** A value of the request as the answer repeats it. */
const repeated = (value: Json | undefined, otherwise: Json): Json => value ?? otherwise

/** OpenAI repeats a tool with all its fields. */
const toolsOf = (tools: Json | undefined): Json =>
  Array.isArray(tools)
    ? tools.map((tool: Json) =>
        isObject(tool) ? { ...tool, parameters: tool["parameters"] ?? null, strict: tool["strict"] ?? true } : tool
      )
    : []

interface Result {
  readonly status: "in_progress" | "completed" | "incomplete"
  readonly reason: string | null
  readonly output: ReadonlyArray<JsonObject>
  readonly usage: JsonObject | null
}

const responseOf = ({ body, id, modelName, now }: Named, result: Result): JsonObject => {
  const reasoning = isObject(body["reasoning"]) ? body["reasoning"] : {}
  return {
    id: `resp_${id}`,
    object: "response",
    created_at: Math.floor(now / 1000),
    status: result.status,
    background: false,
    error: null,
    incomplete_details: result.reason === null ? null : { reason: result.reason },
    instructions: repeated(body["instructions"], null),
    max_output_tokens: repeated(body["max_output_tokens"], null),
    model: modelName,
    output: result.output,
    parallel_tool_calls: repeated(body["parallel_tool_calls"], true),
    previous_response_id: null,
    reasoning: { effort: reasoning["effort"] ?? null, summary: null },
    store: false,
    temperature: repeated(body["temperature"], null),
    text: isObject(body["text"]) ? body["text"] : { format: { type: "text" } },
    tool_choice: repeated(body["tool_choice"], "auto"),
    tools: toolsOf(body["tools"]),
    top_p: repeated(body["top_p"], null),
    truncation: "disabled",
    usage: result.usage,
    user: null,
    metadata: repeated(body["metadata"], {})
  }
}

type ItemStatus = "in_progress" | "completed" | "incomplete"

const outputText = (text: string): JsonObject => ({ type: "output_text", text, annotations: [], logprobs: [] })

const messageItem = (id: string, status: ItemStatus, content: ReadonlyArray<JsonObject>): JsonObject => ({
  id,
  type: "message",
  status,
  role: "assistant",
  content
})

interface FunctionCall {
  readonly callId: string
  readonly name: string
}

const callItem = (id: string, status: ItemStatus, { callId, name }: FunctionCall, args: string): JsonObject => ({
  id,
  type: "function_call",
  status,
  arguments: args,
  call_id: callId,
  name
})

export const whole = (request: Named, result: LanguageModelV4GenerateResult): JsonObject => {
  const reason = incompleteReason(result.finishReason)
  const status = reason === null ? "completed" : "incomplete"
  const text = textOf(result)
  const calls = result.content.flatMap((part) =>
    part.type === "tool-call" && part.providerExecuted !== true ? [part] : []
  )
  const output = [
    ...(text === "" && calls.length > 0 ? [] : [messageItem(`msg_${request.id}-0`, status, [outputText(text)])]),
    ...calls.map(({ input, toolCallId, toolName }, index) =>
      callItem(`fc_${request.id}-${index + 1}`, "completed", { callId: toolCallId, name: toolName }, input)
    )
  ]
  return responseOf(request, { status, reason, output, usage: usageOf(result.usage) })
}

interface OpenMessage {
  readonly id: string
  readonly index: number
  text: string
}

interface OpenCall extends FunctionCall {
  readonly id: string
  readonly index: number
  args: string
}

/** Makes the events of a stream from the parts of an answer. */
export class ResponseEvents {
  readonly #request: Named
  readonly #inputs = new ToolInputs()
  /** The items that have ended, in order. */
  readonly #output: Array<JsonObject> = []
  readonly #calls = new Map<string, OpenCall>()
  #message: OpenMessage | null = null
  /** How many items have begun. */
  #items = 0
  #sequence = 0
  #begun = false

  constructor(request: Named) {
    this.#request = request
  }

  /** The text of the stream that a part becomes, which may be none. */
  write(part: LanguageModelV4StreamPart): string {
    switch (part.type) {
      case "text-delta":
        return part.delta === "" ? "" : this.#begin() + this.#text(part.delta)
      case "tool-input-start":
        if (part.providerExecuted === true) return ""
        this.#inputs.begin(part.id)
        return this.#begin() + this.#endMessage("completed") + this.#beginCall(part.id, part.toolName)
      case "tool-input-delta":
        return this.#inputs.add(part.id, part.delta) === undefined ? "" : this.#args(part.id, part.delta)
      case "tool-call": {
        if (part.providerExecuted === true) return ""
        const { begun, rest } = this.#inputs.finish(part.toolCallId, part.input)
        const first = begun
          ? ""
          : this.#begin() + this.#endMessage("completed") + this.#beginCall(part.toolCallId, part.toolName)
        return first + this.#args(part.toolCallId, rest) + this.#endCall(part.toolCallId)
      }
      case "finish":
        return this.#finish(part.finishReason, part.usage)
      default:
        return ""
    }
  }

  #event(type: string, fields: JsonObject): string {
    const data = JSON.stringify({ type, sequence_number: this.#sequence++, ...fields })
    return `event: ${type}\ndata: ${data}\n\n`
  }

  #begin(): string {
    if (this.#begun) return ""
    this.#begun = true
    const response = responseOf(this.#request, { status: "in_progress", reason: null, output: [], usage: null })
    return this.#event("response.created", { response }) + this.#event("response.in_progress", { response })
  }

  #text(delta: string): string {
    const open = this.#message
    const first = open === null ? this.#beginMessage() : ""
    const message = this.#message
    if (message === null) return first
    message.text += delta
    return (
      first + this.#event("response.output_text.delta", { ...place(message), content_index: 0, delta, logprobs: [] })
    )
  }

  #beginMessage(): string {
    const message = { id: `msg_${this.#request.id}-${this.#items}`, index: this.#items++, text: "" }
    this.#message = message
    return (
      this.#event("response.output_item.added", {
        output_index: message.index,
        item: messageItem(message.id, "in_progress", [])
      }) + this.#event("response.content_part.added", { ...place(message), content_index: 0, part: outputText("") })
    )
  }

  #endMessage(status: ItemStatus): string {
    const message = this.#message
    if (message === null) return ""
    this.#message = null
    const { index, text } = message
    const item = messageItem(message.id, status, [outputText(text)])
    this.#output[index] = item
    return (
      this.#event("response.output_text.done", { ...place(message), content_index: 0, text, logprobs: [] }) +
      this.#event("response.content_part.done", { ...place(message), content_index: 0, part: outputText(text) }) +
      this.#event("response.output_item.done", { output_index: index, item })
    )
  }

  #beginCall(callId: string, name: string): string {
    const call = { id: `fc_${this.#request.id}-${this.#items}`, index: this.#items++, callId, name, args: "" }
    this.#calls.set(callId, call)
    return this.#event("response.output_item.added", {
      output_index: call.index,
      item: callItem(call.id, "in_progress", call, "")
    })
  }

  #args(callId: string, delta: string): string {
    const call = this.#calls.get(callId)
    if (call === undefined || delta === "") return ""
    call.args += delta
    return this.#event("response.function_call_arguments.delta", { ...place(call), delta })
  }

  #endCall(callId: string): string {
    const call = this.#calls.get(callId)
    if (call === undefined) return ""
    this.#calls.delete(callId)
    const item = callItem(call.id, "completed", call, call.args)
    this.#output[call.index] = item
    return (
      this.#event("response.function_call_arguments.done", { ...place(call), arguments: call.args, name: call.name }) +
      this.#event("response.output_item.done", { output_index: call.index, item })
    )
  }

  #finish(finishReason: LanguageModelV4FinishReason, usage: LanguageModelV4Usage): string {
    const reason = incompleteReason(finishReason)
    const status = reason === null ? "completed" : "incomplete"
    const first = this.#begin()
    const empty = this.#items === 0 ? this.#beginMessage() : ""
    const rest = this.#endMessage(status) + [...this.#calls.keys()].map((id) => this.#endCall(id)).join("")
    const response = responseOf(this.#request, { status, reason, output: this.#output, usage: usageOf(usage) })
    return first + empty + rest + this.#event(`response.${status}`, { response })
  }
}

const place = ({ id, index }: { readonly id: string; readonly index: number }): JsonObject => ({
  item_id: id,
  output_index: index
})
