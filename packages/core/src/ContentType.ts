/** What kind of content a file is: as its sender says, else by its name, else by its first bytes. */
import * as Mime from "effect/http/Mime"
import * as Option from "effect/Option"

export const unknown = "application/octet-stream"

const mediaType = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?: *;[\x20-\x7e]{0,200})?$/

/** Types that `Mime` does not know and LLM providers do. */
const byExtension: ReadonlyMap<string, string> = new Map([
  ["jsonl", "application/jsonl"],
  ["ndjson", "application/x-ndjson"]
])

const signatures: ReadonlyArray<readonly [type: string, offset: number, bytes: string]> = [
  ["application/pdf", 0, "%PDF-"],
  ["image/png", 0, "\u0089PNG\r\n\u001a\n"],
  ["image/jpeg", 0, "\u00ff\u00d8\u00ff"],
  ["image/gif", 0, "GIF8"],
  ["image/webp", 8, "WEBP"],
  ["audio/wav", 8, "WAVE"],
  ["audio/mpeg", 0, "ID3"],
  ["video/mp4", 4, "ftyp"],
  ["application/zip", 0, "PK\u0003\u0004"],
  ["application/gzip", 0, "\u001f\u008b"]
]

/** How many of the first bytes `sniff` looks at. */
export const headLength = 16

/** What the first bytes say by themselves. */
export const sniff = (head: Uint8Array): string | undefined =>
  signatures.find(([, offset, bytes]) =>
    [...bytes].every((char, index) => head[offset + index] === char.charCodeAt(0))
  )?.[0]

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
  if (declared !== null && declared !== unknown) return declared
  return named(filename) ?? sniff(head) ?? unknown
}
