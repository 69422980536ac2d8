/** The results of a batch in another provider's form as the lines of OpenAI's output and error files. */
import * as Result from "effect/Result"
import { type Bytes, concat } from "./Bytes.ts"
import type { ChatTranslator } from "./ChatTranslator.ts"
import { wireOf } from "./ForeignBatchInput.ts"
import * as Ledger from "./ForeignBatchLedger.ts"
import type { ForeignBatches, ForeignResult } from "./ForeignBatches.ts"
import { nextTurn } from "./internal/turn.ts"
import { type JsonObject, parseObject } from "./Json.ts"
import * as LineReader from "./LineReader.ts"
import * as Usage from "./Usage.ts"

export interface Decoding {
  readonly batches: ForeignBatches
  /** Null: the answers are of OpenAI's wire as they are. */
  readonly translator: ChatTranslator | null
  readonly endpoint: string
  /** The provider's own name for the model, and the client's. */
  readonly model: string
  readonly modelName: string
  /** The row's key, from which the IDs in the answers are made: whoever reads them makes the same. */
  readonly job: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

export interface Counts {
  readonly completed: number
  readonly failed: number
}

/** A result that is longer cannot be read. */
const longestResult = 64 * 1024 * 1024

/** Characters of a message that an error line keeps: all of them are in memory for a while. */
const longestMessage = 500

/** Lines are sent on in pieces of about so many bytes. */
const pieceLength = 16 * 1024

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** The results in JSON Lines. */
export async function* lines(content: Bytes): AsyncGenerator<JsonObject, void, void> {
  for await (const { bytes } of LineReader.read(content, longestResult)) {
    const result = LineReader.isBlank(bytes) ? undefined : parseObject(decoder.decode(bytes))
    if (result !== undefined) yield result
  }
}

/** What is said of a line whose result never came. */
export const missing: Readonly<Record<string, { readonly code: string; readonly message: string }>> = {
  expired: { code: "batch_expired", message: "This request could not be executed before the completion window ended." },
  cancelled: { code: "batch_cancelled", message: "This request was not executed: the batch was cancelled." }
}
export const lost = { code: "no_result", message: "The provider gave no result for this request." }

interface Failure {
  readonly status: number | null
  readonly code: string
  readonly message: string
}

/** Reads the results of one batch, and remembers what is not in its output. */
export class Reader {
  readonly #decoding: Decoding
  readonly #ledger: Ledger.Ledger
  readonly #seen = new Set<string>()
  readonly #errors: Array<Uint8Array> = []
  #completed = 0
  #tokens: Usage.Tokens | null = null

  constructor(decoding: Decoding, ledger: Ledger.Ledger) {
    this.#decoding = decoding
    this.#ledger = ledger
  }

  get tokens(): Usage.Tokens | null {
    return this.#tokens
  }

  get counts(): Counts {
    return { completed: this.#completed, failed: this.#errors.length }
  }

  /** The lines of the output file, in the order of the results. */
  async *output(results: AsyncIterable<JsonObject>): AsyncGenerator<Uint8Array, void, void> {
    let pieces: Array<Uint8Array> = []
    let length = 0
    for await (const raw of results) {
      const decoded = this.#decoding.batches.result(raw)
      const result = Result.isSuccess(decoded) ? decoded.success : undefined
      const sent = result === undefined ? undefined : this.#ledger.sent.get(result.key)
      if (result === undefined || sent === undefined || this.#seen.has(result.key)) continue
      this.#seen.add(result.key)
      const body = await this.#bodyOf(result, sent)
      if ("code" in body) {
        this.#fail(sent, body)
        continue
      }
      const id = this.#idOf(sent)
      const response = { status_code: result.status, request_id: id, body: body.answer }
      const line = encoder.encode(`${JSON.stringify({ id, custom_id: sent.customId, response, error: null })}\n`)
      this.#count(line)
      pieces.push(line)
      length += line.byteLength
      if (length < pieceLength) continue
      yield concat(pieces)
      await nextTurn()
      pieces = []
      length = 0
    }
    if (length > 0) yield concat(pieces)
  }

  /** The lines of the error file, once the output has been read; `status` is how the batch ended. */
  errors(status: string): ReadonlyArray<Uint8Array> {
    for (const [key, sent] of this.#ledger.sent) {
      if (this.#seen.has(key)) continue
      this.#seen.add(key)
      this.#fail(sent, { status: null, ...(missing[status] ?? lost) })
    }
    for (const refused of this.#ledger.refused) {
      if (this.#seen.has(Ledger.keyOf(refused.line))) continue
      this.#seen.add(Ledger.keyOf(refused.line))
      this.#fail(refused, { status: 400, code: "invalid_request", message: refused.message })
    }
    return this.#errors
  }

  async #bodyOf(
    { answer, error, status }: ForeignResult,
    { line, shape }: Ledger.SentLine
  ): Promise<Failure | { readonly answer: JsonObject }> {
    if (error !== null) return { status: status >= 400 ? status : null, ...error }
    if (answer === null) return { status: null, ...lost }
    if (status < 200 || status > 299) return { status, code: "provider_error", message: JSON.stringify(answer) }
    const { createdAt, endpoint, job, model, modelName, translator } = this.#decoding
    if (translator === null) return { answer: { ...answer, model: modelName } }
    const request = {
      wire: wireOf(endpoint),
      body: Ledger.bodyOf(endpoint, shape),
      model,
      modelName,
      files: new Map(),
      id: `${job}-${line}`,
      now: createdAt
    }
    try {
      return { answer: await translator.decode(request, answer) }
    } catch {
      // One answer that makes no sense is no reason to lose the others.
      return { status: null, code: "provider_error", message: "The provider's answer could not be understood." }
    }
  }

  #idOf({ line }: Pick<Ledger.SentLine, "line">): string {
    return `batch_req_${this.#decoding.job.replaceAll("-", "")}_${line}`
  }

  #fail(line: Pick<Ledger.SentLine, "customId" | "line">, { code, message, status }: Failure): void {
    const error = { code, message: message.slice(0, longestMessage) }
    const id = this.#idOf(line)
    const response =
      status === null
        ? null
        : {
            status_code: status,
            request_id: id,
            body: { error: { ...error, type: "invalid_request_error", param: null } }
          }
    this.#errors.push(encoder.encode(`${JSON.stringify({ id, custom_id: line.customId, response, error })}\n`))
  }

  #count(line: Uint8Array): void {
    this.#completed++
    const tokens = Usage.ofJson(line)
    if (tokens !== null) this.#tokens = this.#tokens === null ? tokens : Usage.add(this.#tokens, tokens)
  }
}
