/**
 * A batch's input as one deployment can read it: the deployment's own model name and file IDs in every line, and no
 * other byte changed, so that line numbers stay what they are.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as BatchLines from "./BatchLines.ts"
import type { BatchSummary, Mention } from "./BatchSummary.ts"
import * as Bytes from "./Bytes.ts"
import type { CopySource } from "./CopySource.ts"
import { type Edit, splice } from "./JsonEdit.ts"
import * as LineReader from "./LineReader.ts"
import { type ManagedFile, originalVariant } from "./ManagedFile.ts"
import { hexOfText, type Sha256 } from "./Sha256.ts"
import type { StorageError } from "./StorageError.ts"

/** What stands in the place of what the client wrote. */
export interface Rewriting {
  /** The deployment's own name for the model. */
  readonly model: string
  /** The provider's file IDs, by unified ID. */
  readonly files: ReadonlyMap<string, string>
  readonly allowProviderIds: boolean
}

/** The most bytes of one line. */
export const longestLine = 16 * 1024 * 1024

/** The variant of a batch's input for a deployment's own name for the model, and, if there are any, its file IDs. */
const nameOf = (model: string, files: string | null): string =>
  `batch:${encodeURIComponent(model)}${files === null ? "" : `:${files}`}`

/** The variant of a batch's input in the form of another provider than OpenAI. */
export const foreignName = (provider: string, model: string, files: string | null): string =>
  `${provider}-${nameOf(model, files)}`

/** Whether a variant may be what a deployment with this name for the model needs. */
export const isFor = (variant: string, model: string): boolean => {
  const name = nameOf(model, null)
  return variant === name || variant.startsWith(`${name}:`)
}

const encoder = new TextEncoder()
const jsonLength = (value: string): number => encoder.encode(JSON.stringify(value)).byteLength

/** By how many bytes a text that stands so often grows. */
const growth = ({ bytes, count }: Mention, value: string): number => count * jsonLength(value) - bytes

const lineFeed = Uint8Array.of(0x0a)

/** One line with a deployment's own names in it. */
export const rewriteLine = (
  line: LineReader.Line,
  { allowProviderIds, files, model }: Rewriting
): ReadonlyArray<Uint8Array> => {
  if (LineReader.isBlank(line.bytes)) return [line.bytes]
  const parsed = BatchLines.parse(line.bytes, allowProviderIds)
  if (Result.isFailure(parsed)) throw new Error(`Line ${line.number} ${parsed.failure}`)
  const edits: Array<Edit> = parsed.success.models.map(({ end, start }) => ({ start, end, value: model }))
  for (const { end, start, value } of parsed.success.files) {
    const remote = files.get(value)
    if (remote !== undefined) edits.push({ start, end, value: remote })
  }
  return splice([line.bytes], edits)
}

/** Lines are sent on in pieces of about so many bytes: each for itself would cost more than it is. */
const pieceLength = 64 * 1024

/** The content with every line rewritten, for content that a summary has been made of. */
export async function* rewrite(content: Bytes.Bytes, rewriting: Rewriting): AsyncGenerator<Uint8Array, void, void> {
  let pieces: Array<Uint8Array> = []
  let length = 0
  for await (const line of LineReader.read(content, longestLine)) {
    const rewritten = rewriteLine(line, rewriting)
    pieces.push(...rewritten, ...(line.terminated ? [lineFeed] : []))
    length += rewritten.reduce((total, { byteLength }) => total + byteLength, 1)
    if (length < pieceLength) continue
    yield Bytes.concat(pieces)
    pieces = []
    length = 0
  }
  if (length > 0) yield Bytes.concat(pieces)
}

/** The copy that a deployment needs: a variant, or the original where the two are the same. */
export const source = (
  file: Pick<ManagedFile, "bytes">,
  summary: BatchSummary,
  rewriting: Rewriting,
  sha256: Sha256["Service"],
  open: Effect.Effect<Bytes.Bytes, StorageError, Scope.Scope>
): CopySource => {
  const { files, model } = rewriting
  const named = summary.files.filter(({ value }) => files.has(value))
  const isSame = named.length === 0 && summary.models.every(({ value }) => value === model)
  if (isSame) return { variant: originalVariant, length: file.bytes, open }
  const pairs = named.map(({ value }) => [value, files.get(value) ?? ""] as const)
  const grown = [
    ...summary.models.map((mention) => growth(mention, model)),
    ...named.map((mention) => growth(mention, files.get(mention.value) ?? ""))
  ]
  return {
    variant: nameOf(model, named.length === 0 ? null : hexOfText(sha256, JSON.stringify(pairs))),
    length: grown.reduce((total, bytes) => total + bytes, file.bytes),
    open: Effect.map(open, (content) => rewrite(content, rewriting))
  }
}
