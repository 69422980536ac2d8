/**
 * `generateContent`, plain and streamed, the counting of tokens, and the models. The answer's text tells which account
 * answered and what it saw of each file, or has the shape that is asked for; functions are called as `Directions` says.
 */
import type { Account } from "../openai/Account.ts"
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import type { AttachedFile } from "../openai/AnswerText.ts"
import { answerText, inlineFile } from "../openai/AnswerText.ts"
import { isRecord, pieces } from "../openai/Chat.ts"
import type { StreamShape } from "../openai/Chat.ts"
import * as Directions from "../openai/Directions.ts"
import type { JsonRecord } from "../openai/Directions.ts"
import { pause } from "../openai/Http.ts"
import { newId } from "../openai/Ids.ts"
import { bodiless, withJson } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"
import { existing } from "./Files.ts"
import { versioned } from "./Names.ts"

interface GenerateRequest {
  readonly model: string
  readonly texts: ReadonlyArray<string>
  readonly files: ReadonlyArray<AttachedFile>
  readonly calls: ReadonlyArray<Directions.ToolCall>
  readonly schema: unknown
}

/** A member under its name in JSON or in the API's own description; both are understood. */
const member = (record: JsonRecord, name: string): unknown =>
  record[name] ?? record[name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]

const recordOf = (record: JsonRecord, name: string): JsonRecord | undefined => {
  const value = member(record, name)
  return isRecord(value) ? value : undefined
}

const recordsOf = (record: JsonRecord, name: string): ReadonlyArray<JsonRecord> => {
  const value = member(record, name)
  return Array.isArray(value) ? value.filter(isRecord) : []
}

