/**
 * Finds the values at known places of a JSON document, in its bytes: one pass, in which nothing else is decoded.
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

/** An object or array that is open, or was: the one of a depth is used again for the next of that depth. */
interface Container<Name extends string> {
  /** The byte that closes it. */
  close: number
  state: State<Name> | undefined
  /** Where in it the scan is: an index, a key, or -1 - the offset of a key that is not decoded yet. */
  place: number | string
  /** Its own path, once a match in it has asked for it: all matches in it share it. */
  path: string | undefined
  /** The index of its own first match. There is one for each name of its state, and they lack their end. */
  match: number
}

interface Scan<Name extends string> extends Source {
  readonly containers: Array<Container<Name>>
  /** How many containers are open. */
  depth: number
  readonly matches: Array<Draft<Found<Name, Match<Name>["kind"], Match<Name>["value"]>>>
  failure: Malformed | undefined
}

/** Finds all values that the patterns describe. Never throws. A byte order mark is malformed, as in RFC 8259. */
export const scan = <Name extends string>(bytes: Uint8Array, paths: Paths<Name>): ScanResult<Name> => {
  if (bytes.length === 0) return { _tag: "Malformed", offset: 0, reason: "unexpected end of input" }
  const s: Scan<Name> = {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    containers: [],
    depth: 0,
    matches: [],
    failure: undefined
  }
  const end = readDocument(s, paths.root)
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

/** Reads the value that is the document. */
const readDocument = <Name extends string>(s: Scan<Name>, root: State<Name> | undefined): number => {
  const { bytes } = s
  let p = skipSpace(bytes, 0)
  let state = root
  let container: Container<Name> | undefined
  for (;;) {
    // The key, if an object is open. Inside of a container without a state nothing has one, and `state` stays as it is.
    if (container !== undefined) {
      if (container.close === CLOSE_BRACE) {
        if (byteAt(bytes, p) !== QUOTE) return unexpected(s, p)
        const keyEnd = endOfString(s, p)
        if (keyEnd < 0) return unexpected(s, -1 - keyEnd)
        if (container.state !== undefined) {
          const edge = edgeOf(s, container.state, p, keyEnd)
          if (s.failure !== undefined) return FAILED
          state = edge === undefined ? container.state.otherKey : edge.state
          if (state !== undefined) container.place = edge === undefined ? -1 - p : edge.key
        }
        p = skipSpace(bytes, keyEnd)
        if (byteAt(bytes, p) !== COLON) return unexpected(s, p)
        p = skipSpace(bytes, p + 1)
      } else if (container.state !== undefined) {
        state = container.state.element
        container.place = (container.place as number) + 1
      }
    }

    // The value, or what opens it.
    const c = byteAt(bytes, p)
    if (c === OPEN_BRACE || c === OPEN_BRACKET) {
      if (s.depth === maxDepth) return fail(s, p, "nested too deeply")
      container = open(s, p, state)
      p = skipSpace(bytes, p + 1)
      if (byteAt(bytes, p) !== container.close) continue
    } else if (c === QUOTE && state === undefined) {
      // Most values are this: strings that nobody wants.
      const end = endOfString(s, p)
      if (end < 0) return unexpected(s, -1 - end)
      p = end
    } else {
      p = readScalar(s, p, state)
      if (p === FAILED) return FAILED
    }

    // What comes after a value: the ends of containers, and a comma unless it was the last value.
    for (;;) {
      if (container === undefined) return p
      p = skipSpace(bytes, p)
      const c = byteAt(bytes, p)
      if (c === COMMA) break
      if (c !== container.close) return unexpected(s, p)
      p++
      container = close(s, p)
    }
    p = skipSpace(bytes, p + 1)
  }
}

const open = <Name extends string>(s: Scan<Name>, start: number, state: State<Name> | undefined): Container<Name> => {
  const isObject = s.bytes[start] === OPEN_BRACE
  const container = (s.containers[s.depth] ??= { close: 0, state: undefined, place: 0, path: undefined, match: 0 })
  container.close = isObject ? CLOSE_BRACE : CLOSE_BRACKET
  container.state = state
  container.place = -1
  container.path = undefined
  container.match = s.matches.length
  if (state !== undefined && state.names.length > 0) {
    report(s, state, start, start, isObject ? "object" : "array", undefined)
  }
  s.depth++
  return container
}

/** Closes the innermost container, which ends at `end`, and returns the one that is around it. */
const close = <Name extends string>(s: Scan<Name>, end: number): Container<Name> | undefined => {
  s.depth--
  const container = s.containers[s.depth]
  if (container?.state !== undefined) {
    for (let i = 0; i < container.state.names.length; i++) {
      const match = s.matches[container.match + i]
      if (match !== undefined) match.end = end
    }
  }
  return s.depth === 0 ? undefined : s.containers[s.depth - 1]
}

const readScalar = <Name extends string>(s: Scan<Name>, start: number, state: State<Name> | undefined): number => {
  const { bytes } = s
  const wanted = state !== undefined && state.names.length > 0
  const c = byteAt(bytes, start)
  if (c === QUOTE) {
    const end = endOfString(s, start)
    if (end < 0) return unexpected(s, -1 - end)
    if (!wanted) return end
    const value = decodeString(bytes, start, end)
    if (value === undefined) return fail(s, start, "invalid string")
    report(s, state, start, end, "string", value)
    return end
  }
  const literal = c === 0x74 ? TRUE : c === 0x66 ? FALSE : c === 0x6e ? NULL : undefined
  const end = literal === undefined ? endOfNumber(bytes, start) : endOfLiteral(bytes, start, literal)
  if (end < 0) return unexpected(s, -1 - end)
  if (!wanted) return end
  if (literal !== undefined) report(s, state, start, end, literal.kind, literal.value)
  else report(s, state, start, end, "number", decodeNumber(bytes, start, end))
  return end
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

const report = <Name extends string>(
  s: Scan<Name>,
  state: State<Name>,
  start: number,
  end: number,
  kind: Match<Name>["kind"],
  value: Match<Name>["value"]
): void => {
  const path = pathAt(s, s.depth)
  for (const name of state.names) s.matches.push({ name, path, start, end, kind, value })
}

/** The path of the place in the innermost of `depth` containers at which the scan is. */
const pathAt = (s: Scan<string>, depth: number): string => {
  const container = s.containers[depth - 1]
  if (container === undefined) return ""
  const { place } = container
  const path = (container.path ??= pathAt(s, depth - 1))
  if (typeof place === "number" && place >= 0) return `${path}[${place}]`
  const key = typeof place === "string" ? place : decodeKey(s, -1 - place)
  return depth === 1 ? key : `${path}.${key}`
}

const decodeKey = (s: Scan<string>, start: number): string => decodeString(s.bytes, start, endOfString(s, start)) ?? ""
