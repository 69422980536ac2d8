/**
 * A batch's input in the form of a provider that does not speak OpenAI's: line by line, as a stream. A line that has no
 * translation is not sent; the ledger says why.
 */
import * as Result from "effect/Result"
import * as BatchLines from "./BatchLines.ts"
import { longestLine, type Rewriting, rewriteLine } from "./BatchVariant.ts"
import * as Bytes from "./Bytes.ts"
import { InvalidRequest } from "./CallError.ts"
import type { ChatTranslator, FilePlacement } from "./ChatTranslator.ts"
import * as Ledger from "./ForeignBatchLedger.ts"
import type { ForeignBatches } from "./ForeignBatches.ts"
import { isObject, type Json, type JsonObject, parseObject, textOf } from "./Json.ts"
import type { Provider } from "./Provider.ts"
import { TextBuffer } from "./internal/TextBuffer.ts"
import { makeTurns } from "./internal/turn.ts"
import * as LineReader from "./LineReader.ts"

export interface Encoding {
  readonly batches: ForeignBatches
  /** Null: the bodies are of the provider's own wire as they are, but for the parts that name files. */
  readonly translator: ChatTranslator | null
  readonly filePart: Provider["filePart"]
  readonly rewriting: Rewriting
  readonly modelName: string
  /** The files that lines name, by unified ID. */
  readonly files: ReadonlyMap<string, FilePlacement>
}

/** What of the input could not be put in the provider's form, for the whole batch. */
export class InputTooLarge extends Error {}

const wires: Readonly<Record<string, "chat" | "responses">> = {
  "/v1/chat/completions": "chat",
  "/v1/responses": "responses"
}

export const wireOf = (endpoint: string): "chat" | "responses" => wires[endpoint] ?? "chat"

const decoder = new TextDecoder()

const bodyOf = (line: Uint8Array): JsonObject => {
  const body = parseObject(decoder.decode(line))?.["body"]
  if (!isObject(body)) throw new TypeError("A line of a batch has no body.")
  return body
}

/** The chat with its parts that name files as the provider wants them, where these have its own names already. */
const withParts = (
  body: JsonObject,
  filePart: NonNullable<Provider["filePart"]>,
  files: ReadonlyMap<string, FilePlacement>
): JsonObject => {
  const placed = new Map([...files.values()].map((file) => [file.as._tag === "Reference" ? file.as.value : "", file]))
  const partOf = (part: Json): Json => {
    const file = isObject(part) ? part["file"] : undefined
    const reference = isObject(file) ? textOf(file["file_id"]) : null
    const found = reference === null ? undefined : placed.get(reference)
    if (!isObject(part) || reference === null || found === undefined) return part
    return filePart(part, { use: "chat", reference, filename: found.filename, contentType: found.contentType })
  }
  const messageOf = (message: Json): Json =>
    isObject(message) && Array.isArray(message["content"])
      ? { ...message, content: message["content"].map(partOf) }
      : message
  const { messages } = body
  return Array.isArray(messages) ? { ...body, messages: messages.map(messageOf) } : body
}

/**
 * The body of a line in the provider's wire, as JSON, and what its answer will depend on. Rejects with `InvalidRequest`
 * where there are no words for it.
 */
const encodeLine = async (
  line: LineReader.Line,
  endpoint: string,
  { batches, filePart, files, modelName, rewriting, translator }: Encoding
): Promise<{ readonly body: string; readonly shape: Ledger.Shape }> => {
  if (translator === null) {
    const own = bodyOf(Bytes.concat(rewriteLine(line, rewriting)))
    const body = filePart === null || files.size === 0 ? own : withParts(own, filePart, files)
    const adapted = batches.frame.adapt === null ? body : batches.frame.adapt(body, endpoint)
    return { body: JSON.stringify(adapted), shape: {} }
  }
  const { model } = rewriting
  const body = bodyOf(line.bytes)
  const request = { wire: wireOf(endpoint), body, model, modelName, files, id: "", now: 0 }
  return { body: (await translator.encode(request)).body, shape: Ledger.shapeOf(endpoint, body) }
}

const reasonOf = ({ message, param }: InvalidRequest): string => (param === null ? message : `${message} (${param})`)

/**
 * Content is sent on in pieces of so many bytes. Stores write one as soon as they have it, while they would hold on to
 * shorter ones; and where all are of one length, the memory of those that are done is used again.
 */
export const pieceLength = 1024 * 1024

/**
 * Comes after each piece: who iterates holds on to what came last until the next comes, and memory that is held for so
 * long is given back late.
 */
export const nothing = new Uint8Array(0)

/**
 * The input as the provider wants it, for content that a summary has been made of. What has to be remembered of its
 * lines is told to the ledger. Throws {@link InputTooLarge}.
 */
export async function* write(
  content: Bytes.Bytes,
  encoding: Encoding,
  ledger: Ledger.Writer
): AsyncGenerator<Uint8Array, void, void> {
  const { batches, rewriting } = encoding
  const { close, open, separator } = batches.frame
  let bytes = 0
  const piece = new TextBuffer()
  piece.add(open)
  const flush = (length?: number): Uint8Array => {
    const chunk = piece.take(length)
    bytes += chunk.byteLength
    if (bytes > batches.maxBytes) {
      throw new InputTooLarge(`The input has more than the ${batches.maxBytes} bytes that the provider takes.`)
    }
    return chunk
  }
  const turn = makeTurns()
  for await (const line of LineReader.read(content, longestLine)) {
    await turn()
    if (LineReader.isBlank(line.bytes)) continue
    const parsed = BatchLines.parse(line.bytes, rewriting.allowProviderIds)
    if (Result.isFailure(parsed)) throw new TypeError(`Line ${line.number} ${parsed.failure}`)
    const { customId, url } = parsed.success
    if (!batches.endpoints.includes(url)) {
      ledger.refuse(line.number, customId, `The model cannot be called at ${url} in a batch.`)
      continue
    }
    try {
      const { body, shape } = await encodeLine(line, url, encoding)
      const text = batches.frame.line(Ledger.keyOf(line.number), body, url)
      if (ledger.sent > 0) piece.add(separator)
      piece.add(text)
      ledger.accept(line.number, customId, shape)
    } catch (cause) {
      if (!(cause instanceof InvalidRequest)) throw cause
      ledger.refuse(line.number, customId, reasonOf(cause))
    }
    if (ledger.sent > batches.maxRequests) {
      throw new InputTooLarge(`The input has more than the ${batches.maxRequests} requests that the provider takes.`)
    }
    while (piece.length >= pieceLength) {
      yield flush(pieceLength)
      yield nothing
    }
  }
  piece.add(close)
  yield flush()
}
