/** What omnifile reads of a Responses body; everything else passes through unseen. */
import * as Result from "effect/Result"
import type * as Bytes from "./Bytes.ts"
import { invalid, type InvalidRequest } from "./CallError.ts"
import * as JsonScan from "./JsonScan.ts"
import type { FileReference } from "./ModelRequest.ts"
import * as RequestReader from "./RequestReader.ts"
import type { CreateResponse, ResponseReferences, SharedReference } from "./ResponseOperation.ts"

/** Where the API takes IDs: of files, and of what else a provider keeps. */
export const patterns = {
  inputFile: "input.**.file_id",
  inputFiles: "input.**.file_ids.*",
  promptFile: "prompt.variables.**.file_id",
  containerFile: "tools.*.container.file_ids.*",
  environmentFile: "tools.*.environment.file_ids.*",
  mask: "tools.*.input_image_mask.file_id",
  previous: "previous_response_id",
  container: "tools.*.container",
  environment: "tools.*.environment.container_id",
  inputContainer: "input.**.container_id",
  conversation: "conversation",
  stores: "tools.*.vector_store_ids"
} as const

const paths = JsonScan.compile({
  ...patterns,
  ...RequestReader.common,
  store: "store",
  background: "background"
})

/** Attributes of a search result are the client's own words. */
const isWords = (path: string): boolean => /\.attributes[.[]/.test(path)

/** Annotations and results only tell what an earlier answer said. */
const isTold = (path: string): boolean => /\.(?:annotations|results)\[/.test(path)

/** Whether a file ID in this place is one that the call uses. */
export const isUsed = (path: string): boolean => !isWords(path) && !isTold(path)

/** Collects what a body of the Responses API names, file by file and reference by reference. */
export class ReferenceReader {
  readonly #request: RequestReader.RequestReader
  readonly #containers: Array<FileReference> = []
  readonly #pastContainers: Array<FileReference> = []
  readonly #shared: Array<SharedReference> = []
  #previous: FileReference | null = null

  constructor(request: RequestReader.RequestReader) {
    this.#request = request
  }

  /** Takes a match of `patterns`. */
  take(match: JsonScan.Match<string>): InvalidRequest | undefined {
    switch (match.name) {
      case "previous":
        if (match.kind === "null") return undefined
        if (match.kind !== "string") return invalid("`previous_response_id` must be a string.", match.path)
        if (this.#previous !== null) return invalid("`previous_response_id` is given more than once.", match.path)
        this.#previous = RequestReader.reference(match.value, match)
        return undefined
      case "container":
      case "environment":
        if (match.kind === "string") this.#containers.push(RequestReader.reference(match.value, match))
        return undefined
      case "inputContainer":
        if (match.kind === "string") {
          this.#pastContainers.push(RequestReader.reference(match.value, match, !isTold(match.path)))
        }
        return undefined
      case "conversation":
        if (match.kind !== "null") this.#shared.push({ param: match.path, what: "conversation" })
        return undefined
      case "stores":
        if (match.kind !== "null") this.#shared.push({ param: match.path, what: "vector store" })
        return undefined
      default:
        return isWords(match.path) ? undefined : this.#request.takeFile(match, !isTold(match.path))
    }
  }

  finish(): ResponseReferences {
    return {
      previous: this.#previous,
      containers: this.#containers,
      pastContainers: this.#pastContainers,
      shared: this.#shared
    }
  }
}

/** Reads the body of a response. */
export const parse = (
  body: Bytes.InMemory,
  idempotencyKey: string | null
): Result.Result<CreateResponse, InvalidRequest> => {
  const request = new RequestReader.RequestReader()
  const references = new ReferenceReader(request)
  let store = true
  let background = false
  const refused = request.read(body, paths, (match) => {
    switch (match.name) {
      case "store":
        store = !(match.kind === "boolean" && !match.value)
        return undefined
      case "background":
        background = match.kind === "boolean" && match.value
        return undefined
      default:
        return references.take(match)
    }
  })
  if (refused !== undefined) return Result.fail(refused)
  return Result.map(request.finish(body), (read) => ({
    _tag: "CreateResponse",
    ...read,
    ...references.finish(),
    store,
    background,
    idempotencyKey
  }))
}
