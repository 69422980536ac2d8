/** What the readers of request bodies have in common: each collects what its own patterns find, and nothing else. */
import * as Result from "effect/Result"
import * as Bytes from "./Bytes.ts"
import { invalid, type InvalidRequest } from "./CallError.ts"
import * as JsonScan from "./JsonScan.ts"
import type { FileReference, ModelRequest, Token } from "./ModelRequest.ts"

/** More files than any provider takes in one request; each costs a look-up. */
export const fileLimit = 1_000

/** Where every API that is read here says which model is meant, and whether the answer is to be streamed. */
export const common = { model: "model", stream: "stream" } as const

const isCommon = ({ name }: JsonScan.Match<string>): boolean => Object.hasOwn(common, name)

/** A request while its body is read. */
export class RequestReader {
  readonly files: Array<FileReference> = []
  readonly modelTokens: Array<Token> = []
  model: string | undefined
  stream = false

  /**
   * Takes the model and the mode from a body, and passes all else that the patterns find to `take`, up to the first
   * match that it refuses. Where a key stands twice, both count: providers differ in which one they believe.
   */
  read<Name extends string>(
    body: Bytes.InMemory,
    paths: JsonScan.Paths<Name | "model" | "stream">,
    take: (match: JsonScan.Match<Name>) => InvalidRequest | undefined
  ): InvalidRequest | undefined {
    const scanned = Bytes.readJoined(body, (bytes) => JsonScan.scan(bytes, paths))
    if (scanned._tag === "Malformed") {
      return invalid(`The body is not valid JSON: ${scanned.reason} at byte ${scanned.offset}.`)
    }
    for (const match of scanned.matches) {
      const refused = isCommon(match) ? this.#takeCommon(match) : take(match as JsonScan.Match<Name>)
      if (refused !== undefined) return refused
    }
    return undefined
  }

  #takeCommon(match: JsonScan.Match<string>): InvalidRequest | undefined {
    if (match.name === "stream") {
      this.stream = match.kind === "boolean" && match.value
      return undefined
    }
    if (match.kind !== "string") return invalid(`\`${match.path}\` must be a string.`, match.path)
    this.model = match.value
    this.modelTokens.push({ start: match.start, end: match.end })
    return undefined
  }

  /** A place where a file ID stands. */
  takeFile(match: JsonScan.Match<string>, required = true): InvalidRequest | undefined {
    if (match.kind === "null") return undefined
    if (match.kind !== "string") {
      return required ? invalid(`\`${match.path}\` must be a file ID, which is a string.`, match.path) : undefined
    }
    if (this.files.length === fileLimit) return tooManyFiles(match.path)
    this.files.push(reference(match.value, match, required))
    return undefined
  }

  /** The request, unless it lacks a model or one of these fields: each says whether it is there. */
  finish(
    body: Bytes.InMemory,
    required: Readonly<Record<string, boolean>> = {}
  ): Result.Result<ModelRequest, InvalidRequest> {
    const { files, model, modelTokens, stream } = this
    if (model === undefined) return Result.fail(missing("model"))
    for (const param of Object.keys(required)) if (required[param] === false) return Result.fail(missing(param))
    return Result.succeed({ body, model, modelTokens, files, stream })
  }
}

/** `param` is where the first one stands that is too many: the field of the body that holds it is to blame. */
export const tooManyFiles = (param: string): InvalidRequest =>
  invalid(`A request may name at most ${fileLimit} files.`, param.replace(/[.[].*/s, ""))

const missing = (param: string): InvalidRequest => invalid(`Missing required parameter: '${param}'.`, param)

/** An ID at the place of a match. */
export const reference = (
  id: string,
  { end, path, start }: { readonly path: string; readonly start: number; readonly end: number },
  required = true
): FileReference => ({ id, param: path, start, end, ...(required ? {} : { required }) })
