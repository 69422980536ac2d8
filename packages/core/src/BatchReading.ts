/** Reads a batch's input once, as a stream, and says what its lines are, or what is wrong with the first bad one. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as BatchLines from "./BatchLines.ts"
import { BatchSummary, Mention } from "./BatchSummary.ts"
import { longestLine } from "./BatchVariant.ts"
import type { Bytes } from "./Bytes.ts"
import { invalid, type InvalidRequest } from "./CallError.ts"
import * as LineReader from "./LineReader.ts"
import { hexOfText, type Sha256 } from "./Sha256.ts"

/** What OpenAI accepts. */
export const mostRequests = 50_000
export const mostBytes = 200 * 1024 * 1024

/** More files than any batch needs, and each costs a look-up. */
const mostFiles = 1_000
const mostModels = 100

/** A `custom_id` that is longer is remembered by its digest. */
const shortId = 64

/** Where a mistake in the lines belongs in the request that names the file. */
const param = "input_file_id"

const refused = (line: number, message: string): InvalidRequest =>
  invalid(`Line ${line} of the input file ${message}`, param, "invalid_batch_line")

/** What stands for a `custom_id` where very many are remembered. */
export const shortened = (customId: string, sha256: Sha256["Service"]): string =>
  customId.length <= shortId ? customId : `#${hexOfText(sha256, customId)}`

interface Open {
  readonly first: { readonly line: number; readonly path: string }
  count: number
  bytes: number
}

class Mentions {
  readonly found = new Map<string, Open>()

  add(value: string, line: number, path: string, bytes: number): void {
    const known = this.found.get(value)
    if (known === undefined) this.found.set(value, { first: { line, path }, count: 1, bytes })
    else {
      known.count++
      known.bytes += bytes
    }
  }

  all(): ReadonlyArray<Mention> {
    return [...this.found].map(([value, { bytes, count, first }]) => new Mention({ value, ...first, count, bytes }))
  }
}

export interface Options {
  readonly allowProviderIds: boolean
  readonly sha256: Sha256["Service"]
}

const readAll = async (
  content: Bytes,
  { allowProviderIds, sha256 }: Options
): Promise<Result.Result<BatchSummary, InvalidRequest>> => {
  const urls = new Mentions()
  const models = new Mentions()
  const files = new Mentions()
  const ids = new Map<string, number>()
  let requests = 0
  for await (const { bytes, number } of LineReader.read(content, longestLine)) {
    if (LineReader.isBlank(bytes)) continue
    if (++requests > mostRequests) {
      return Result.fail(invalid(`The input file has more than ${mostRequests} requests (line ${number}).`, param))
    }
    const parsed = BatchLines.parse(bytes, allowProviderIds)
    if (Result.isFailure(parsed)) return Result.fail(refused(number, parsed.failure))
    const line = parsed.success
    const id = shortened(line.customId, sha256)
    const earlier = ids.get(id)
    if (earlier !== undefined) {
      return Result.fail(refused(number, `has the \`custom_id\` of line ${earlier}: each must be unique.`))
    }
    ids.set(id, number)
    urls.add(line.url, number, "url", 0)
    for (const { end, path, start, value } of line.models) models.add(value, number, path, end - start)
    for (const { end, path, start, value } of line.files) files.add(value, number, path, end - start)
    if (files.found.size > mostFiles) return Result.fail(refused(number, `names the file number ${mostFiles + 1}.`))
    if (models.found.size > mostModels) return Result.fail(refused(number, `names the model number ${mostModels + 1}.`))
  }
  return requests === 0
    ? Result.fail(invalid("The input file has no requests in it.", param))
    : Result.succeed(new BatchSummary({ requests, urls: urls.all(), models: models.all(), files: files.all() }))
}

/** The content broke off. */
export class ContentBroken extends Data.TaggedError("ContentBroken")<{ readonly cause: unknown }> {}

/** Reads the content to its end, or to the first line that is wrong. */
export const summarise = (
  content: Bytes,
  options: Options
): Effect.Effect<BatchSummary, InvalidRequest | ContentBroken> =>
  Effect.tryPromise({
    try: () => readAll(content, options),
    catch: (cause) =>
      cause instanceof LineReader.LineTooLong
        ? refused(cause.line, `is longer than ${longestLine} bytes.`)
        : new ContentBroken({ cause })
  }).pipe(Effect.flatMap(Effect.fromResult))
