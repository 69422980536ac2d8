/**
 * `/v1/responses`: create, plain and streamed, retrieve, delete, cancel and input items. As in chat the answer's text
 * tells which account answered and what it saw of each file; every file is cited, and a code interpreter leaves one.
 */
import type { Account } from "./Account.ts"
import * as Accounts from "./Account.ts"
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import type { AttachedFile } from "./AnswerText.ts"
import { answerText } from "./AnswerText.ts"
import type { NamedEvent } from "./Answer.ts"
import { attached, isRecord, missing, pieces, wrongType } from "./Chat.ts"
import type { StreamShape } from "./Chat.ts"
import * as Containers from "./Containers.ts"
import type { Exchange } from "./Http.ts"
import { pause } from "./Http.ts"
import { newId } from "./Ids.ts"
import { requireModel } from "./Models.ts"
import { bodiless, withJson } from "./Receiving.ts"
import type { Route } from "./Route.ts"

type JsonRecord = Readonly<Record<string, unknown>>

interface SeenFile {
  readonly id: string | undefined
  readonly file: AttachedFile
}

interface Stored {
  object: JsonRecord
  readonly input: ReadonlyArray<JsonRecord>
}

const responses: Accounts.StateKey<Map<string, Stored>> = { symbol: Symbol("responses"), make: () => new Map() }

const storeOf = (account: Account): Map<string, Stored> => Accounts.of(account, responses)

const inputItems = (input: unknown): ReadonlyArray<JsonRecord> => {
  if (input === undefined) throw missing("input")
  if (typeof input === "string") {
    return [{ id: newId("msg_"), type: "message", role: "user", content: [{ type: "input_text", text: input }] }]
  }
  if (!Array.isArray(input)) throw wrongType("input", "a string or an array")
  return input.map((item, index) => {
    if (!isRecord(item)) throw wrongType(`input[${index}]`, "an object")
    return { id: newId("msg_"), type: "message", ...item }
  })
}

/** All parts of an item's content, its own and those of a tool's output. */
const partsOf = (item: JsonRecord): ReadonlyArray<readonly [path: string, part: unknown]> =>
  ["content", "output"].flatMap((key) => {
    const parts = item[key]
    return Array.isArray(parts) ? parts.map((part, index) => [`${key}[${index}]`, part] as const) : []
  })

const filesOf = (account: Account, items: ReadonlyArray<JsonRecord>): ReadonlyArray<SeenFile> =>
  items.flatMap((item, at) =>
    partsOf(item).flatMap(([path, part]) => {
      if (!isRecord(part) || (part["type"] !== "input_file" && part["type"] !== "input_image")) return []
      if (part["file_id"] === undefined && part["file_data"] === undefined) return []
      const file = attached(account, part, `input[${at}].${path}`)
      return [{ id: typeof part["file_id"] === "string" ? part["file_id"] : undefined, file }]
    })
  )

const textsOf = (items: ReadonlyArray<JsonRecord>): ReadonlyArray<string> =>
  items.flatMap((item) => [
    ...(typeof item["content"] === "string" ? [item["content"]] : []),
    ...partsOf(item).flatMap(([, part]) => (isRecord(part) && typeof part["text"] === "string" ? [part["text"]] : []))
  ])

/** The container of the code interpreter, if the request has one, with the files that it is given. */
const interpreter = (
  account: Account,
  tools: unknown
): { readonly container: Containers.Container; readonly files: ReadonlyArray<SeenFile> } | undefined => {
  if (!Array.isArray(tools)) return undefined
  const index = tools.findIndex((tool) => isRecord(tool) && tool["type"] === "code_interpreter")
  const tool: unknown = tools[index]
  if (!isRecord(tool)) return undefined
  const { container } = tool
  const param = `tools[${index}].container`
  if (typeof container === "string") {
    return { container: Containers.requireContainer(account, container, param), files: [] }
  }
  const ids: unknown = isRecord(container) ? (container["file_ids"] ?? []) : []
  if (!Array.isArray(ids)) throw wrongType(`${param}.file_ids`, "an array")
  const files = ids.map((id: unknown, at) => {
    if (typeof id !== "string") throw wrongType(`${param}.file_ids[${at}]`, "a string")
    const stored = account.files.get(id)
    if (stored === undefined) throw new ApiError(400, `No such File object: ${id}`, { param: `${param}.file_ids` })
    return { id, file: stored }
  })
  return { container: Containers.createContainer(account), files }
}

