/** A prompt as models want it, put together from the messages and items of a request one after the other. */
import type {
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4TextPart,
  LanguageModelV4ToolCallPart,
  LanguageModelV4ToolResultPart
} from "@ai-sdk/provider"
import { invalid } from "@omnifile/core/CallError"
import { parseObject, type Json, type JsonObject } from "@omnifile/core/Json"
import * as Fields from "./Fields.ts"

export type UserPart = LanguageModelV4TextPart | LanguageModelV4FilePart
type AssistantPart = LanguageModelV4TextPart | LanguageModelV4ToolCallPart

/** What a user says: text, or parts that `partOf` reads. */
export const userParts = (
  content: Json | undefined,
  param: string,
  partOf: (part: JsonObject, param: string) => UserPart
): ReadonlyArray<UserPart> =>
  typeof content === "string"
    ? [{ type: "text", text: content }]
    : Fields.objects(Fields.required(content, param), param).map(([part, at]) => partOf(part, at))

export class Conversation {
  readonly #system: Array<string> = []
  readonly #messages: Array<LanguageModelV4Message> = []
  /** The names of the tools that were called, by the ID of the call. */
  readonly #called = new Map<string, string>()

  /** Instructions. Not every provider takes them in the middle of a conversation: all of them come first. */
  system(text: string): void {
    this.#system.push(text)
  }

  user(content: ReadonlyArray<UserPart>): void {
    this.#messages.push({ role: "user", content: [...content] })
  }

  /** What the model said. Several pieces without anything in between are one message. */
  assistant(parts: ReadonlyArray<AssistantPart>): void {
    // Providers refuse empty text.
    const content = parts.filter((part) => part.type !== "text" || part.text !== "")
    for (const part of content) if (part.type === "tool-call") this.#called.set(part.toolCallId, part.toolName)
    const last = this.#messages.at(-1)
    if (last?.role === "assistant") last.content.push(...content)
    else if (content.length > 0) this.#messages.push({ role: "assistant", content })
  }

  /** What a tool answered. The results of one turn are one message. */
  toolResult(id: string, value: string, param: string): void {
    const toolName = this.#called.get(id)
    if (toolName === undefined) throw invalid(`No tool call before this one has the ID ${id}.`, param)
    const part: LanguageModelV4ToolResultPart = {
      type: "tool-result",
      toolCallId: id,
      toolName,
      output: { type: "text", value }
    }
    const last = this.#messages.at(-1)
    if (last?.role === "tool") last.content.push(part)
    else this.#messages.push({ role: "tool", content: [part] })
  }

  finish(): LanguageModelV4Prompt {
    const system = this.#system.filter((text) => text !== "")
    return system.length === 0 ? this.#messages : [{ role: "system", content: system.join("\n\n") }, ...this.#messages]
  }
}

/** A call that the model made, with its arguments as the text that they are in OpenAI's wire. */
export const toolCall = (id: string, name: string, args: string, param: string): LanguageModelV4ToolCallPart => {
  const input = args.trim() === "" ? {} : parseObject(args)
  if (input === undefined) throw invalid("The arguments of a tool call must be a JSON object.", param)
  return { type: "tool-call", toolCallId: id, toolName: name, input }
}
