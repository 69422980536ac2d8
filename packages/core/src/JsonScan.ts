/**
 * Finds the values at known places of a JSON document and replaces them, in its bytes: one pass, in which nothing else
 * is decoded, and after which no byte outside of a replaced value is another.
 *
 * The grammar of the whole document is checked, with one leniency: in a string that is neither the value of a match
 * nor a key on the way to one, escapes, control characters and UTF-8 are not looked at.
 *
 * JSON readers differ in which of several equal keys they believe. All of them are matches here.
 */
import type { Edge, Paths, State } from "./JsonPattern.ts"
import {
  byteAt,
  decodeNumber,
  decodeString,
  endOfLiteral,
  endOfNumber,
  endOfString,
  FALSE,
  isPlain,
  NULL,
  skipSpace,
  type Source,
  TRUE
} from "./JsonToken.ts"

export { compile, type Paths } from "./JsonPattern.ts"

interface Found<Name extends string, Kind extends string, Value> {
  readonly name: Name
  /** Where the value is, such as `messages[2].content[0].file.file_id`; empty for the document itself. */
  readonly path: string
  /** The offset of the first byte of the value, which is that of its quote, brace or bracket if it has one. */
  readonly start: number
  /** The offset after its last byte. */
  readonly end: number
  readonly kind: Kind
  /** What JSON.parse makes of the value; undefined for an object or an array. */
  readonly value: Value
}

/** A value in a place that the pattern `name` describes. */
export type Match<Name extends string> =
  | Found<Name, "string", string>
  | Found<Name, "number", number>
  | Found<Name, "boolean", boolean>
  | Found<Name, "null", null>
  | Found<Name, "object", undefined>
  | Found<Name, "array", undefined>

/** Why bytes are not a JSON document that can be scanned. */
export type Reason = "unexpected end of input" | "unexpected character" | "invalid string" | "nested too deeply"

/** `offset` is that of the byte that cannot stand where it does, or of the string that is invalid. */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly offset: number
  readonly reason: Reason
}

/** Matches are in the order of `start`: a container comes before what is in it. */
export type ScanResult<Name extends string> =
  | { readonly _tag: "Ok"; readonly matches: ReadonlyArray<Match<Name>> }
  | Malformed

/** How many containers may be open at once. */
export const maxDepth = 512

type Draft<T> = { -readonly [K in keyof T]: T[K] }

interface Scan<Name extends string> extends Source {
  /** The place in each open container: an index, a key, or -1 - the offset of a key that is not decoded yet. */
  readonly places: Array<number | string>
  /** The path of each open container, once a match in it has asked for it: matches share it. */
  readonly paths: Array<string | undefined>
  readonly matches: Array<Draft<Found<Name, Match<Name>["kind"], Match<Name>["value"]>>>
  failure: Malformed | undefined
}

