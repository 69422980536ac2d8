/** A chat completion's body as a model's call. */
import { invalid } from "@omnifile/core/CallError"
import type { Json, JsonObject } from "@omnifile/core/Json"
import * as CallSettings from "./CallSettings.ts"
import { Conversation, toolCall, userParts, type UserPart } from "./Conversation.ts"
import * as Fields from "./Fields.ts"
import * as FileParts from "./FileParts.ts"

/** Text alone, as a string or in parts. A refusal is what the model said, too. */
const textsOf = (content: Json | undefined, param: string): ReadonlyArray<string> => {
  if (content === undefined || content === null) return []
  if (typeof content === "string") return [content]
  return Fields.objects(content, param).map(([part, place]) => {
    if (part["type"] === "text") return Fields.required(Fields.text(part["text"], `${place}.text`), `${place}.text`)
    if (part["type"] === "refusal") return Fields.text(part["refusal"], `${place}.refusal`) ?? ""
    throw Fields.unsupported("Only text can stand here.", place)
  })
}

const field = (part: JsonObject, name: string, param: string): readonly [JsonObject, string] => {
  const place = `${param}.${name}`
  return [Fields.required(Fields.object(part[name], place), place), place]
}

const userPart = (part: JsonObject, param: string, context: CallSettings.PromptContext): UserPart => {
  switch (part["type"]) {
    case "text":
      return { type: "text", text: Fields.requiredText(part, "text", param) }
    case "image_url": {
      const [image, place] = field(part, "image_url", param)
      return FileParts.ofUrl(Fields.requiredText(image, "url", place), "image/*", context.fetches, `${place}.url`)
    }
    case "input_audio": {
      const [sound, place] = field(part, "input_audio", param)
      return FileParts.ofSound(
        Fields.requiredText(sound, "data", place),
        Fields.requiredText(sound, "format", place),
        place
      )
    }
    case "file": {
      const [file, place] = field(part, "file", param)
      const id = Fields.text(file["file_id"], `${place}.file_id`)
      if (id !== undefined) return context.file(id, `${place}.file_id`)
      const filename = Fields.text(file["filename"], `${place}.filename`)
      return FileParts.ofData(Fields.requiredText(file, "file_data", place), filename, `${place}.file_data`)
    }
    default:
      throw Fields.unsupported("This model cannot be given a part of this type.", `${param}.type`)
  }
}

const addMessage = (
  conversation: Conversation,
  message: JsonObject,
  param: string,
  context: CallSettings.PromptContext
): void => {
  const place = `${param}.content`
  const { content } = message
  switch (message["role"]) {
    case "system":
    case "developer":
      return conversation.system(textsOf(content, place).join("\n"))
    case "user":
      return conversation.user(userParts(content, place, (part, at) => userPart(part, at, context)))
    case "assistant": {
      if (CallSettings.isSaid(message["function_call"])) {
        throw Fields.unsupported("`function_call` is not known to this model: use tools.", `${param}.function_call`)
      }
      return conversation.assistant([
        ...textsOf(content, place).map((text) => ({ type: "text", text }) as const),
        ...Fields.objects(message["tool_calls"], `${param}.tool_calls`).map(([call, at]) => {
          if (call["type"] !== "function") throw Fields.unsupported("Only functions can be called.", `${at}.type`)
          const [called, where] = field(call, "function", at)
          const args = Fields.requiredText(called, "arguments", where)
          return toolCall(
            Fields.requiredText(call, "id", at),
            Fields.requiredText(called, "name", where),
            args,
            `${where}.arguments`
          )
        })
      ])
    }
    case "tool":
      return conversation.toolResult(
        Fields.requiredText(message, "tool_call_id", param),
        textsOf(content, place).join("\n"),
        `${param}.tool_call_id`
      )
    default:
      throw Fields.unsupported("This model knows no messages of this role.", `${param}.role`)
  }
}

/** Fields that ask for something that only OpenAI's wire has. */
const refused = ["logprobs", "top_logprobs", "logit_bias", "audio", "prediction", "web_search_options", "functions"]

/** Fields that are read. */
const read = new Set([
  "model",
  "messages",
  "stream",
  "stream_options",
  "max_completion_tokens",
  "max_tokens",
  "temperature",
  "top_p",
  "presence_penalty",
  "frequency_penalty",
  "seed",
  "stop",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "response_format",
  "reasoning_effort",
  "n",
  "modalities"
])

/** Fields that mean nothing to a model: they are left out. */
export const ignored = (body: JsonObject): ReadonlyArray<string> =>
  CallSettings.unknownFields(body, (name) => read.has(name) || refused.includes(name))

const checkRefused = (body: JsonObject): void => {
  for (const name of refused) {
    if (CallSettings.isSaid(body[name])) throw Fields.unsupported(`\`${name}\` is not known to this model.`, name)
  }
  const n = Fields.number(body["n"], "n")
  if (n !== undefined && n !== 1) throw Fields.unsupported("This model gives one answer at a time.", "n")
  if ((Fields.array(body["modalities"], "modalities") ?? []).some((modality) => modality !== "text")) {
    throw Fields.unsupported("This model answers with text alone.", "modalities")
  }
}

const stopsOf = (value: Json | undefined): Array<string> | undefined => {
  if (value === undefined || value === null) return undefined
  if (typeof value === "string") return [value]
  return (Fields.array(value, "stop") ?? []).map((stop, index) =>
    Fields.required(Fields.text(stop, `stop[${index}]`), `stop[${index}]`)
  )
}

/** Whether the stream is to end with what has been used. */
export const wantsUsage = (body: JsonObject): boolean =>
  Fields.object(body["stream_options"], "stream_options")?.["include_usage"] === true

/** Throws `InvalidRequest`. */
export const parse = (body: JsonObject, context: CallSettings.PromptContext): CallSettings.ModelRequest => {
  checkRefused(body)
  const conversation = new Conversation()
  const messages = Fields.objects(Fields.required(body["messages"], "messages"), "messages")
  if (messages.length === 0) throw invalid("`messages` must not be empty.", "messages")
  for (const [message, param] of messages) addMessage(conversation, message, param, context)
  const number = (name: string) => Fields.number(body[name], name)
  const tools = CallSettings.functionTools(body["tools"], (tool, param) => field(tool, "function", param))
  const options = CallSettings.defined({
    prompt: conversation.finish(),
    maxOutputTokens: number("max_completion_tokens") ?? number("max_tokens"),
    temperature: number("temperature"),
    topP: number("top_p"),
    presencePenalty: number("presence_penalty"),
    frequencyPenalty: number("frequency_penalty"),
    seed: number("seed"),
    stopSequences: stopsOf(body["stop"]),
    tools,
    toolChoice: CallSettings.toolChoice(
      body["tool_choice"],
      (choice) => Fields.object(choice["function"], "tool_choice.function")?.["name"]
    ),
    responseFormat: CallSettings.responseFormat(
      Fields.object(body["response_format"], "response_format"),
      (format, param) => field(format, "json_schema", param)[0],
      "response_format"
    ),
    reasoning: CallSettings.reasoning(body["reasoning_effort"], "reasoning_effort")
  })
  return { options, serial: body["parallel_tool_calls"] === false }
}
