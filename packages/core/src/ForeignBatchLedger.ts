/**
 * What we remember of the lines of a batch that runs in another provider's form: which `custom_id` is behind a key, what
 * of the request is needed to read its answer, and why lines were not sent at all. Kept beside the content of files
 * until the batch is over.
 */
import * as Bytes from "./Bytes.ts"
import { isObject, type Json, type JsonObject, parseObject } from "./Json.ts"
import * as LineReader from "./LineReader.ts"

/** Where the ledger of a job is kept, and where its input in the provider's form. */
export const ledgerKey = (job: string): string => `${job}.lines`
export const inputKey = (job: string): string => `${job}.input`

/** The key that a line is sent under. */
export const keyOf = (line: number): string => `l-${line}`

/** What of a request its answer depends on. Many lines share one. */
export type Shape = JsonObject

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

export interface Ledger {
  /** By the key that each was sent under. */
  readonly sent: ReadonlyMap<string, SentLine>
  readonly refused: ReadonlyArray<RefusedLine>
  /** Seconds that the output files live, or null for as long as nobody deletes them. */
  readonly outputLife: number | null
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Collects what is to be remembered. */
export class Writer {
  readonly #chunks: Array<Uint8Array> = []
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
    return new Bytes.InMemory(this.#chunks)
  }

  #write(value: JsonObject): void {
    this.#chunks.push(encoder.encode(`${JSON.stringify(value)}\n`))
  }
}

/** A line that is longer is none of ours. */
const longestLine = 64 * 1024 * 1024

const numberOf = (value: Json | undefined): number | null => (typeof value === "number" ? value : null)

/** Reads what a `Writer` has written. Throws for anything else. */
export const read = async (content: Bytes.Bytes): Promise<Ledger> => {
  const shapes: Array<Shape> = []
  const sent = new Map<string, SentLine>()
  const refused: Array<RefusedLine> = []
  let outputLife: number | null = null
  for await (const { bytes } of LineReader.read(content, longestLine)) {
    const entry = parseObject(decoder.decode(bytes))
    if (entry === undefined) throw new TypeError("A line of a batch's ledger is not valid.")
    const { customId, line, message, of, shape } = entry
    if (isObject(shape)) shapes.push(shape)
    else if (typeof line !== "number" || typeof customId !== "string") outputLife = numberOf(entry["outputLife"])
    else if (typeof message === "string") refused.push({ line, customId, message })
    else sent.set(keyOf(line), { line, customId, shape: shapes[numberOf(of) ?? 0] ?? {} })
  }
  return { sent, refused, outputLife }
}