const annotationsOf = (files: ReadonlyArray<SeenFile>, made: Containers.ContainerFile | undefined, text: string) => [
  ...files.flatMap(({ file, id }) =>
    id === undefined ? [] : [{ type: "file_citation", file_id: id, filename: file.filename, index: text.length }]
  ),
  ...(made === undefined
    ? []
    : [
        {
          type: "container_file_citation",
          container_id: made.container,
          file_id: made.id,
          filename: made.filename,
          start_index: 0,
          end_index: text.length
        }
      ])
]

const build = (exchange: Exchange, body: unknown): Stored => {
  const { account } = exchange
  if (!isRecord(body)) throw new ApiError(400, "The request body must be a JSON object.")
  const { background, input, metadata, model, previous_response_id: previous, store, tools } = body
  if (model === undefined) throw missing("model")
  if (typeof model !== "string") throw wrongType("model", "a string")
  requireModel(account, model)
  if (typeof previous === "string" && !storeOf(account).has(previous)) {
    const message = `Previous response with id '${previous}' not found.`
    throw new ApiError(400, message, { param: "previous_response_id", code: "previous_response_not_found" })
  }
  const items = inputItems(input)
  const code = interpreter(account, tools)
  const files = [...filesOf(account, items), ...(code?.files ?? [])]
  const prompt = textsOf(items).at(-1)
  const text = answerText(account, {
    model,
    files: files.map(({ file }) => file),
    prompt,
    notes: typeof previous === "string" ? ["It goes on."] : []
  })
  const createdAt = Math.floor(exchange.now() / 1000)
  const made =
    code === undefined
      ? undefined
      : Containers.addFile(code.container, {
          filename: "result.csv",
          content: Buffer.from(`account,files\n${account.name},${files.length}\n`),
          createdAt
        })
  const tokens = Math.ceil(text.length / 4)
  const calls =
    code === undefined
      ? []
      : [
          {
            id: newId("ci_"),
            type: "code_interpreter_call",
            status: "completed",
            code: "print(1)",
            container_id: code.container.id,
            outputs: null
          }
        ]
  const object: JsonRecord = {
    id: newId("resp_"),
    object: "response",
    created_at: createdAt,
    status: background === true ? "queued" : "completed",
    background: background === true,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    metadata: metadata ?? {},
    model,
    output: [
      ...calls,
      {
        id: newId("msg_"),
        type: "message",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text, annotations: annotationsOf(files, made, text), logprobs: [] }]
      }
    ],
    parallel_tool_calls: true,
    previous_response_id: typeof previous === "string" ? previous : null,
    reasoning: { effort: null, summary: null },
    store: store !== false,
    temperature: 1,
    text: { format: { type: "text" } },
    tool_choice: "auto",
    tools: Array.isArray(tools) ? tools : [],
    top_p: 1,
    truncation: "disabled",
    usage: {
      input_tokens: tokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: tokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 2 * tokens
    },
    user: null
  }
  return { object, input: items }
}

const outputOf = (object: JsonRecord): ReadonlyArray<JsonRecord> =>
  Array.isArray(object["output"]) ? object["output"].filter(isRecord) : []

