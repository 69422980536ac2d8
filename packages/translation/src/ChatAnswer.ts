/** A model's answer as a chat completion, whole and in chunks. */
import type {
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage
} from "@ai-sdk/provider"
import type { TranslatedRequest } from "@omnifile/core/ChatTranslator"
import type { JsonObject } from "@omnifile/core/Json"
import * as ChatPrompt from "./ChatPrompt.ts"
import { ToolInputs } from "./ToolInputs.ts"

type Named = Pick<TranslatedRequest, "body" | "id" | "modelName" | "now">

/** What OpenAI calls the end of an answer. Calls are to be made, whatever else a provider calls it. */
const finishReason = ({ unified }: LanguageModelV4FinishReason, hasCalls: boolean): string => {
  switch (unified) {
    case "length":
      return "length"
    case "tool-calls":
      return "tool_calls"
    case "content-filter":
      return "content_filter"
    default:
      return hasCalls ? "tool_calls" : "stop"
  }
}

export const usageOf = ({ inputTokens, outputTokens }: LanguageModelV4Usage): JsonObject => {
  const input = inputTokens.total ?? 0
  const output = outputTokens.total ?? 0
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: inputTokens.cacheRead ?? 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: outputTokens.reasoning ?? 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0
    }
  }
}

const head = ({ id, modelName, now }: Named, object: string): JsonObject => ({
  id: `chatcmpl-${id}`,
  object,
  created: Math.floor(now / 1000),
  model: modelName
})

/** The text of an answer: what is to be read as JSON, where the provider tells it apart. */
export const textOf = ({ content, structuredOutputText }: LanguageModelV4GenerateResult): string =>
  structuredOutputText ?? content.map((part) => (part.type === "text" ? part.text : "")).join("")

export const whole = (request: Named, result: LanguageModelV4GenerateResult): JsonObject => {
  const calls = result.content.flatMap((part) =>
    part.type === "tool-call" && part.providerExecuted !== true
      ? [{ id: part.toolCallId, type: "function", function: { name: part.toolName, arguments: part.input } }]
      : []
  )
  const text = textOf(result)
  const message = { role: "assistant", content: text === "" && calls.length > 0 ? null : text, refusal: null }
  return {
    ...head(request, "chat.completion"),
    choices: [
      {
        index: 0,
        message: calls.length === 0 ? message : { ...message, tool_calls: calls },
        logprobs: null,
        finish_reason: finishReason(result.finishReason, calls.length > 0)
      }
    ],
    usage: usageOf(result.usage)
  }
}

/** Makes the events of a stream from the parts of an answer. */
export class Chunks {
  readonly #request: Named
  readonly #withUsage: boolean
  readonly #inputs = new ToolInputs()
  #begun = false

  constructor(request: Named) {
    this.#request = request
    this.#withUsage = ChatPrompt.wantsUsage(request.body)
  }

  /** The text of the stream that a part becomes, which may be none. */
  write(part: LanguageModelV4StreamPart): string {
    switch (part.type) {
      case "text-delta":
        return part.delta === "" ? "" : this.#delta({ content: part.delta })
      case "tool-input-start":
        return part.providerExecuted === true ? "" : this.#call(this.#inputs.begin(part.id), part.id, part.toolName, "")
      case "tool-input-delta":
        return this.#args(this.#inputs.add(part.id, part.delta), part.delta)
      case "tool-call": {
        if (part.providerExecuted === true) return ""
        const { begun, index, rest } = this.#inputs.finish(part.toolCallId, part.input)
        return begun ? this.#args(index, rest) : this.#call(index, part.toolCallId, part.toolName, rest)
      }
      case "finish": {
        const end = this.#chunk([
          {
            index: 0,
            delta: this.#begin(),
            logprobs: null,
            finish_reason: finishReason(part.finishReason, this.#inputs.count > 0)
          }
        ])
        const usage = this.#withUsage ? this.#chunk([], usageOf(part.usage)) : ""
        return `${end}${usage}data: [DONE]\n\n`
      }
      default:
        return ""
    }
  }

  #begin(): JsonObject {
    if (this.#begun) return {}
    this.#begun = true
    return { role: "assistant", content: "", refusal: null }
  }

  #delta(delta: JsonObject): string {
    const first = this.#begun
      ? ""
      : this.#chunk([{ index: 0, delta: this.#begin(), logprobs: null, finish_reason: null }])
    return first + this.#chunk([{ index: 0, delta, logprobs: null, finish_reason: null }])
  }

  #call(index: number, id: string, name: string, args: string): string {
    return this.#delta({ tool_calls: [{ index, id, type: "function", function: { name, arguments: args } }] })
  }

  #args(index: number | undefined, args: string): string {
    return index === undefined || args === ""
      ? ""
      : this.#delta({ tool_calls: [{ index, function: { arguments: args } }] })
  }

  #chunk(choices: ReadonlyArray<JsonObject>, usage: JsonObject | null = null): string {
    const body = { ...head(this.#request, "chat.completion.chunk"), choices }
    return `data: ${JSON.stringify(this.#withUsage ? { ...body, usage } : body)}\n\n`
  }
}
