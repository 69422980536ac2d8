/**
 * What copies are called in a bucket: a prefix, letters and digits that tell each copy from all others, and the name of
 * the file, so that whoever looks through the bucket knows what is there. Everything else than letters, digits, dots,
 * underscores and hyphens is written as `!` and two hexadecimal digits for each byte: such names mean the same to
 * everybody, in an address as in a list.
 */

/** In characters of the escaped name; with a prefix and what tells copies apart it is below the limit of 1,024. */
const longest = 720

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const escapeByte = (byte: number): string => `!${byte.toString(16).toUpperCase().padStart(2, "0")}`

const escape = (character: string): string =>
  /^[A-Za-z0-9._-]$/.test(character) ? character : [...encoder.encode(character)].map(escapeByte).join("")

const escaped = (filename: string): string => {
  let name = ""
  for (const character of filename) {
    const next = escape(character)
    if (name.length + next.length > longest) break
    name += next
  }
  // In an address, dots alone would lead elsewhere.
  return /^\.+$/.test(name) ? name.replaceAll(".", escapeByte(0x2e)) : name
}

const unescaped = (name: string): string =>
  decoder.decode(
    Uint8Array.from(name.match(/!..|./gs) ?? [], (part) =>
      part.length === 1 ? part.charCodeAt(0) : Number.parseInt(part.slice(1), 16)
    )
  )

/** The name of a new object. `nonce` is in no other name. */
export const make = (prefix: string, nonce: string, filename: string): string =>
  `${prefix}${nonce}/${escaped(filename)}`

/** What comes before the name of the file, which only this one object has. */
export const stemOf = (name: string): string => name.slice(0, name.lastIndexOf("/") + 1)

/** The name of the file, as far as it is kept; null if the object is called in another way. */
export const filenameOf = (prefix: string, name: string): string | null => {
  const match = name.startsWith(prefix) ? /^[0-9A-Za-z]+\/([A-Za-z0-9._!-]+)$/.exec(name.slice(prefix.length)) : null
  return match?.[1] === undefined ? null : unescaped(match[1])
}

/** The name as it is in the path of an address. */
export const inPath = (name: string): string => name.split("/").map(inQuery).join("/")

/** The name as it is in the query of an address. `!` is one of the few characters about which rules differ. */
export const inQuery = (text: string): string => encodeURIComponent(text).replaceAll("!", "%21")
