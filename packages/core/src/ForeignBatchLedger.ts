/**
 * What we remember of the lines of a batch that runs in another provider's form: which `custom_id` is behind a key, what
 * of the request is needed to read its answer, and why lines were not sent at all. Kept beside the content of files
 * until the batch is over.
 */
import * as Bytes from "./Bytes.ts"
import { TextBuffer } from "./internal/TextBuffer.ts"
import { isObject, type Json, type JsonObject, parseObject } from "./Json.ts"
import * as LineReader from "./LineReader.ts"

/** Where the ledger of a job is kept, and where its input in the provider's form. */
export const ledgerKey = (job: string): string => `${job}.lines`
export const inputKey = (job: string): string => `${job}.input`

/** The key that a line is sent under. */
export const keyOf = (line: number): string => `l-${line}`

const keyPattern = /^l-([1-9]\d{0,14})$/

/** The line that a key is of, or 0 for what is no key of ours. */
const lineOf = (key: string): number => Number(keyPattern.exec(key)?.[1] ?? 0)

/** What of a request its answer depends on. Many lines share one. */
export type Shape = JsonObject

/** Seconds that the client wants the output files to live, as a request for a batch, or its object, says. */
export const outputLifeOf = ({ output_expires_after: expiry }: JsonObject): number | null =>
  isObject(expiry) && typeof expiry["seconds"] === "number" ? expiry["seconds"] : null

const chatFields = ["tools", "tool_choice", "parallel_tool_calls", "response_format"]

/** The shape of a body: all that the answer repeats or is read by, and nothing of what was said. */
export const shapeOf = (endpoint: string, body: JsonObject): Shape => {
  const kept = Object.entries(body).filter(([name]) =>
    endpoint === "/v1/responses" ? name !== "input" : chatFields.includes(name)
  )
  return Object.fromEntries(kept)
}

/** A body of that shape which says nothing. */
export const bodyOf = (endpoint: string, shape: Shape): JsonObject =>
  endpoint === "/v1/responses"
    ? { ...shape, stream: false, input: "." }
    : { ...shape, messages: [{ role: "user", content: "." }] }

export interface SentLine {
  readonly line: number
  readonly customId: string
  readonly shape: Shape
}

export interface RefusedLine {
  readonly line: number
  readonly customId: string
  readonly message: string
}

const decoder = new TextDecoder()

/** Of one chunk, about; in bytes. */
const chunkLength = 32 * 1024

/** Collects what is to be remembered. */
export class Writer {
  readonly #chunks: Array<Uint8Array> = []
  readonly #open = new TextBuffer()
  readonly #shapes = new Map<string, number>()
  #sent = 0
  #refused = 0
  #firstRefusal: RefusedLine | null = null

  constructor(outputLife: number | null) {
    this.#write({ outputLife })
  }

  get sent(): number {
    return this.#sent
  }

  get refused(): number {
    return this.#refused
  }

  get firstRefusal(): RefusedLine | null {
    return this.#firstRefusal
  }

  accept(line: number, customId: string, shape: Shape): void {
    const text = JSON.stringify(shape)
    let index = this.#shapes.get(text)
    if (index === undefined) {
      index = this.#shapes.size
      this.#shapes.set(text, index)
      this.#write({ shape })
    }
    this.#sent++
    this.#write({ line, customId, of: index })
  }

  refuse(line: number, customId: string, message: string): void {
    this.#refused++
    this.#firstRefusal ??= { line, customId, message }
    this.#write({ line, customId, message })
  }

  content(): Bytes.InMemory {
    this.#flush()
    return new Bytes.InMemory(this.#chunks)
  }

  #write(value: JsonObject): void {
    this.#open.add(`${JSON.stringify(value)}\n`)
    if (this.#open.length >= chunkLength) this.#flush()
  }

  #flush(): void {
    if (this.#open.length > 0) this.#chunks.push(this.#open.take())
  }
}

/**
 * What was remembered, in little memory: a line takes hardly more than the bytes of its `custom_id`. Entries are added in
 * the order of their lines.
 */
export class Ledger {
  /** Seconds that the output files live, or null for as long as nobody deletes them. */
  outputLife: number | null = null
  readonly #shapes: Array<Shape> = []
  /** By place: the number of the line. */
  readonly #lines: Array<number> = []
  /** All `custom_id`s one after the other, and by place where each ends. */
  readonly #customIds = new TextBuffer()
  readonly #ends: Array<number> = []
  /** The shape of a line that was sent, or -1 - the reason why it was not. */
  readonly #said: Array<number> = []
  /** Many lines are refused for the same reason. */
  readonly #reasons = new Map<string, number>()
  readonly #messages: Array<string> = []