/** Finds all values that the patterns describe. Never throws. A byte order mark is malformed, as in RFC 8259. */
export const scan = <Name extends string>(bytes: Uint8Array, paths: Paths<Name>): ScanResult<Name> => {
  if (bytes.length === 0) return { _tag: "Malformed", offset: 0, reason: "unexpected end of input" }
  const s: Scan<Name> = {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    places: [],
    paths: [],
    matches: [],
    failure: undefined
  }
  const end = readValue(s, skipSpace(bytes, 0), paths.root, 0)
  if (end !== FAILED) {
    const rest = skipSpace(bytes, end)
    if (rest < bytes.length) unexpected(s, rest)
  }
  return s.failure ?? { _tag: "Ok", matches: s.matches as ReadonlyArray<Match<Name>> }
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** What the readers give instead of the offset after what they have read, with the reason in `failure`. */
const FAILED = -1

const fail = (s: Scan<string>, offset: number, reason: Reason): typeof FAILED => {
  s.failure = { _tag: "Malformed", offset, reason }
  return FAILED
}

const unexpected = (s: Scan<string>, offset: number): typeof FAILED =>
  fail(s, offset, offset < s.bytes.length ? "unexpected character" : "unexpected end of input")

/** Reads the value at `start`, with `depth` containers open. */
const readValue = <Name extends string>(
  s: Scan<Name>,
  start: number,
  state: State<Name> | undefined,
  depth: number
): number => {
  const { bytes } = s
  const wanted = state !== undefined && state.names.length > 0
  const c = byteAt(bytes, start)
  if (c === OPEN_BRACE || c === OPEN_BRACKET) return readContainer(s, start, state, depth)
  if (c === QUOTE) {
    const end = endOfString(s, start)
    if (end < 0) return unexpected(s, -1 - end)
    if (!wanted) return end
    const value = decodeString(bytes, start, end)
    if (value === undefined) return fail(s, start, "invalid string")
    report(s, state, depth, start, end, "string", value)
    return end
  }
  const literal = c === 0x74 ? TRUE : c === 0x66 ? FALSE : c === 0x6e ? NULL : undefined
  const end = literal === undefined ? endOfNumber(bytes, start) : endOfLiteral(bytes, start, literal)
  if (end < 0) return unexpected(s, -1 - end)
  if (!wanted) return end
  if (literal !== undefined) report(s, state, depth, start, end, literal.kind, literal.value)
  else report(s, state, depth, start, end, "number", decodeNumber(bytes, start, end))
  return end
}

const readContainer = <Name extends string>(
  s: Scan<Name>,
  start: number,
  state: State<Name> | undefined,
  depth: number
): number => {
  if (depth === maxDepth) return fail(s, start, "nested too deeply")
  const isObject = s.bytes[start] === OPEN_BRACE
  const first = s.matches.length
  if (state !== undefined && state.names.length > 0) {
    report(s, state, depth, start, start, isObject ? "object" : "array", undefined)
  }
  const last = s.matches.length
  s.paths[depth] = undefined
  const end = isObject ? readObject(s, start, state, depth) : readArray(s, start, state?.element, depth)
  for (let i = first; i < last; i++) {
    const match = s.matches[i]
    if (match !== undefined) match.end = end
  }
  return end
}

const readObject = <Name extends string>(
  s: Scan<Name>,
  start: number,
  state: State<Name> | undefined,
  depth: number
): number => {
  const { bytes } = s
  let p = skipSpace(bytes, start + 1)
  if (byteAt(bytes, p) === CLOSE_BRACE) return p + 1
  for (;;) {
    if (byteAt(bytes, p) !== QUOTE) return unexpected(s, p)
    const keyEnd = endOfString(s, p)
    if (keyEnd < 0) return unexpected(s, -1 - keyEnd)
    let next: State<Name> | undefined
    if (state !== undefined) {
      const edge = edgeOf(s, state, p, keyEnd)
      if (s.failure !== undefined) return FAILED
      next = edge === undefined ? state.otherKey : edge.state
      if (next !== undefined) s.places[depth] = edge === undefined ? -1 - p : edge.key
    }
    p = skipSpace(bytes, keyEnd)
    if (byteAt(bytes, p) !== COLON) return unexpected(s, p)
    p = skipSpace(bytes, p + 1)
    // Most values are strings that nobody wants: a call less for each.
    if (next === undefined && byteAt(bytes, p) === QUOTE) {
      const end = endOfString(s, p)
      if (end < 0) return unexpected(s, -1 - end)
      p = end
    } else {
      p = readValue(s, p, next, depth + 1)
      if (p === FAILED) return FAILED
    }
    p = skipSpace(bytes, p)
    const c = byteAt(bytes, p)
    if (c === CLOSE_BRACE) return p + 1
    if (c !== COMMA) return unexpected(s, p)
    p = skipSpace(bytes, p + 1)
  }
}

/** The edge for the key between two offsets, however it is spelled. Fails if the key is not a valid string. */
const edgeOf = <Name extends string>(
  s: Scan<Name>,
  state: State<Name>,
  start: number,
  end: number
): Edge<Name> | undefined => {
  const { bytes } = s
  const length = end - start - 2
  search: for (const edge of state.keys) {
    const { spelling } = edge
    if (spelling.length !== length) continue
    for (let i = 0; i < length; i++) if (bytes[start + 1 + i] !== spelling[i]) continue search
    return edge
  }
  if (isPlain(bytes, start + 1, end - 1)) return undefined
  const key = decodeString(bytes, start, end)
  if (key === undefined) fail(s, start, "invalid string")
  return state.keys.find((edge) => edge.key === key)
}

const readArray = <Name extends string>(
  s: Scan<Name>,
  start: number,
  element: State<Name> | undefined,
  depth: number
): number => {
  const { bytes } = s
  let p = skipSpace(bytes, start + 1)
  if (byteAt(bytes, p) === CLOSE_BRACKET) return p + 1
  for (let index = 0; ; index++) {
    if (element !== undefined) s.places[depth] = index
    p = readValue(s, p, element, depth + 1)
    if (p === FAILED) return FAILED
    p = skipSpace(bytes, p)
    const c = byteAt(bytes, p)
    if (c === CLOSE_BRACKET) return p + 1
    if (c !== COMMA) return unexpected(s, p)
    p = skipSpace(bytes, p + 1)
  }
}

const report = <Name extends string>(
  s: Scan<Name>,
  state: State<Name>,
  depth: number,
  start: number,
  end: number,
  kind: Match<Name>["kind"],
  value: Match<Name>["value"]
): void => {
  const path = pathAt(s, depth)
  for (const name of state.names) s.matches.push({ name, path, start, end, kind, value })
}

/** The path of the place that the scan has reached inside of `depth` containers. */
const pathAt = (s: Scan<string>, depth: number): string => {
  if (depth === 0) return ""
  const outer = (s.paths[depth - 1] ??= pathAt(s, depth - 1))
  const place = s.places[depth - 1] ?? ""
  if (typeof place === "number" && place >= 0) return `${outer}[${place}]`
  const key = typeof place === "string" ? place : decodeKey(s, -1 - place)
  return depth === 1 ? key : `${outer}.${key}`
}

const decodeKey = (s: Scan<string>, start: number): string => decodeString(s.bytes, start, endOfString(s, start)) ?? ""

const encoder = new TextEncoder()

/** A value to put in the place of the bytes between two offsets. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly value: string
}

/**
 * Replaces values by strings, which are written as JSON.stringify does; all other bytes stay as they are. Without edits
 * the result is `bytes` itself, otherwise a copy. Edits may come in any order. Edits that overlap or are out of bounds
 * are a mistake of the program: a RangeError.
 */
export const splice = (bytes: Uint8Array, edits: ReadonlyArray<Edit>): Uint8Array => {
  if (edits.length === 0) return bytes
  let kept = 0
  let length = bytes.length
  const tokens = edits
    .map(({ start, end, value }) => ({ start, end, text: JSON.stringify(value) }))
    .sort((a, b) => a.start - b.start)
  for (const { start, end, text } of tokens) {
    if (!(start >= kept && end >= start && end <= bytes.length)) {
      throw new RangeError(`The edit of bytes ${start} to ${end} overlaps another or is out of bounds.`)
    }
    length += utf8Length(text) - (end - start)
    kept = end
  }
  const result = new Uint8Array(length)
  let at = 0
  kept = 0
  for (const { start, end, text } of tokens) {
    result.set(bytes.subarray(kept, start), at)
    at += start - kept
    at += encoder.encodeInto(text, result.subarray(at)).written
    kept = end
  }
  result.set(bytes.subarray(kept), at)
  return result
}

/** The bytes of a well-formed string in UTF-8, counted because making them only to learn this costs more. */
const utf8Length = (text: string): number => {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    // The two halves of a surrogate pair have two bytes each.
    if (c >= 0x80) length += c < 0x800 || (c >= 0xd800 && c <= 0xdfff) ? 1 : 2
  }
  return length
}
