/** A configuration file in YAML as a source: the environment filled in, secrets redacted, positions kept. */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from "yaml"
import type { Problem } from "./ConfigurationError.ts"
import { interpolate, type Environment } from "./Interpolation.ts"
import { isSecret, showPath, type Finding, type Path, type Source } from "./Source.ts"
import * as YamlErrors from "./YamlErrors.ts"

/** Where a field stands, as offsets into the text. */
interface Place {
  readonly name: number
  readonly value: number
}

interface Tree {
  readonly value: unknown
  /** By path, as JSON. */
  readonly places: ReadonlyMap<string, Place>
  readonly findings: ReadonlyArray<Finding>
}

/** More nodes than any configuration has: aliases of aliases can stand for billions. */
const maxNodes = 100_000

const placeKey = (path: Path): string => JSON.stringify(path)

const read = (document: Document, env: Environment): Tree => {
  const places = new Map<string, Place>()
  const findings: Array<Finding> = []
  const open = new Set<Node>()
  let nodes = 0

  const readText = (text: string, path: Path): unknown => {
    const result = interpolate(text, env)
    if (Result.isSuccess(result)) return isSecret(path) ? Redacted.make(result.success) : result.success
    findings.push(...result.failure.map((message) => ({ path, message })))
    return undefined
  }

  const readAlias = (target: Node | undefined, path: Path): unknown => {
    if (target !== undefined && !open.has(target)) return readNode(target, path)
    const message =
      target === undefined
        ? "refers to an anchor that is not set before it; text that begins with * has to be in quotes"
        : "is part of what it refers to"
    findings.push({ path, message })
    return undefined
  }

  const readMap = (items: ReadonlyArray<{ readonly key: unknown; readonly value: unknown }>, path: Path): unknown =>
    Object.fromEntries(
      items.flatMap(({ key, value }) => {
        // The parser makes nothing but nodes.
        const [nameNode, valueNode] = [key as Node, value as Node | null]
        const step = isScalar(nameNode) ? String(nameNode.value) : ""
        const field = [...path, step]
        const name = nameNode.range?.[0] ?? 0
        const hasValue = valueNode !== null && !(isScalar(valueNode) && valueNode.value === null)
        places.set(placeKey(field), { name, value: hasValue ? (valueNode.range?.[0] ?? name) : name })
        if (isScalar(nameNode)) return [[step, readNode(valueNode, field)]]
        findings.push({ path: field, message: "the name of a field has to be plain text", kind: "name" })
        return []
      })
    )

  const readSequence = (items: ReadonlyArray<unknown>, path: Path): unknown =>
    items.map((item, index) => {
      const node = item as Node | null
      const element = [...path, index]
      const offset = node?.range?.[0] ?? places.get(placeKey(path))?.value ?? 0
      places.set(placeKey(element), { name: offset, value: offset })
      return readNode(node, element)
    })

  /** Nothing (null) is undefined. */
  const readNode = (node: Node | null, path: Path): unknown => {
    nodes += 1
    if (node === null || nodes > maxNodes) return undefined
    if (isAlias(node)) return readAlias(node.resolve(document), path)
    if (isScalar(node)) return typeof node.value === "string" ? readText(node.value, path) : (node.value ?? undefined)
    open.add(node)
    const value = isMap(node) ? readMap(node.items, path) : isSeq(node) ? readSequence(node.items, path) : undefined
    open.delete(node)
    return value
  }

  const value = readNode(document.contents, [])
  if (nodes > maxNodes) findings.push({ path: [], message: `has more than ${maxNodes} values` })
  return { value: value === undefined ? {} : value, places, findings }
}

const isWithin = (path: Path, ancestor: Path): boolean => ancestor.every((step, index) => path[index] === step)

/** Reads the text of a file that problems are to call `file`. Never fails: the source tells what is wrong. */
export const make = (text: string, file: string, env: Environment): Source => {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const { findings, places, value } = read(document, env)

  const position = (offset: number): { readonly line: number; readonly column: number } => {
    const { col, line } = lineCounter.linePos(offset)
    return line === 0 ? { line: 1, column: 1 } : { line, column: col }
  }
  const offsetOf = ({ kind, path }: Finding): number => {
    for (let length = path.length; length > 0; length--) {
      const place = places.get(placeKey(path.slice(0, length)))
      if (place !== undefined) return kind === "name" && length === path.length ? place.name : place.value
    }
    return document.contents?.range?.[0] ?? 0
  }
  const toProblem = (finding: Finding): Problem => ({
    file,
    ...position(offsetOf(finding)),
    field: showPath(finding.path),
    message: finding.message
  })

  const allErrors = [...document.errors, ...document.warnings]
  const errors = YamlErrors.independent(allErrors, (error) => position(error.pos[0]).line)
  const lines = text.split("\n")
  const syntaxProblems = errors.map((error): Problem => {
    const { column, line } = position(error.pos[0])
    return { file, line, column, field: null, message: YamlErrors.describe(error, lines[line - 1] ?? "") }
  })

  // The lines before the one where the YAML goes wrong are as their author meant them. What does not seem to be
  // there at all may have been swallowed.
  const brokenLine = Math.min(
    ...allErrors.filter((error) => !YamlErrors.isHarmless(error)).map((error) => position(error.pos[0]).line)
  )
  const isTrusted = (finding: Finding): boolean =>
    brokenLine === Infinity || (finding.kind !== "absence" && position(offsetOf(finding)).line < brokenLine)
  const follows = (finding: Finding): boolean =>
    finding.kind !== "name" && findings.some(({ path }) => isWithin(finding.path, path))

  return {
    value,
    problems: [...syntaxProblems, ...findings.filter(isTrusted).map(toProblem)],
    locate: (finding) => (isTrusted(finding) && !follows(finding) ? toProblem(finding) : null)
  }
}
