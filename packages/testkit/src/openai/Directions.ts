/**
 * What a test can have an emulated model do, by lines of the last prompt: `call get_weather {"city":"Oslo"}` calls a
 * tool, `finish max_tokens` ends with that reason, in the API's own words.
 */
import { isRecord } from "./Chat.ts"

export type JsonRecord = Readonly<Record<string, unknown>>

export interface ToolCall {
  readonly name: string
  readonly input: JsonRecord
}

const parse = (text: string): JsonRecord => {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

/**
 * The calls that the prompt asks for, of tools that there are. If there must be a call and none is asked for, it is
 * the first tool's, with the smallest input that its schema allows.
 */
export const toolCalls = (
  prompt: string | undefined,
  tools: ReadonlyArray<{ readonly name: string; readonly schema: unknown }>,
  required: boolean
): ReadonlyArray<ToolCall> => {
  const asked = [...(prompt ?? "").matchAll(/^call (\S+) *(.*)$/gm)].flatMap(([, name = "", input = ""]) =>
    tools.some((tool) => tool.name === name) ? [{ name, input: parse(input) }] : []
  )
  const [first] = tools
  if (asked.length > 0 || !required || first === undefined) return asked
  const input = exampleOf(first.schema)
  return [{ name: first.name, input: isRecord(input) ? input : {} }]
}

/** The reason to finish that the prompt asks for. */
export const finish = (prompt: string | undefined): string | undefined => /^finish (\S+)$/m.exec(prompt ?? "")?.[1]

/** A small value that a JSON schema allows. Understands what schemas of answers are made of, and no more. */
export const exampleOf = (schema: unknown): unknown => {
  if (!isRecord(schema)) return {}
  const { anyOf, enum: values, items, properties } = schema
  if ("const" in schema) return schema["const"]
  if (Array.isArray(values)) return values[0]
  if (Array.isArray(anyOf)) return exampleOf(anyOf[0])
  const type = Array.isArray(schema["type"]) ? schema["type"][0] : schema["type"]
  switch (String(type).toLowerCase()) {
    case "string":
      return "text"
    case "integer":
    case "number":
      return 1
    case "boolean":
      return true
    case "null":
      return null
    case "array":
      return [exampleOf(items)]
    default:
      return Object.fromEntries(
        Object.entries(isRecord(properties) ? properties : {}).map(([name, property]) => [name, exampleOf(property)])
      )
  }
}
