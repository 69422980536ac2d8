/** What both of OpenAI's wires say about a call beside its messages. */
import type {
  JSONSchema7,
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4FunctionTool
} from "@ai-sdk/provider"
import { invalid } from "@omnifile/core/CallError"
import type { Json, JsonObject } from "@omnifile/core/Json"
import * as Fields from "./Fields.ts"

/** A request as a model's call, and what the model's provider has to be told in its own terms. */
export interface ModelRequest {
  readonly options: LanguageModelV4CallOptions
  /** The model may call only one tool at a time. */
  readonly serial: boolean
}

/** What the prompt's parts need to know of the provider. */
export interface PromptContext {
  /** A file that the request names by its ID. */
  readonly file: (id: string, param: string) => LanguageModelV4FilePart
  /** Whether the provider fetches addresses that a request names. */
  readonly fetches: boolean
}

const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const
type Effort = (typeof efforts)[number]

export const reasoning = (value: Json | undefined, param: string): Effort | undefined => {
  const said = Fields.text(value, param)
  const effort = efforts.find((known) => known === said)
  if (said !== undefined && effort === undefined)
    throw invalid(`\`${param}\` must be one of ${efforts.join(", ")}.`, param)
  return effort
}

/** A JSON Schema is the client's own: whether it is one, the provider says. */
const schemaOf = (value: JsonObject | undefined): JSONSchema7 =>
  value === undefined ? { type: "object", properties: {} } : (structuredClone(value) as JSONSchema7)

const functionTool = (definition: JsonObject, param: string): LanguageModelV4FunctionTool => {
  const name = Fields.required(Fields.text(definition["name"], `${param}.name`), `${param}.name`)
  const description = Fields.text(definition["description"], `${param}.description`)
  const strict = Fields.boolean(definition["strict"], `${param}.strict`)
  return {
    type: "function",
    name,
    inputSchema: schemaOf(Fields.object(definition["parameters"], `${param}.parameters`)),
    ...(description === undefined ? {} : { description }),
    ...(strict === undefined ? {} : { strict })
  }
}

/** The tools that the model may call, undefined for none; `definitionOf` finds what describes one. */
export const functionTools = (
  value: Json | undefined,
  definitionOf: (tool: JsonObject, param: string) => readonly [definition: JsonObject, param: string]
): Array<LanguageModelV4FunctionTool> | undefined => {
  const tools = Fields.objects(value, "tools").map(([tool, param]) => {
    if (tool["type"] !== "function") throw Fields.unsupported("This model only knows functions.", `${param}.type`)
    return functionTool(...definitionOf(tool, param))
  })
  return tools.length === 0 ? undefined : tools
}

type ToolChoice = NonNullable<LanguageModelV4CallOptions["toolChoice"]>

/** `nameOf` reads the name of the one tool that is to be called. */
export const toolChoice = (
  value: Json | undefined,
  nameOf: (choice: JsonObject) => Json | undefined
): ToolChoice | undefined => {
  const param = "tool_choice"
  if (value === undefined || value === null) return undefined
  if (value === "auto" || value === "none" || value === "required") return { type: value }
  if (typeof value === "string") throw invalid("`tool_choice` must be `auto`, `none`, `required` or a tool.", param)
  const choice = Fields.required(Fields.object(value, param), param)
  if (choice["type"] !== "function") throw Fields.unsupported("This model can only be told to call a function.", param)
  return { type: "tool", toolName: Fields.required(Fields.text(nameOf(choice), param), param) }
}

type ResponseFormat = NonNullable<LanguageModelV4CallOptions["responseFormat"]>

/** `format` says the type, `definition` the schema, its name and description. */
export const responseFormat = (
  format: JsonObject | undefined,
  definition: (format: JsonObject, param: string) => JsonObject,
  param: string
): ResponseFormat | undefined => {
  switch (format?.["type"]) {
    case undefined:
    case null:
    case "text":
      return undefined
    case "json_object":
      return { type: "json" }
    case "json_schema": {
      const said = definition(format, param)
      const name = Fields.text(said["name"], `${param}.name`)
      const description = Fields.text(said["description"], `${param}.description`)
      return {
        type: "json",
        schema: schemaOf(Fields.object(said["schema"], `${param}.schema`)),
        ...(name === undefined ? {} : { name }),
        ...(description === undefined ? {} : { description })
      }
    }
    default:
      throw Fields.unsupported("The format must be `text`, `json_object` or `json_schema`.", `${param}.type`)
  }
}

type Defined<A> = { [K in keyof A as undefined extends A[K] ? never : K]: A[K] } & {
  [K in keyof A as undefined extends A[K] ? K : never]?: Exclude<A[K], undefined>
}

/** The options without those that are not said. */
export const defined = <A extends object>(options: A): Defined<A> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Defined<A>

/** Whether a field says something other than that nothing is wanted. */
export const isSaid = (value: Json | undefined): boolean =>
  value !== undefined &&
  value !== null &&
  value !== false &&
  !(typeof value === "object" && Object.keys(value).length === 0)

/** Fields of a body that say something and are not known: they mean nothing to a model, and are left out. */
export const unknownFields = (body: JsonObject, known: (name: string) => boolean): ReadonlyArray<string> =>
  Object.keys(body).filter((name) => !known(name) && isSaid(body[name]))