  /** How many lines there are. Each has a place, from 0 on. */
  get size(): number {
    return this.#lines.length
  }

  addShape(shape: Shape): void {
    this.#shapes.push(shape)
  }

  addSent(line: number, customId: string, shape: number): void {
    this.#add(line, customId, shape)
  }

  addRefused(line: number, customId: string, message: string): void {
    const known = this.#reasons.get(message)
    const reason = known ?? this.#messages.length
    if (known === undefined) {
      this.#reasons.set(message, reason)
      this.#messages.push(message)
    }
    this.#add(line, customId, -1 - reason)
  }

  /** The place of the line that was sent under a key; undefined if none was. */
  find(key: string): number | undefined {
    const line = lineOf(key)
    let low = 0
    let high = this.#lines.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#lines[middle] ?? 0) < line) low = middle + 1
      else high = middle
    }
    return this.#lines[low] === line && (this.#said[low] ?? -1) >= 0 ? low : undefined
  }

  at(place: number): SentLine | RefusedLine {
    const said = this.#said[place] ?? 0
    const known = {
      line: this.#lines[place] ?? 0,
      customId: this.#customIds.text(this.#ends[place - 1] ?? 0, this.#ends[place] ?? 0)
    }
    if (said >= 0) return { ...known, shape: this.#shapes[said] ?? {} }
    return { ...known, message: this.#messages[-1 - said] ?? "" }
  }

  #add(line: number, customId: string, said: number): void {
    this.#lines.push(line)
    this.#customIds.add(customId)
    this.#ends.push(this.#customIds.length)
    this.#said.push(said)
  }
}

/**
 * What would be remembered of an input that was sent as a whole, in place of what was lost: which lines were not sent, and
 * why, is in nobody's memory any more. Throws for content that a batch cannot have been made of.
 */
export const ofInput = async (
  content: Bytes.Bytes,
  options: { readonly endpoint: string; readonly isTranslated: boolean; readonly outputLife: number | null }
): Promise<Ledger> => {
  const ledger = new Ledger()
  ledger.outputLife = options.outputLife
  const shapes = new Map<string, number>()
  for await (const { bytes, number } of LineReader.read(content, longestLine)) {
    if (LineReader.isBlank(bytes)) continue
    const { body, custom_id: customId } = parseObject(decoder.decode(bytes)) ?? {}
    if (typeof customId !== "string" || !isObject(body)) throw new TypeError(`Line ${number} is no request.`)
    const shape = options.isTranslated ? shapeOf(options.endpoint, body) : {}
    const text = JSON.stringify(shape)
    const index = shapes.get(text) ?? shapes.size
    if (index === shapes.size) {
      shapes.set(text, index)
      ledger.addShape(shape)
    }
    ledger.addSent(number, customId, index)
  }
  return ledger
}

/** A line that is longer is none of ours. */
const longestLine = 64 * 1024 * 1024

const numberOf = (value: Json | undefined): number | null => (typeof value === "number" ? value : null)

/** Reads what a `Writer` has written. Throws for anything else. */
export const read = async (content: Bytes.Bytes): Promise<Ledger> => {
  const ledger = new Ledger()
  for await (const { bytes } of LineReader.read(content, longestLine)) {
    const entry = parseObject(decoder.decode(bytes))
    if (entry === undefined) throw new TypeError("A line of a batch's ledger is not valid.")
    const { customId, line, message, of, shape } = entry
    if (isObject(shape)) ledger.addShape(shape)
    else if (typeof line !== "number" || typeof customId !== "string") ledger.outputLife = numberOf(entry["outputLife"])
    else if (typeof message === "string") ledger.addRefused(line, customId, message)
    else ledger.addSent(line, customId, numberOf(of) ?? 0)
  }
  return ledger
}
