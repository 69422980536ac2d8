/**
 * `/v1/messages`, plain and streamed, and the counting of tokens. The answer's text tells which account answered and
 * what it saw of each file, or has the shape that is asked for; tools are called as `Directions` says; a code execution
 * tool leaves a file.
 */
import type { Account } from "../openai/Account.ts"
import * as Answer from "../openai/Answer.ts"
import type { NamedEvent } from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import type { AttachedFile } from "../openai/AnswerText.ts"
import { answerText, inlineFile } from "../openai/AnswerText.ts"
import { isRecord, pieces } from "../openai/Chat.ts"
import type { StreamShape } from "../openai/Chat.ts"
import * as Directions from "../openai/Directions.ts"
import type { JsonRecord } from "../openai/Directions.ts"
import { pause } from "../openai/Http.ts"
import { newId } from "../openai/Ids.ts"
import * as MadeContent from "../openai/MadeContent.ts"
import { requireModel } from "../openai/Models.ts"
import { withJson } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"
import { addOutput, usable } from "./Files.ts"

interface MessageRequest {
  readonly model: string
  readonly stream: boolean
  readonly texts: ReadonlyArray<string>
  readonly files: ReadonlyArray<AttachedFile>
  readonly executesCode: boolean
  readonly calls: ReadonlyArray<Directions.ToolCall>
  /** What the text of the answer has to be like, if it has to. */
  readonly schema: JsonRecord | undefined
}

const stored = (account: Account, id: unknown, at: string): AttachedFile => {
  if (typeof id !== "string") throw new ApiError(400, `${at}.file_id: Input should be a valid string`)
  return usable(account, id)
}

/** The text and the files of a block, those of a tool's result included. */
const readBlock = (account: Account, block: unknown, at: string, texts: Array<string>): ReadonlyArray<AttachedFile> => {
  if (!isRecord(block)) throw new ApiError(400, `${at}: Input should be a valid dictionary`)
  switch (block["type"]) {
    case "text":
      if (typeof block["text"] === "string") texts.push(block["text"])
      return []
    case "document":
    case "image": {
      const { source } = block
      if (!isRecord(source)) throw new ApiError(400, `${at}.source: Field required`)
      return [
        source["type"] === "file"
          ? stored(account, source["file_id"], `${at}.source`)
          : inlineFile(typeof source["data"] === "string" ? source["data"] : "")
      ]
    }
    case "container_upload":
      return [stored(account, block["file_id"], at)]
    case "tool_result": {
      const { content } = block
      if (!Array.isArray(content)) return []
      return content.flatMap((inner: unknown, index) => readBlock(account, inner, `${at}.content.${index}`, texts))
    }
    default:
      return []
  }
}

const validate = (account: Account, body: unknown): MessageRequest => {
  if (!isRecord(body)) throw new ApiError(400, "The request body must be a JSON object.")
  const { messages, model, stream } = body
  if (typeof model !== "string") throw new ApiError(400, "model: Field required")
  requireModel(account, model)
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new ApiError(400, "messages: at least one message is required")
  }
  const texts: Array<string> = []
  const files = messages.flatMap((message: unknown, at) => {
    if (!isRecord(message)) throw new ApiError(400, `messages.${at}: Input should be a valid dictionary`)
    const { content } = message
    if (typeof content === "string") texts.push(content)
    if (!Array.isArray(content)) return []
    return content.flatMap((block: unknown, index) =>
      readBlock(account, block, `messages.${at}.content.${index}`, texts)
    )
  })
  const tools = Array.isArray(body["tools"]) ? body["tools"].filter(isRecord) : []
  const executesCode = tools.some((tool) => String(tool["type"]).startsWith("code_execution"))
  const own = tools.map((tool) => ({ name: String(tool["name"]), schema: tool["input_schema"] }))
  const calls = isAnsweredCall(messages.at(-1)) ? [] : callsOf(body["tool_choice"], own, texts.at(-1))
  return { model, stream: stream === true, texts, files, executesCode, calls, schema: schemaOf(body) }
}

/** Whether a message brings what a tool has answered: then it is the model's turn to speak. */
const isAnsweredCall = (message: unknown): boolean =>
  isRecord(message) &&
  Array.isArray(message["content"]) &&
  message["content"].some((block) => isRecord(block) && block["type"] === "tool_result")

const callsOf = (
  choice: unknown,
  tools: ReadonlyArray<{ readonly name: string; readonly schema: unknown }>,
  prompt: string | undefined
): ReadonlyArray<Directions.ToolCall> => {
  const type = isRecord(choice) ? choice["type"] : "auto"
  if (type === "none") return []
  const named = isRecord(choice) && type === "tool" ? tools.filter(({ name }) => name === choice["name"]) : tools
  return Directions.toolCalls(prompt, named, type !== "auto")
}

const schemaOf = ({ output_config: config, output_format: older }: JsonRecord): JsonRecord | undefined => {
  const format = isRecord(config) && isRecord(config["format"]) ? config["format"] : older
  return isRecord(format) && isRecord(format["schema"]) ? format["schema"] : undefined
}

const tokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / 4)

