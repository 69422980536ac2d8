/**
 * `/v1/chat/completions`, plain and streamed. The answer's text tells which account answered and, for each file of the
 * request, its name, size and digest: so one sees that the file really is in that account.
 */
import type { Account } from "./Account.ts"
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import type { AttachedFile } from "./AnswerText.ts"
import { answerText, inlineFile } from "./AnswerText.ts"
import { pause } from "./Http.ts"
import { newId } from "./Ids.ts"
import { requireModel } from "./Models.ts"
import { withJson } from "./Receiving.ts"
import type { Route } from "./Route.ts"

/** How an answer is streamed. */
export interface StreamShape {
  /** How many events carry content; a text too short for them is lengthened. Default: one for each word. */
  readonly events?: number | undefined
  /** Milliseconds of real time before each event that carries content. Default 0. */
  readonly intervalMs?: number | undefined
}

interface ChatRequest {
  readonly model: string
  readonly stream: boolean
  readonly includeUsage: boolean
  /** All text of the messages. */
  readonly texts: ReadonlyArray<string>
  readonly files: ReadonlyArray<AttachedFile>
}

interface Completion {
  readonly id: string
  readonly created: number
  readonly model: string
  readonly text: string
  readonly usage: Record<string, unknown>
}

/** What APIs of this shape do each in their own way. */
export interface ChatApi {
  /** What names the file of a part; undefined for a part that has none. May refuse the part. */
  readonly fileOf: (part: Readonly<Record<string, unknown>>) => unknown
  /** Throws an `ApiError` for a body that the API does not take. */
  readonly check?: ((body: Readonly<Record<string, unknown>>) => void) | undefined
}

/** The routes of an API of this shape. */
export const make = (api: ChatApi): ReadonlyArray<Route> => [
  {
    name: "chat",
    method: "POST",
    path: "/v1/chat/completions",
    receive: withJson((exchange, parse) => {
      const { account, params } = exchange
      const request = validate(api, account, ofDeployment(parse(), params["deployment"]))
      const completion = completionOf(account, request, Math.floor(exchange.now() / 1000))
      if (!request.stream) return Answer.json(200, toObject(completion))
      const shape = account.stream
      return Answer.events((signal) => streamed(completion, { ...shape, includeUsage: request.includeUsage, signal }))
    })
  }
]

/** OpenAI's own. */
export const openai: ChatApi = { fileOf: (part) => (part["type"] === "file" ? (part["file"] ?? null) : undefined) }

/** For APIs whose chat has no files. */
export const withoutFiles: ChatApi = {
  fileOf: ({ type }) => {
    if (type !== "file") return undefined
    throw new ApiError(400, "Content of the type 'file' is not supported.", { param: "messages" })
  }
}

export const routes: ReadonlyArray<Route> = make(openai)

/** A path that names a deployment says which model it is. */
const ofDeployment = (body: unknown, deployment: string | undefined): unknown =>
  deployment !== undefined && isRecord(body) ? { ...body, model: deployment } : body

const completionOf = (account: Account, request: ChatRequest, created: number): Completion => {
  const text = answerText(account, { ...request, prompt: request.texts.at(-1) })
  return { id: newId("chatcmpl-"), created, model: request.model, text, usage: usage(request, text) }
}

/** The answer to a body outside of any exchange, such as a batch's. `created` in seconds. Throws an `ApiError`. */
export const answerOf = (account: Account, body: unknown, created: number, api = openai): Record<string, unknown> =>
  toObject(completionOf(account, validate(api, account, body), created))

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const wrongType = (param: string, expected: string): ApiError =>
  new ApiError(400, `Invalid type for '${param}': expected ${expected}.`, { param, code: "invalid_type" })

export const missing = (param: string): ApiError =>
  new ApiError(400, `Missing required parameter: '${param}'.`, { param, code: "missing_required_parameter" })

