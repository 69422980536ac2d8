/**
 * Calls that go to a deployment as they are: which there are, and what omnifile reads of their bodies, JSON or
 * multipart forms.
 */
import * as Result from "effect/Result"
import * as Bytes from "./Bytes.ts"
import { invalid, type InvalidRequest, UnsupportedMediaType } from "./CallError.ts"
import * as FormScan from "./FormScan.ts"
import type { Forward } from "./ForwardOperation.ts"
import * as JsonScan from "./JsonScan.ts"
import * as RequestReader from "./RequestReader.ts"
import type { ResponseReferences } from "./ResponseOperation.ts"
import * as ResponseRequest from "./ResponseRequest.ts"

export interface ForwardedPath {
  /** Relative to the API's base, such as `/embeddings`. */
  readonly path: string
  /** The model that the API takes where a body names none. */
  readonly defaultModel?: string | undefined
  /** Whether every `file_id` and `file_ids` of a JSON body is one of ours. */
  readonly filesAnywhere?: boolean | undefined
}

const forwardedPaths: ReadonlyArray<ForwardedPath> = [
  { path: "/embeddings" },
  { path: "/moderations", defaultModel: "omni-moderation-latest" },
  { path: "/completions" },
  { path: "/images/generations", defaultModel: "dall-e-2" },
  { path: "/images/edits", defaultModel: "dall-e-2" },
  { path: "/images/variations", defaultModel: "dall-e-2" },
  { path: "/audio/speech" },
  { path: "/audio/transcriptions" },
  { path: "/audio/translations" },
  { path: "/responses/compact" },
  { path: "/responses/input_tokens" }
]

/** These and those that an installation adds. Where file IDs stand in the latter is not known: anywhere. */
export const pathsWith = (added: ReadonlyArray<string>): ReadonlyArray<ForwardedPath> => [
  ...forwardedPaths,
  ...added
    .filter((path) => !forwardedPaths.some((known) => known.path === path))
    .map((path) => ({ path, filesAnywhere: true }))
]

/** What a client sent. */
export interface Sent {
  /** As the client wrote it, without its question mark. */
  readonly query: string
  /** Absent: JSON is meant. */
  readonly contentType: string | undefined
  readonly body: Bytes.InMemory
}

const plainPaths = JsonScan.compile({
  ...RequestReader.common,
  image: "image.file_id",
  images: "images.*.file_id",
  mask: "mask.file_id"
})
const anyPaths = JsonScan.compile({ ...RequestReader.common, file: "**.file_id", files: "**.file_ids.*" })
const responsePaths = JsonScan.compile({ ...RequestReader.common, ...ResponseRequest.patterns })

const noReferences: ResponseReferences = { previous: null, containers: [], pastContainers: [], shared: [] }

/** Fields such as `file_id`, `image[file_id]` and `file_ids[]`. */
const namesFile = (name: string): boolean => /(?:^|\[)file_ids?\]?(?:\[\d*\])?$/.test(name)

type Read = Result.Result<ResponseReferences, InvalidRequest>

const readPlain = (
  request: RequestReader.RequestReader,
  body: Bytes.InMemory,
  paths: JsonScan.Paths<"model" | "stream" | "image" | "images" | "mask" | "file" | "files">
): Read => {
  const refused = request.read(body, paths, (match) => request.takeFile(match))
  return refused === undefined ? Result.succeed(noReferences) : Result.fail(refused)
}

const readResponse = (request: RequestReader.RequestReader, body: Bytes.InMemory): Read => {
  const references = new ResponseRequest.ReferenceReader(request)
  const refused = request.read(body, responsePaths, (match) => references.take(match))
  return refused === undefined ? Result.succeed(references.finish()) : Result.fail(refused)
}

const readForm = (request: RequestReader.RequestReader, body: Bytes.InMemory, boundary: string): Read => {
  const scanned = Bytes.readJoined(body, (bytes) =>
    FormScan.scan(bytes, boundary, (name) => name === "model" || name === "stream" || namesFile(name))
  )
  if (scanned._tag === "Malformed") {
    return Result.fail(invalid(`The body is not a valid multipart form: ${scanned.reason}.`))
  }
  for (const { end, name, start, value } of scanned.fields) {
    if (name === "model") {
      request.model = value
      request.modelTokens.push({ start, end, raw: true })
    } else if (name === "stream") request.stream = value === "true"
    else if (request.files.length === RequestReader.fileLimit) return Result.fail(RequestReader.tooManyFiles(name))
    else request.files.push({ id: value, param: name, start, end, raw: true })
  }
  return Result.succeed(noReferences)
}

const isForm = (contentType: string): boolean => /^multipart\/form-data\b/i.test(contentType)
const isJson = (contentType: string): boolean => /^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType)

const readAny = (
  request: RequestReader.RequestReader,
  { filesAnywhere, path }: ForwardedPath,
  contentType: string,
  body: Bytes.InMemory
): Read => {
  if (!isForm(contentType)) {
    if (filesAnywhere === true) return readPlain(request, body, anyPaths)
    return path.startsWith("/responses/") ? readResponse(request, body) : readPlain(request, body, plainPaths)
  }
  const boundary = FormScan.boundaryOf(contentType)
  return boundary === undefined
    ? Result.fail(invalid("The multipart boundary is missing or malformed."))
    : readForm(request, body, boundary)
}

/** Reads a body. Without a content type it is taken for JSON. */
export const parse = (
  forwarded: ForwardedPath,
  { body, contentType = "application/json", query }: Sent
): Result.Result<Forward, InvalidRequest | UnsupportedMediaType> => {
  if (!isForm(contentType) && !isJson(contentType)) {
    return Result.fail(
      new UnsupportedMediaType({ message: "Send the body as application/json or multipart/form-data." })
    )
  }
  const { defaultModel, path } = forwarded
  const request = new RequestReader.RequestReader()
  const read = readAny(request, forwarded, contentType, body)
  if (Result.isFailure(read)) return Result.fail(read.failure)
  request.model ??= defaultModel
  return Result.map(request.finish(body), (model) => ({
    _tag: "Forward",
    ...model,
    ...read.success,
    path,
    query,
    contentType
  }))
}
