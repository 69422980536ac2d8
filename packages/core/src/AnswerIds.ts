/**
 * Where providers put IDs in their answers: the places, in whole answers and in the events of a stream, whose values
 * clients must know by unified IDs. Texts, metadata and the arguments of tools are none.
 */
import * as JsonScan from "./JsonScan.ts"

/**
 * - `response`: the answer's own ID
 * - `previous`: that of the response which it goes on from
 * - `file`: a file that the request named, or may have named
 * - `output`: a file that may have been made by a tool
 * - `container`: where tools work
 * - `filename`, `type`: what is said of the file that stands beside it
 */
export type IdKind = "response" | "previous" | "file" | "output" | "container" | "filename" | "type"

export interface FoundId {
  readonly kind: IdKind
  readonly value: string
  readonly start: number
  readonly end: number
  /** The path of the object that it is a field of. */
  readonly object: string
}

type Places = { readonly [Kind in IdKind]?: ReadonlyArray<string> }

const under = (prefixes: ReadonlyArray<string>, places: Places): Places =>
  Object.fromEntries(
    Object.entries(places).map(([kind, paths]) => [
      kind,
      prefixes.flatMap((prefix) => paths.map((path) => prefix + path))
    ])
  )

const kinds: ReadonlyArray<IdKind> = ["response", "previous", "file", "output", "container", "filename", "type"]

/** The name of a pattern is its kind and a number, since several patterns are of one kind. */
type Name = `${IdKind}:${number}`

const compile = (all: ReadonlyArray<Places>): JsonScan.Paths<Name> => {
  const patterns: Record<Name, string> = {}
  for (const kind of kinds) {
    all.flatMap((places) => places[kind] ?? []).forEach((path, index) => (patterns[`${kind}:${index}`] = path))
  }
  return JsonScan.compile(patterns)
}

/** The places of an API, compiled. */
export type AnswerPaths = JsonScan.Paths<Name>

const annotation: Places = { output: ["file_id"], container: ["container_id"], filename: ["filename"], type: ["type"] }
const annotations = ["annotations.*."]

/** A part of an item's content, of a message that is shown again as well as of one that is made. */
const part: ReadonlyArray<Places> = [{ file: ["file_id"] }, under(annotations, annotation)]

const item: ReadonlyArray<Places> = [
  ...part.map((places) => under(["content.*.", "output.*."], places)),
  {
    file: ["output.file_id", "results.*.file_id"],
    output: ["file_id", "outputs.*.file_id", "outputs.*.files.*.file_id", "results.*.files.*.file_id"],
    container: ["container_id", "environment.container_id"]
  }
]

const response: ReadonlyArray<Places> = [
  { response: ["id"], previous: ["previous_response_id"] },
  ...item.map((places) => under(["output.*."], places)),
  {
    file: [
      "instructions.*.content.*.file_id",
      "prompt.variables.**.file_id",
      "tools.*.container.file_ids.*",
      "tools.*.environment.file_ids.*",
      "tools.*.input_image_mask.file_id"
    ],
    container: ["tools.*.container", "tools.*.environment.container_id"]
  }
]

/** Responses: the object, its events, and the lists of its items. */
export const responsePaths: AnswerPaths = compile([
  ...response.map((places) => under(["", "response."], places)),
  ...item.map((places) => under(["item.", "data.*."], places)),
  ...part.map((places) => under(["part."], places)),
  under(["annotation."], annotation)
])

/** A block of a message: what a tool has made, and what an answer cites. */
const block: Places = {
  output: ["file_id", "content.content.*.file_id", "content.*.file_id"],
  file: ["citations.*.file_id"]
}

/** Messages: the object and its events. */
export const messagePaths: AnswerPaths = compile([
  under(["content.*.", "message.content.*.", "content_block."], block),
  { file: ["delta.citation.file_id"], container: ["container.id", "message.container.id", "delta.container.id"] }
])

const kindOf = (name: Name): IdKind => name.slice(0, name.indexOf(":")) as IdKind

const objectOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf(".")))

const none: ReadonlyArray<FoundId> = []

/** The IDs in an answer or in the data of an event, in order. Nothing is found in what is no JSON. */
export const find = (bytes: Uint8Array, paths: AnswerPaths): ReadonlyArray<FoundId> => {
  const scanned = JsonScan.scan(bytes, paths)
  if (scanned._tag === "Malformed" || scanned.matches.length === 0) return none
  const found: Array<FoundId> = []
  for (const match of scanned.matches) {
    if (match.kind !== "string") continue
    const { end, name, path, start, value } = match
    found.push({ kind: kindOf(name), value, start, end, object: objectOf(path) })
  }
  return found
}