const outputBlocks = (account: Account): ReadonlyArray<JsonRecord> => {
  const content = Buffer.from(`account\n${account.name}\n`)
  const made = addOutput(account, {
    filename: "result.csv",
    contentType: "text/csv",
    ...MadeContent.fieldsOf(content)
  })
  const id = newId("srvtoolu_")
  return [
    { type: "server_tool_use", id, name: "bash_code_execution", input: { command: "make", file_id: made.id } },
    {
      type: "bash_code_execution_tool_result",
      tool_use_id: id,
      content: {
        type: "bash_code_execution_result",
        stdout: "",
        stderr: "",
        return_code: 0,
        content: [{ type: "bash_code_execution_output", file_id: made.id }]
      }
    }
  ]
}

const build = (account: Account, request: MessageRequest, now: number): JsonRecord => {
  const prompt = request.texts.at(-1)
  const text =
    request.schema === undefined
      ? answerText(account, { ...request, prompt })
      : JSON.stringify(Directions.exampleOf(request.schema))
  const calls = request.calls.map(({ input, name }) => ({ type: "tool_use", id: newId("toolu_"), name, input }))
  return {
    id: newId("msg_"),
    type: "message",
    role: "assistant",
    model: request.model,
    content: [
      ...(request.executesCode ? outputBlocks(account) : []),
      ...(calls.length > 0 ? calls : [{ type: "text", text, citations: null }])
    ],
    stop_reason: Directions.finish(prompt) ?? (calls.length > 0 ? "tool_use" : "end_turn"),
    stop_sequence: null,
    ...(request.executesCode
      ? { container: { id: newId("container_"), expires_at: new Date(now + 3_600_000).toISOString() } }
      : {}),
    usage: {
      input_tokens: request.texts.reduce((sum, part) => sum + tokens(part), 0),
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: tokens(text)
    }
  }
}

/** A tool's input in two pieces, after the empty one that comes first. */
const inputDeltas = (json: string): ReadonlyArray<string> => {
  const middle = Math.ceil(json.length / 2)
  return ["", json.slice(0, middle), json.slice(middle)]
}

async function* events(message: JsonRecord, shape: StreamShape, signal: AbortSignal): AsyncGenerator<NamedEvent> {
  const event = (type: string, fields: JsonRecord): NamedEvent => ({
    event: type,
    data: JSON.stringify({ type, ...fields })
  })
  const { container, content, stop_reason: stopReason, stop_sequence: stopSequence, usage } = message
  yield event("message_start", { message: { ...message, content: [], stop_reason: null } })
  yield event("ping", {})
  const blocks = Array.isArray(content) ? content.filter(isRecord) : []
  for (const [index, block] of blocks.entries()) {
    const { input, text, type } = block
    yield event("content_block_start", {
      index,
      content_block:
        typeof text === "string" ? { ...block, text: "" } : type === "tool_use" ? { ...block, input: {} } : block
    })
    if (type === "tool_use") {
      yield* inputDeltas(JSON.stringify(input)).map((partial) =>
        event("content_block_delta", { index, delta: { type: "input_json_delta", partial_json: partial } })
      )
    }
    if (typeof text === "string") {
      for (const piece of pieces(text, shape.events)) {
        await pause(shape.intervalMs ?? 0, signal)
        yield event("content_block_delta", { index, delta: { type: "text_delta", text: piece } })
      }
    }
    yield event("content_block_stop", { index })
  }
  const delta = {
    stop_reason: stopReason,
    stop_sequence: stopSequence,
    ...(container === undefined ? {} : { container })
  }
  yield event("message_delta", { delta, usage })
  yield event("message_stop", {})
}

export const requireVersion = (headers: Readonly<Record<string, unknown>>): void => {
  if (headers["anthropic-version"] === undefined) throw new ApiError(400, "anthropic-version: header is required")
}

/** The answer to a body outside of any exchange, such as a batch's. Throws an `ApiError`. */
export const answerOf = (account: Account, body: unknown, now: number): JsonRecord => {
  const request = validate(account, body)
  requireLength(body)
  return build(account, request, now)
}

const requireLength = (body: unknown): void => {
  if (isRecord(body) && typeof body["max_tokens"] !== "number") throw new ApiError(400, "max_tokens: Field required")
}

const create: Route = {
  name: "messages",
  method: "POST",
  path: "/v1/messages",
  receive: withJson((exchange, parse) => {
    const { account, request } = exchange
    requireVersion(request.headers)
    const body = parse()
    const read = validate(account, body)
    requireLength(body)
    const message = build(account, read, exchange.now())
    return read.stream ? Answer.events((signal) => events(message, account.stream, signal)) : Answer.json(200, message)
  })
}

const count: Route = {
  name: "messages.count_tokens",
  method: "POST",
  path: "/v1/messages/count_tokens",
  receive: withJson((exchange, parse) => {
    requireVersion(exchange.request.headers)
    const { files, texts } = validate(exchange.account, parse())
    const total = texts.reduce((sum, part) => sum + tokens(part), 0)
    return Answer.json(200, { input_tokens: files.reduce((sum, { bytes }) => sum + Math.ceil(bytes / 4), total) })
  })
}

export const routes: ReadonlyArray<Route> = [create, count]
