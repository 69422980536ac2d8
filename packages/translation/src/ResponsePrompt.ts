/** A body of the Responses API as a model's call. What the API keeps between calls does not exist for such models. */
import { invalid } from "@omnifile/core/CallError"
import type { Json, JsonObject } from "@omnifile/core/Json"
import * as CallSettings from "./CallSettings.ts"
import { Conversation, toolCall, userParts, type UserPart } from "./Conversation.ts"
import * as Fields from "./Fields.ts"
import * as FileParts from "./FileParts.ts"

const image = (part: JsonObject, param: string, context: CallSettings.PromptContext): UserPart => {
  const id = Fields.text(part["file_id"], `${param}.file_id`)
  if (id !== undefined) return context.file(id, `${param}.file_id`)
  return FileParts.ofUrl(
    Fields.requiredText(part, "image_url", param),
    "image/*",
    context.fetches,
    `${param}.image_url`
  )
}

const file = (part: JsonObject, param: string, context: CallSettings.PromptContext): UserPart => {
  const id = Fields.text(part["file_id"], `${param}.file_id`)
  if (id !== undefined) return context.file(id, `${param}.file_id`)
  const url = Fields.text(part["file_url"], `${param}.file_url`)
  if (url !== undefined) return FileParts.ofUrl(url, "application/pdf", context.fetches, `${param}.file_url`)
  const filename = Fields.text(part["filename"], `${param}.filename`)
  return FileParts.ofData(Fields.requiredText(part, "file_data", param), filename, `${param}.file_data`)
}

const userPart = (part: JsonObject, param: string, context: CallSettings.PromptContext): UserPart => {
  switch (part["type"]) {
    case "input_text":
      return { type: "text", text: Fields.requiredText(part, "text", param) }
    case "input_image":
      return image(part, param, context)
    case "input_file":
      return file(part, param, context)
    default:
      throw Fields.unsupported("This model cannot be given a part of this type.", `${param}.type`)
  }
}

/** Text alone, as a string or in parts. */
const textOf = (content: Json | undefined, param: string): string => {
  if (typeof content === "string") return content
  return Fields.objects(Fields.required(content, param), param)
    .map(([part, place]) => {
      switch (part["type"]) {
        case "input_text":
        case "output_text":
        case "text":
          return Fields.requiredText(part, "text", place)
        case "refusal":
          return Fields.requiredText(part, "refusal", place)
        default:
          throw Fields.unsupported("Only text can stand here.", `${place}.type`)
      }
    })
    .join("\n")
}

const addMessage = (
  conversation: Conversation,
  item: JsonObject,
  param: string,
  context: CallSettings.PromptContext
): void => {
  const place = `${param}.content`
  const { content } = item
  switch (item["role"]) {
    case "system":
    case "developer":
      return conversation.system(textOf(content, place))
    case "assistant":
      return conversation.assistant([{ type: "text", text: textOf(content, place) }])
    case "user":
      return conversation.user(userParts(content, place, (part, at) => userPart(part, at, context)))
    default:
      throw Fields.unsupported("This model knows no messages of this role.", `${param}.role`)
  }
}

const addItem = (
  conversation: Conversation,
  item: JsonObject,
  param: string,
  context: CallSettings.PromptContext
): void => {
  switch (item["type"]) {
    case undefined:
    case "message":
      return addMessage(conversation, item, param, context)
    case "function_call": {
      const args = Fields.requiredText(item, "arguments", param)
      return conversation.assistant([
        toolCall(
          Fields.requiredText(item, "call_id", param),
          Fields.requiredText(item, "name", param),
          args,
          `${param}.arguments`
        )
      ])
    }
    case "function_call_output":
      return conversation.toolResult(
        Fields.requiredText(item, "call_id", param),
        textOf(item["output"], `${param}.output`),
        `${param}.call_id`
      )
    case "reasoning":
      // What another model thought means nothing to this one.
      return
    default:
      throw Fields.unsupported("This model cannot be given an item of this type.", `${param}.type`)
  }
}

/** Fields that ask for what only OpenAI keeps or does. */
const refused = ["previous_response_id", "conversation", "prompt", "background", "top_logprobs", "context_management"]

/** Fields that are read, or that the answer repeats. */
const read = new Set([
  "model",
  "input",
  "instructions",
  "stream",
  "store",
  "max_output_tokens",
  "temperature",
  "top_p",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "text",
  "reasoning",
  "metadata"
])

/** Fields that mean nothing to a model: they are left out. */
export const ignored = (body: JsonObject): ReadonlyArray<string> =>
  CallSettings.unknownFields(body, (name) => read.has(name) || refused.includes(name))

/** Throws `InvalidRequest`. */
export const parse = (body: JsonObject, context: CallSettings.PromptContext): CallSettings.ModelRequest => {
  for (const name of refused) {
    if (CallSettings.isSaid(body[name])) {
      throw Fields.unsupported(`\`${name}\` is not known to this model: nothing is kept between its calls.`, name)
    }
  }
  const conversation = new Conversation()
  const instructions = body["instructions"]
  if (CallSettings.isSaid(instructions)) conversation.system(textOf(instructions, "instructions"))
  const input = Fields.required(body["input"] ?? undefined, "input")
  if (typeof input === "string") conversation.user([{ type: "text", text: input }])
  else {
    const items = Fields.objects(input, "input")
    if (items.length === 0) throw invalid("`input` must not be empty.", "input")
    for (const [item, param] of items) addItem(conversation, item, param, context)
  }
  const tools = CallSettings.functionTools(body["tools"], (tool, param) => [tool, param])
  const options = CallSettings.defined({
    prompt: conversation.finish(),
    maxOutputTokens: Fields.number(body["max_output_tokens"], "max_output_tokens"),
    temperature: Fields.number(body["temperature"], "temperature"),
    topP: Fields.number(body["top_p"], "top_p"),
    tools,
    toolChoice: CallSettings.toolChoice(body["tool_choice"], (choice) => choice["name"]),
    responseFormat: CallSettings.responseFormat(
      Fields.object(Fields.object(body["text"], "text")?.["format"], "text.format"),
      (format) => format,
      "text.format"
    ),
    reasoning: CallSettings.reasoning(Fields.object(body["reasoning"], "reasoning")?.["effort"], "reasoning.effort")
  })
  return { options, serial: body["parallel_tool_calls"] === false }
}
