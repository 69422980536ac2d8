/**
 * What kind of content a file is: by its first bytes where these leave no doubt, else as its sender says, else by its
 * name, else by what its first bytes let suppose.
 */
import * as Mime from "effect/http/Mime"
import * as Option from "effect/Option"

export const unknown = "application/octet-stream"

const mediaType = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?: *;[\x20-\x7e]{0,200})?$/

/** Types that `Mime` does not know and LLM providers do. */
const byExtension: ReadonlyMap<string, string> = new Map([
  ["jsonl", "application/jsonl"],
  ["ndjson", "application/x-ndjson"],
  ["docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
  ["xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
  ["pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"],
  ["xls", "application/vnd.ms-excel"],
  ["flac", "audio/flac"],
  ["py", "text/x-python"]
])

type Signature = readonly [type: string, offset: number, bytes: string]

const signatures: ReadonlyArray<Signature> = [
  ["application/pdf", 0, "%PDF-"],
  ["image/png", 0, "\u0089PNG\r\n\u001a\n"],
  ["image/jpeg", 0, "\u00ff\u00d8\u00ff"],
  ["image/gif", 0, "GIF8"],
  ["image/webp", 8, "WEBP"],
  ["audio/wav", 8, "WAVE"],
  ["audio/mpeg", 0, "ID3"]
]

/** Files of many kinds begin so: documents of an office, pictures of a telephone. */
const containers: ReadonlyArray<Signature> = [
  ["video/mp4", 4, "ftyp"],
  ["application/zip", 0, "PK\u0003\u0004"],
  ["application/gzip", 0, "\u001f\u008b"]
]

/** How many of the first bytes `sniff` looks at. */
export const headLength = 16

const find = (known: ReadonlyArray<Signature>, head: Uint8Array): string | undefined =>
  known.find(([, offset, bytes]) => [...bytes].every((char, index) => head[offset + index] === char.charCodeAt(0)))?.[0]

/** What it is, by its first bytes and by what is said of it. */
export const actual = (told: string, head: Uint8Array): string => {
  const certain = find(signatures, head)
  if (certain !== undefined) return bare(told) === certain ? told : certain
  return bare(told) === unknown ? (find(containers, head) ?? told) : told
}

const named = (filename: string): string | undefined => {
  const extension = filename.slice(filename.lastIndexOf(".") + 1).toLowerCase()
  return byExtension.get(extension) ?? Option.getOrUndefined(Mime.getType(filename))
}

/** A media type as it is written, or null for anything that is none. */
export const parse = (given: string | null): string | null => (given !== null && mediaType.test(given) ? given : null)

/** A media type without its parameters, in lower case. */
export const bare = (type: string): string => (type.split(";", 1)[0] ?? type).trim().toLowerCase()

export const detect = (given: string | null, filename: string, head: Uint8Array): string => {
  const declared = parse(given)
  return actual(declared !== null && declared !== unknown ? declared : (named(filename) ?? unknown), head)
}