const validate = (api: ChatApi, account: Account, body: unknown): ChatRequest => {
  if (!isRecord(body)) throw new ApiError(400, "The request body must be a JSON object.")
  api.check?.(body)
  const { model, messages, stream, stream_options: streamOptions } = body
  if (model === undefined) throw missing("model")
  if (typeof model !== "string") throw wrongType("model", "a string")
  requireModel(account, model)
  if (messages === undefined) throw missing("messages")
  if (!Array.isArray(messages)) throw wrongType("messages", "an array of objects")
  if (messages.length === 0) {
    const message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array."
    throw new ApiError(400, message, { param: "messages", code: "empty_array" })
  }
  const texts: Array<string> = []
  const files: Array<AttachedFile> = []
  for (const [at, message] of messages.entries()) {
    if (!isRecord(message)) throw wrongType(`messages[${at}]`, "an object")
    if (typeof message["role"] !== "string") throw missing(`messages[${at}].role`)
    const content = message["content"]
    if (typeof content === "string") texts.push(content)
    if (!Array.isArray(content)) continue
    for (const [index, part] of content.entries()) {
      const param = `messages[${at}].content[${index}]`
      if (!isRecord(part)) throw wrongType(param, "an object")
      if (typeof part["text"] === "string") texts.push(part["text"])
      const file = api.fileOf(part)
      if (file !== undefined) files.push(attached(account, file, `${param}.file`))
    }
  }
  const includeUsage = isRecord(streamOptions) && streamOptions["include_usage"] === true
  return { model, stream: stream === true, includeUsage, texts, files }
}

export const attached = (account: Account, file: unknown, param: string): AttachedFile => {
  if (!isRecord(file)) throw missing(param)
  const { file_id: id, file_data: data, filename } = file
  if (id !== undefined) {
    if (typeof id !== "string") throw wrongType(`${param}.file_id`, "a string")
    const stored = account.files.get(id)
    if (stored === undefined) throw new ApiError(400, `No such File object: ${id}`, { param: `${param}.file_id` })
    return stored
  }
  if (typeof data !== "string") throw missing(`${param}.file_id`)
  return inlineFile(data.replace(/^data:[^,]*,/, ""), typeof filename === "string" ? filename : undefined)
}

/** Token counts by a rule of thumb: four bytes a token. */
const usage = (request: ChatRequest, text: string): Record<string, unknown> => {
  const tokens = (bytes: number): number => Math.ceil(bytes / 4)
  const promptTexts = request.texts.reduce((sum, part) => sum + tokens(Buffer.byteLength(part)), 0)
  const prompt = request.files.reduce((sum, file) => sum + tokens(file.bytes), promptTexts)
  const completion = tokens(Buffer.byteLength(text))
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0
    }
  }
}

const toObject = ({ id, created, model, text, usage: tokens }: Completion): Record<string, unknown> => ({
  id,
  object: "chat.completion",
  created,
  model,
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: text, refusal: null, annotations: [] },
      logprobs: null,
      finish_reason: "stop"
    }
  ],
  usage: tokens,
  service_tier: "default"
})

async function* streamed(
  completion: Completion,
  options: StreamShape & { readonly includeUsage: boolean; readonly signal: AbortSignal }
): AsyncGenerator<string> {
  const { id, created, model } = completion
  const head = { id, object: "chat.completion.chunk", created, model, service_tier: "default" }
  const noUsage = options.includeUsage ? { usage: null } : {}
  const chunk = (delta: Record<string, unknown>, finishReason: string | null): string =>
    JSON.stringify({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
      ...noUsage
    })

  yield chunk({ role: "assistant", content: "", refusal: null }, null)
  for (const piece of pieces(completion.text, options.events)) {
    await pause(options.intervalMs ?? 0, options.signal)
    yield chunk({ content: piece }, null)
  }
  yield chunk({}, "stop")
  if (options.includeUsage) yield JSON.stringify({ ...head, choices: [], usage: completion.usage })
  yield "[DONE]"
}

/** Cuts the text into words, or into the given number of pieces. */
export function* pieces(text: string, count: number | undefined): Generator<string> {
  const words = text.match(/\s*\S+/g) ?? []
  if (count === undefined) {
    yield* words
    return
  }
  const perPiece = Math.max(1, Math.floor(words.length / count))
  for (let index = 0; index < count; index += 1) {
    // The last piece takes what is left; beyond the text's end there is filler.
    const end = index === count - 1 ? words.length : (index + 1) * perPiece
    yield words.slice(index * perPiece, end).join("") || " and"
  }
}
