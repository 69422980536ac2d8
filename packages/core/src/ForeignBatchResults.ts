/** The results of a batch in another provider's form as the lines of OpenAI's output and error files. */
import * as Result from "effect/Result"
import type { Bytes } from "./Bytes.ts"
import type { ChatTranslator, FilePlacement } from "./ChatTranslator.ts"
import { nothing, pieceLength, wireOf } from "./ForeignBatchInput.ts"
import * as Ledger from "./ForeignBatchLedger.ts"
import type { ForeignBatches, ForeignResult } from "./ForeignBatches.ts"
import { TextBuffer } from "./internal/TextBuffer.ts"
import { makeTurns } from "./internal/turn.ts"
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

/** Characters of a message that an error line keeps: those that differ are all in memory for a while. */
const longestMessage = 500

/** Answers name none. */
const noFiles: ReadonlyMap<string, FilePlacement> = new Map()

const decoder = new TextDecoder()

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
  /** By the line's place in the ledger: 0 without a result, -1 for one in the output, else the number of its failure. */
  readonly #outcomes: Int32Array
  /** Many lines fail in the same way. */
  readonly #failures = new Map<string, number>()
  readonly #failureOf: Array<Failure> = []
  #completed = 0
  #failed = 0
  #tokens: Usage.Tokens | null = null

  constructor(decoding: Decoding, ledger: Ledger.Ledger) {
    this.#decoding = decoding
    this.#ledger = ledger
    this.#outcomes = new Int32Array(ledger.size)
  }

  get tokens(): Usage.Tokens | null {
    return this.#tokens
  }

  /** Once the output has been read; `status` is how the batch ended. One that failed as a whole says so itself. */
  counts(status: string): Counts {
    const completed = this.#completed
    return { completed, failed: status === "failed" ? this.#failed : this.#ledger.size - completed }
  }

  /** The lines of the output file, in the order of the results. */
  async *output(results: AsyncIterable<JsonObject>): AsyncGenerator<Uint8Array, void, void> {
    const piece = new TextBuffer()
    const turn = makeTurns()
    for await (const raw of results) {
      await turn()
      const decoded = this.#decoding.batches.result(raw)
      const result = Result.isSuccess(decoded) ? decoded.success : undefined
      const place = result === undefined ? undefined : this.#ledger.find(result.key)
      if (result === undefined || place === undefined || this.#outcomes[place] !== 0) continue
      const sent = this.#ledger.at(place)
      if (!("shape" in sent)) continue
      const body = await this.#bodyOf(result, sent)
      if ("code" in body) {
        this.#outcomes[place] = this.#numberOf(body)
        this.#failed++
        continue
      }
      this.#outcomes[place] = -1
      const id = this.#idOf(sent)
      const response = { status_code: result.status, request_id: id, body: body.answer }
      this.#count(body.answer)
      piece.add(`${JSON.stringify({ id, custom_id: sent.customId, response, error: null })}\n`)
      while (piece.length >= pieceLength) {
        yield piece.take(pieceLength)
        yield nothing
      }
    }
    if (piece.length > 0) yield piece.take()
  }

  /** The lines of the error file, in the order of the input, once the output has been read. */
  async *errors(status: string): AsyncGenerator<Uint8Array, void, void> {
    const piece = new TextBuffer()
    const turn = makeTurns()
    for (const [place, outcome] of this.#outcomes.entries()) {
      if (outcome < 0) continue
      await turn()
      const line = this.#ledger.at(place)
      const failure =
        this.#failureOf[outcome - 1] ??
        ("message" in line
          ? { status: 400, code: "invalid_request", message: line.message.slice(0, longestMessage) }
          : { status: null, ...(missing[status] ?? lost) })
      piece.add(this.#errorLine(line, failure))
      while (piece.length >= pieceLength) {
        yield piece.take(pieceLength)
        yield nothing
      }
    }
    if (piece.length > 0) yield piece.take()
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
      files: noFiles,
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

  #numberOf({ code, message, status }: Failure): number {
    const failure = { status, code, message: message.slice(0, longestMessage) }
    const text = JSON.stringify(failure)
    const known = this.#failures.get(text)
    if (known !== undefined) return known
    const number = this.#failureOf.push(failure)
    this.#failures.set(text, number)
    return number
  }

  #errorLine(line: Pick<Ledger.SentLine, "customId" | "line">, { code, message, status }: Failure): string {
    const error = { code, message }
    const id = this.#idOf(line)
    const response =
      status === null
        ? null
        : {
            status_code: status,
            request_id: id,
            body: { error: { ...error, type: "invalid_request_error", param: null } }
          }
    return `${JSON.stringify({ id, custom_id: line.customId, response, error })}\n`
  }

  #count(answer: JsonObject): void {
    this.#completed++
    const tokens = Usage.read(answer["usage"])
    if (tokens !== null) this.#tokens = this.#tokens === null ? tokens : Usage.add(this.#tokens, tokens)
  }
}
