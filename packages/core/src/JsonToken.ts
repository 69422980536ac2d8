/**
 * The tokens of JSON in bytes: where each ends and what it means. The `endOf` functions return the offset after the
 * token, or -1 - the offset of the first byte that cannot stand where it does, which may be the end of the bytes.
 */

/** A document. */
export interface Source {
  readonly bytes: Uint8Array
  /** The same bytes. */
  readonly view: DataView
}

const QUOTE = 0x22
const PLUS = 0x2b
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const BACKSLASH = 0x5c

/** The byte at an offset, or -1 at the end. */
export const byteAt = (bytes: Uint8Array, p: number): number => (p < bytes.length ? (bytes[p] as number) : -1)

/** The offset of the first byte from `p` on that is not white space. */
export const skipSpace = (bytes: Uint8Array, p: number): number => (byteAt(bytes, p) > 0x20 ? p : skipSpaces(bytes, p))

// Apart from skipSpace, which is called between any two tokens and has to be small enough to be inlined.
const skipSpaces = (bytes: Uint8Array, from: number): number => {
  let p = from
  for (;;) {
    const c = byteAt(bytes, p)
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return p
    p++
  }
}

/** How far a string is searched byte by byte, which suits most keys, before it is searched by blocks. */
const SHORT = 8

/** The bytes of a block. */
const BLOCK = 16

const QUOTES = 0x22222222
const BACKSLASHES = 0x5c5c5c5c
const TOP_BITS = 0x80808080

/** Sets the top bit of each byte that is zero, and perhaps of bytes that are 1 if no other is between them and it. */
const zeroBytes = (x: number): number => (x - 0x01010101) & ~x

/** The offset after the string whose opening quote is at `start`. */
export const endOfString = (source: Source, start: number): number => {
  const { bytes, view } = source
  const end = bytes.length
  let p = start + 1
  const near = Math.min(end, p + SHORT)
  while (p < near) {
    const c = bytes[p]
    if (c === QUOTE) return p + 1
    p += c === BACKSLASH ? 2 : 1
  }
  for (const last = end - BLOCK; p <= last; p += BLOCK) {
    const quotes =
      zeroBytes(view.getInt32(p, true) ^ QUOTES) |
      zeroBytes(view.getInt32(p + 4, true) ^ QUOTES) |
      zeroBytes(view.getInt32(p + 8, true) ^ QUOTES) |
      zeroBytes(view.getInt32(p + 12, true) ^ QUOTES)
    if ((quotes & TOP_BITS) === 0) continue
    const quote = closingQuote(source, p)
    if (quote >= 0) return quote + 1
  }
  for (; p < end; p++) if (bytes[p] === QUOTE && !isEscaped(bytes, p)) return p + 1
  return -1 - end
}

/** The offset of the first quote of the block at `start` that is not escaped, or -1. */
const closingQuote = ({ bytes, view }: Source, start: number): number => {
  const end = start + BLOCK
  let p = start
  // A quote after a single backslash is escaped. While all are, none is looked at by itself. Where zeroBytes is wrong
  // about a backslash it finds one before it too, so that no quote is passed over by mistake.
  for (; p < end; p += 4) {
    const others =
      ~zeroBytes(view.getInt32(p - 1, true) ^ BACKSLASHES) | zeroBytes(view.getInt32(p - 2, true) ^ BACKSLASHES)
    if ((zeroBytes(view.getInt32(p, true) ^ QUOTES) & others & TOP_BITS) !== 0) break
  }
  for (; p < end; p++) if (bytes[p] === QUOTE && !isEscaped(bytes, p)) return p
  return -1
}

/** Whether there is an odd number of backslashes before a quote. No two quotes have the same ones: this is linear. */
const isEscaped = (bytes: Uint8Array, quote: number): boolean => {
  let p = quote - 1
  while (bytes[p] === BACKSLASH) p--
  return ((quote - p) & 1) === 0
}

/** Whether the bytes between two quotes stand for themselves: ASCII without escapes and control characters. */
export const isPlain = (bytes: Uint8Array, start: number, end: number): boolean => {
  for (let p = start; p < end; p++) {
    const c = bytes[p] as number
    if (c < 0x20 || c > 0x7e || c === BACKSLASH) return false
  }
  return true
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** Up to this length, a string is made faster from its characters than by a TextDecoder. */
const FEW = 24

/** The string whose token is between two offsets, or undefined if it is not valid. */
export const decodeString = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  if (isPlain(bytes, start + 1, end - 1)) {
    if (end - start > FEW) return utf8.decode(bytes.subarray(start + 1, end - 1))
    const codes: Array<number> = []
    for (let p = start + 1; p < end - 1; p++) codes.push(bytes[p] as number)
    return String.fromCharCode(...codes)
  }
  try {
    return String(JSON.parse(utf8.decode(bytes.subarray(start, end))))
  } catch {
    return undefined
  }
}

interface Literal {
  readonly spelling: Uint8Array
  readonly kind: "boolean" | "null"
  readonly value: boolean | null
}
const encoder = new TextEncoder()
export const TRUE: Literal = { spelling: encoder.encode("true"), kind: "boolean", value: true }
export const FALSE: Literal = { spelling: encoder.encode("false"), kind: "boolean", value: false }
export const NULL: Literal = { spelling: encoder.encode("null"), kind: "null", value: null }

/** The offset after a literal whose first byte has been recognised. */
export const endOfLiteral = (bytes: Uint8Array, start: number, { spelling }: Literal): number => {
  for (let i = 1; i < spelling.length; i++) if (byteAt(bytes, start + i) !== spelling[i]) return -1 - start - i
  return start + spelling.length
}

const isDigit = (c: number): boolean => (c - ZERO) >>> 0 < 10

/** The offset after the number that is to be at `start`. */
export const endOfNumber = (bytes: Uint8Array, start: number): number => {
  let p = start
  let c = byteAt(bytes, p)
  if (c === MINUS) c = byteAt(bytes, ++p)
  if (!isDigit(c)) return -1 - p
  if (c === ZERO) c = byteAt(bytes, ++p)
  else
    do c = byteAt(bytes, ++p)
    while (isDigit(c))
  if (c === DOT) {
    c = byteAt(bytes, ++p)
    if (!isDigit(c)) return -1 - p
    do c = byteAt(bytes, ++p)
    while (isDigit(c))
  }
  if (c === 0x65 || c === 0x45) {
    c = byteAt(bytes, ++p)
    if (c === PLUS || c === MINUS) c = byteAt(bytes, ++p)
    if (!isDigit(c)) return -1 - p
    do c = byteAt(bytes, ++p)
    while (isDigit(c))
  }
  return p
}

/** The number whose token is between two offsets. */
export const decodeNumber = (bytes: Uint8Array, start: number, end: number): number =>
  Number(utf8.decode(bytes.subarray(start, end)))
