/** The parser's errors in words that quote nothing of the file, because the parser's own quote secrets too. */
import type { ErrorCode, YAMLError } from "yaml"

/** The parser's own message is constant for these. */
const constant: ReadonlySet<ErrorCode> = new Set([
  "BAD_INDENT",
  "BLOCK_AS_IMPLICIT_KEY",
  "BLOCK_IN_FLOW",
  "KEY_OVER_1024_CHARS",
  "MISSING_CHAR",
  "MULTILINE_IMPLICIT_KEY",
  "MULTIPLE_ANCHORS",
  "MULTIPLE_TAGS",
  "TAB_AS_INDENT"
])

const ownWords: Partial<Record<ErrorCode, string>> = {
  BAD_DIRECTIVE: "directives other than %YAML are not supported",
  BAD_DQ_ESCAPE: "unknown escape in \"...\"; in '...' a backslash is only a backslash",
  BAD_SCALAR_START: "text that begins with this character has to be in quotes",
  DUPLICATE_KEY: "this field is given twice",
  MULTIPLE_DOCS: "a configuration is one YAML document",
  TAG_RESOLVE_FAILED: "tags (!name) are not supported"
}

/** After these errors the tree is still what its author meant. */
const harmless: ReadonlySet<ErrorCode> = new Set([
  "BAD_DIRECTIVE",
  "BAD_DQ_ESCAPE",
  "BAD_SCALAR_START",
  "DUPLICATE_KEY",
  "TAG_RESOLVE_FAILED"
])

export const isHarmless = (error: YAMLError): boolean => harmless.has(error.code)

const quotesNeeded = "text with ${...} inside { } or [ ] has to be in quotes"

/** `line` is the text of the line that the error is on. */
export const describe = (error: YAMLError, line: string): string => {
  if (error.code === "UNEXPECTED_TOKEN" && line.includes("${")) return `not valid YAML here: ${quotesNeeded}`
  const message = ownWords[error.code] ?? (constant.has(error.code) ? error.message : undefined)
  return message === undefined ? "not valid YAML here" : message
}

/** The first error of each line, up to the one behind which the parser has lost its way. */
export const independent = (
  errors: ReadonlyArray<YAMLError>,
  lineOf: (error: YAMLError) => number
): ReadonlyArray<YAMLError> => {
  const lines = new Set<number>()
  const kept: Array<YAMLError> = []
  for (const error of [...errors].sort((a, b) => a.pos[0] - b.pos[0])) {
    const isLost = error.message.includes("in YAML stream")
    if (!lines.has(lineOf(error)) && !(isLost && kept.length > 0)) kept.push(error)
    lines.add(lineOf(error))
    if (isLost) break
  }
  return kept
}