async function* events(object: JsonRecord, shape: StreamShape, signal: AbortSignal): AsyncGenerator<NamedEvent> {
  let sequence = 0
  const event = (type: string, fields: JsonRecord): NamedEvent => ({
    event: type,
    data: JSON.stringify({ type, sequence_number: sequence++, ...fields })
  })
  const begun = { ...object, status: "in_progress", output: [], usage: null }
  yield event("response.created", { response: begun })
  yield event("response.in_progress", { response: begun })
  for (const [outputIndex, item] of outputOf(object).entries()) {
    const at = { output_index: outputIndex, item_id: item["id"] }
    yield event("response.output_item.added", { output_index: outputIndex, item: { ...item, content: [] } })
    const content = Array.isArray(item["content"]) ? item["content"] : []
    for (const [contentIndex, part] of content.entries()) {
      if (!isRecord(part) || typeof part["text"] !== "string") continue
      const within = { ...at, content_index: contentIndex }
      yield event("response.content_part.added", { ...within, part: { ...part, text: "", annotations: [] } })
      for (const piece of pieces(part["text"], shape.events)) {
        await pause(shape.intervalMs ?? 0, signal)
        yield event("response.output_text.delta", { ...within, delta: piece, logprobs: [] })
      }
      const annotations = Array.isArray(part["annotations"]) ? part["annotations"] : []
      for (const [index, annotation] of annotations.entries()) {
        yield event("response.output_text.annotation.added", { ...within, annotation_index: index, annotation })
      }
      yield event("response.output_text.done", { ...within, text: part["text"], logprobs: [] })
      yield event("response.content_part.done", { ...within, part })
    }
    yield event("response.output_item.done", { output_index: outputIndex, item })
  }
  yield event("response.completed", { response: object })
}

const create: Route = {
  name: "responses.create",
  method: "POST",
  path: "/v1/responses",
  receive: withJson((exchange, parse) => {
    const body = parse()
    const made = build(exchange, body)
    if (made.object["store"] === true) storeOf(exchange.account).set(String(made.object["id"]), made)
    return isRecord(body) && body["stream"] === true
      ? Answer.events((signal) => events(made.object, exchange.account.stream, signal))
      : Answer.json(200, made.object)
  })
}

const stored = ({ account, params }: Exchange): Stored => {
  const id = params["id"] ?? ""
  const found = storeOf(account).get(id)
  if (found === undefined) throw new ApiError(404, `Response with id '${id}' not found.`)
  return found
}

const retrieve: Route = {
  name: "responses.retrieve",
  method: "GET",
  path: "/v1/responses/:id",
  receive: bodiless((exchange) => {
    const found = stored(exchange)
    if (found.object["status"] === "queued") found.object = { ...found.object, status: "completed" }
    const { object } = found
    return exchange.query.get("stream") === "true"
      ? Answer.events((signal) => events(object, exchange.account.stream, signal))
      : Answer.json(200, object)
  })
}

const remove: Route = {
  name: "responses.delete",
  method: "DELETE",
  path: "/v1/responses/:id",
  receive: bodiless((exchange) => {
    const { id } = stored(exchange).object
    storeOf(exchange.account).delete(String(id))
    return Answer.json(200, { id, object: "response.deleted", deleted: true })
  })
}

const cancel: Route = {
  name: "responses.cancel",
  method: "POST",
  path: "/v1/responses/:id/cancel",
  receive: bodiless((exchange) => {
    const found = stored(exchange)
    if (found.object["background"] !== true) {
      throw new ApiError(400, "Only background responses can be cancelled.")
    }
    if (found.object["status"] === "queued") found.object = { ...found.object, status: "cancelled", output: [] }
    return Answer.json(200, found.object)
  })
}

const listInput: Route = {
  name: "responses.input_items",
  method: "GET",
  path: "/v1/responses/:id/input_items",
  receive: bodiless((exchange) => {
    const data = stored(exchange).input
    return Answer.json(200, {
      object: "list",
      data,
      first_id: data.at(0)?.["id"] ?? null,
      last_id: data.at(-1)?.["id"] ?? null,
      has_more: false
    })
  })
}

export const routes: ReadonlyArray<Route> = [create, retrieve, remove, cancel, listInput]