const stored = (account: Account, data: JsonRecord): AttachedFile => {
  const uri = member(data, "fileUri")
  const id = typeof uri === "string" ? /^https?:\/\/[^/]+\/v1(?:beta)?\/(files\/[^/?#]+)$/.exec(uri)?.[1] : undefined
  if (id === undefined) throw new ApiError(400, `Invalid or unsupported file uri: ${String(uri)}`)
  const file = existing(account, id)
  if (typeof member(data, "mimeType") !== "string")
    throw new ApiError(400, "Unable to determine the mime type of the file.")
  if (file.state === "ready") return file
  const message = `The File ${id.replace("files/", "")} is not in an ACTIVE state and usage is not allowed.`
  throw new ApiError(400, message, { code: "FAILED_PRECONDITION" })
}

const inline = (data: JsonRecord): AttachedFile => {
  if (typeof member(data, "mimeType") !== "string") throw new ApiError(400, "inline_data.mime_type: required")
  return inlineFile(String(data["data"] ?? ""))
}

const callsOf = (body: JsonRecord, prompt: string | undefined): ReadonlyArray<Directions.ToolCall> => {
  const tools = recordsOf(body, "tools")
    .flatMap((tool) => recordsOf(tool, "functionDeclarations"))
    .map((tool) => ({
      name: String(tool["name"]),
      schema: member(tool, "parametersJsonSchema") ?? member(tool, "parameters")
    }))
  const config = recordOf(recordOf(body, "toolConfig") ?? {}, "functionCallingConfig") ?? {}
  const mode = member(config, "mode") ?? "AUTO"
  if (mode === "NONE") return []
  const allowed = member(config, "allowedFunctionNames")
  const offered = Array.isArray(allowed) ? tools.filter(({ name }) => allowed.includes(name)) : tools
  return Directions.toolCalls(prompt, offered, mode === "ANY")
}

const validate = (account: Account, model: string, body: unknown): GenerateRequest => {
  if (!isRecord(body)) throw new ApiError(400, "Invalid JSON payload received.")
  if (account.models !== undefined && !account.models.includes(model)) {
    throw new ApiError(
      404,
      `models/${model} is not found for API version v1beta, or is not supported for generateContent.`
    )
  }
  const contents = recordsOf(body, "contents")
  if (contents.length === 0) throw new ApiError(400, "GenerateContentRequest.contents: contents is not specified")
  const texts: Array<string> = []
  const files: Array<AttachedFile> = []
  for (const part of contents.flatMap((content) => recordsOf(content, "parts"))) {
    if (typeof part["text"] === "string") texts.push(part["text"])
    const reference = recordOf(part, "fileData")
    if (reference !== undefined) files.push(stored(account, reference))
    const data = recordOf(part, "inlineData")
    if (data !== undefined) files.push(inline(data))
  }
  const isAnswered = recordsOf(contents.at(-1) ?? {}, "parts").some(
    (part) => recordOf(part, "functionResponse") !== undefined
  )
  const config = recordOf(body, "generationConfig") ?? {}
  const isJson = member(config, "responseMimeType") === "application/json"
  return {
    model,
    texts,
    files,
    calls: isAnswered ? [] : callsOf(body, texts.at(-1)),
    schema: isJson ? (member(config, "responseJsonSchema") ?? member(config, "responseSchema") ?? {}) : undefined
  }
}

const tokens = (bytes: number): number => Math.ceil(bytes / 4)

const promptTokens = ({ files, texts }: GenerateRequest): number =>
  [...texts.map((text) => Buffer.byteLength(text)), ...files.map(({ bytes }) => bytes)].reduce(
    (sum, bytes) => sum + tokens(bytes),
    0
  )

const textOf = (account: Account, request: GenerateRequest): string =>
  request.schema === undefined
    ? answerText(account, { ...request, prompt: request.texts.at(-1) })
    : JSON.stringify(Directions.exampleOf(request.schema))

/** The answer, in as many chunks as it is to be streamed in. */
const build = (
  account: Account,
  request: GenerateRequest,
  shape: StreamShape | undefined
): ReadonlyArray<JsonRecord> => {
  const text = request.calls.length > 0 ? "" : textOf(account, request)
  const parts =
    request.calls.length > 0
      ? [request.calls.map(({ input, name }) => ({ functionCall: { name, args: input } }))]
      : [...(shape === undefined ? [text] : pieces(text, shape.events))].map((piece) => [{ text: piece }])
  const output = tokens(Buffer.byteLength(text === "" ? JSON.stringify(request.calls) : text))
  const input = promptTokens(request)
  const responseId = newId("")
  return parts.map((piece, index) => {
    const isLast = index === parts.length - 1
    return {
      candidates: [
        {
          content: { parts: piece, role: "model" },
          ...(isLast ? { finishReason: Directions.finish(request.texts.at(-1)) ?? "STOP" } : {}),
          index: 0
        }
      ],
      usageMetadata: {
        promptTokenCount: input,
        ...(isLast ? { candidatesTokenCount: output } : {}),
        totalTokenCount: input + (isLast ? output : 0)
      },
      modelVersion: request.model,
      responseId
    }
  })
}

/** The answer to a body outside of any exchange, such as a batch's. Throws an `ApiError`. */
export const answerOf = (account: Account, model: string, body: unknown): JsonRecord =>
  build(account, validate(account, model, body), undefined)[0] ?? {}

const generate: Route = {
  name: "generate",
  method: "POST",
  path: "/models/:model:generateContent",
  receive: withJson((exchange, parse) =>
    Answer.json(200, answerOf(exchange.account, exchange.params["model"] ?? "", parse()))
  )
}

async function* streamed(chunks: ReadonlyArray<JsonRecord>, shape: StreamShape, signal: AbortSignal) {
  for (const chunk of chunks) {
    await pause(shape.intervalMs ?? 0, signal)
    yield JSON.stringify(chunk)
  }
}

const stream: Route = {
  name: "generate.stream",
  method: "POST",
  path: "/models/:model:streamGenerateContent",
  receive: withJson((exchange, parse) => {
    const { account, params, query } = exchange
    const chunks = build(account, validate(account, params["model"] ?? "", parse()), account.stream)
    // Without the wish for events the chunks come as one array.
    return query.get("alt") === "sse"
      ? Answer.events((signal) => streamed(chunks, account.stream, signal))
      : Answer.json(200, chunks)
  })
}

const count: Route = {
  name: "messages.count_tokens",
  method: "POST",
  path: "/models/:model:countTokens",
  receive: withJson((exchange, parse) => {
    const request = validate(exchange.account, exchange.params["model"] ?? "", parse())
    return Answer.json(200, { totalTokens: promptTokens(request) })
  })
}

const models: Route = {
  name: "models.list",
  method: "GET",
  path: "/models",
  receive: bodiless(({ account }) =>
    Answer.json(200, {
      models: (account.models ?? ["gemini-2.5-flash"]).map((name) => ({ name: `models/${name}`, displayName: name }))
    })
  )
}

export const routes: ReadonlyArray<Route> = versioned([generate, stream, count, models])
