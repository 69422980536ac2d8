/**
 * Finds the values of fields in a `multipart/form-data` body that is in memory, so that they can be replaced where
 * they stand (RFC 7578). Nothing is decoded but the values that are asked for.
 */
/** A field and where the bytes of its value are. */
export interface Field {
  readonly name: string
  readonly value: string
  readonly start: number
  readonly end: number
}

export type FormResult =
  | { readonly _tag: "Ok"; readonly fields: ReadonlyArray<Field> }
  | { readonly _tag: "Malformed"; readonly reason: string }

/** More parts than any call has. */
const partLimit = 1_000

/** The header lines of a part, in bytes. */
const headLimit = 16 * 1024

/** The longest value that is decoded; in bytes. */
const valueLimit = 64 * 1024

/** The boundary that a content type names, or undefined if it is no form with a boundary. */
export const boundaryOf = (contentType: string): string | undefined => {
  if (!/^multipart\/form-data\s*(?:;|$)/i.test(contentType)) return undefined
  const [, quoted, plain] = /;\s*boundary=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))/i.exec(contentType) ?? []
  const boundary = quoted === undefined ? plain : quoted.replaceAll(/\\(.)/g, "$1")
  return boundary === undefined || boundary === "" || boundary.length > 200 ? undefined : boundary
}

const CR = 0x0d
const LF = 0x0a
const DASH = 0x2d

const utf8 = new TextDecoder()
const encoder = new TextEncoder()

/** The offset of the next `needle` from `from` on, or -1. */
const find = (bytes: Uint8Array, needle: Uint8Array, from: number): number => {
  const first = needle[0] as number
  search: for (let p = bytes.indexOf(first, from); p >= 0; p = bytes.indexOf(first, p + 1)) {
    if (p + needle.length > bytes.length) return -1
    for (let i = 1; i < needle.length; i++) if (bytes[p + i] !== needle[i]) continue search
    return p
  }
  return -1
}

const headEnd = encoder.encode("\r\n\r\n")

/** The name and whether it is a file, of a part's head; undefined if it says no name. */
const described = (head: string): { readonly name: string; readonly isFile: boolean } | undefined => {
  // Lines end here and nowhere else: a regular expression's own lines end at U+2028, too.
  const lines = head.replaceAll(/\r\n[ \t]+/g, " ").split("\r\n")
  const [disposition] = lines.flatMap((line) => /^content-disposition:\s*form-data((?:;.*)?)$/is.exec(line)?.[1] ?? [])
  if (disposition === undefined) return undefined
  const name = /;\s*name=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))/is.exec(disposition)
  const text = name?.[1]?.replaceAll(/\\(.)/gs, "$1") ?? name?.[2]
  return text === undefined ? undefined : { name: text, isFile: /;\s*filename\*?=/i.test(disposition) }
}

/** The fields that are wanted, in order; files are none. Never throws. */
export const scan = (bytes: Uint8Array, boundary: string, wants: (name: string) => boolean): FormResult => {
  const malformed = (reason: string): FormResult => ({ _tag: "Malformed", reason })
  const delimiter = encoder.encode(`\r\n--${boundary}`)
  const opening = delimiter.subarray(2)
  const fields: Array<Field> = []
  // The first delimiter may be at the very start, without a line end before it.
  let at = opening.every((byte, index) => bytes[index] === byte) ? opening.length : find(bytes, delimiter, 0)
  if (at < 0) return malformed("the boundary of its content type is not in it")
  if (at !== opening.length) at += delimiter.length
  for (let parts = 0; ; parts++) {
    if (bytes[at] === DASH && bytes[at + 1] === DASH) return { _tag: "Ok", fields }
    while (bytes[at] === 0x20 || bytes[at] === 0x09) at++
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return malformed("a boundary is not at the end of its line")
    if (parts === partLimit) return malformed(`it has more than ${partLimit} parts`)
    // A part without headers begins with the empty line.
    const headStart = at + 2
    const headStop = find(bytes.subarray(0, headStart + headLimit), headEnd, at)
    if (headStop < 0) return malformed("the headers of a part have no end")
    const start = headStop + headEnd.length
    const end = find(bytes, delimiter, start - 2)
    if (end < 0) return malformed("it ends within a part")
    const part = described(headStop < headStart ? "" : utf8.decode(bytes.subarray(headStart, headStop)))
    if (part === undefined) return malformed("a part has no name")
    if (!part.isFile && wants(part.name)) {
      if (end - start > valueLimit) return malformed(`the field ${part.name} is too long`)
      const stop = Math.max(start, end)
      fields.push({ name: part.name, value: utf8.decode(bytes.subarray(start, stop)), start, end: stop })
    }
    at = end + delimiter.length
  }
}
