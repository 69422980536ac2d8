/** The lines of a batch, dealt out: stretches of one input, each read as if it were an input of its own. */
import * as Effect from "effect/Effect"
import * as BatchReading from "./BatchReading.ts"
import type { BatchSummary } from "./BatchSummary.ts"
import { longestLine } from "./BatchVariant.ts"
import * as Bytes from "./Bytes.ts"
import type { CopySource } from "./CopySource.ts"
import type { JobPart } from "./Job.ts"
import * as LineReader from "./LineReader.ts"
import type { ManagedFile } from "./ManagedFile.ts"

/** What a batch, or a part of one, is made of. */
export interface Lines {
  /** The input with all lines. */
  readonly file: ManagedFile
  readonly bytes: number
  readonly open: CopySource["open"]
  /** Tells the copies of a part from those of others; empty for the whole. */
  readonly part: string
  readonly summary: BatchSummary
}

export type Stretch = Pick<typeof JobPart.Type, "from" | "to">

/** A copy of a part is no copy of the whole, even where not a byte of the lines is changed. */
export const named = (source: CopySource, part: string): CopySource =>
  part === "" ? source : { ...source, variant: part + source.variant }

/**
 * So many stretches as there are weights, in proportion to them and none empty, that are all lines together. There must
 * not be more weights than lines.
 */
export const deal = (lines: number, weights: ReadonlyArray<number>): ReadonlyArray<Stretch> => {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const stretches: Array<Stretch> = []
  let from = 0
  let passed = 0
  for (const [index, weight] of weights.entries()) {
    passed += total > 0 ? weight / total : 1 / weights.length
    const left = weights.length - index - 1
    const ideal = left === 0 ? lines : Math.round(lines * passed)
    const to = Math.min(Math.max(ideal, from + 1), lines - left)
    stretches.push({ from, to })
    from = to
  }
  return stretches
}

/** Lines are sent on in pieces of about so many bytes. */
const pieceLength = 64 * 1024

const lineFeed = Uint8Array.of(0x0a)

/** Lines as content: each with its line feed, many in one chunk. */
export async function* joined(lines: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let pieces: Array<Uint8Array> = []
  let length = 0
  for await (const line of lines) {
    pieces.push(line, lineFeed)
    length += line.byteLength + 1
    if (length < pieceLength) continue
    yield Bytes.concat(pieces)
    pieces = []
    length = 0
  }
  if (length > 0) yield Bytes.concat(pieces)
}

/** The lines of a stretch, blank ones left out. */
async function* slice(content: Bytes.Bytes, { from, to }: Stretch): AsyncGenerator<Uint8Array, void, void> {
  let index = 0
  for await (const { bytes } of LineReader.read(content, longestLine)) {
    if (LineReader.isBlank(bytes)) continue
    if (index >= from) yield bytes
    if (++index >= to) return
  }
}

/** The lines of a stretch as content. */
export const cut = (content: Bytes.Bytes, stretch: Stretch): Bytes.Bytes => joined(slice(content, stretch))

/** The lines of a stretch as a batch is made of them. Reads them once. */
export const ofStretch = Effect.fnUntraced(function* (
  { file, open }: Pick<Lines, "file" | "open">,
  stretch: Stretch,
  options: BatchReading.Options
) {
  let bytes = 0
  const opened = Effect.map(open, (content) => cut(content, stretch))
  const summary = yield* Effect.scoped(
    Effect.flatMap(opened, (content) => {
      const measured = Bytes.inspected(content, (chunk) => {
        bytes += chunk.byteLength
      })
      return BatchReading.summarise(measured, options)
    })
  )
  const part = `batch-lines:${stretch.from}-${stretch.to}:`
  const lines: Lines = { file, bytes, open: opened, part, summary }
  return lines
})
