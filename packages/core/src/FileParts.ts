/** The parts of a request body that name files, and what stands in their place where an ID alone does not do. */
import * as Bytes from "./Bytes.ts"
import type { FileUse } from "./FileCapabilities.ts"
import { isObject, type JsonObject, parseObject, textOf } from "./Json.ts"
import * as JsonScan from "./JsonScan.ts"
import type { Token } from "./ModelRequest.ts"

/** A part that names a file. */
export interface FilePart extends Token {
  readonly object: JsonObject
}

/** Where parts are: the innermost object of these places around an ID. */
const places: Readonly<Record<FileUse, JsonScan.Paths<string>>> = {
  chat: JsonScan.compile({ part: "messages.*.content.*" }),
  responses: JsonScan.compile({ part: "input.**" }),
  messages: JsonScan.compile({ part: "messages.**", system: "system.**" })
}

const decoder = new TextDecoder()

/** The part around each of these places of a body; undefined where there is none. */
export const around = (
  body: Bytes.InMemory,
  use: FileUse,
  tokens: ReadonlyArray<Token>
): ReadonlyArray<FilePart | undefined> =>
  Bytes.readJoined(body, (bytes) => {
    const scanned = JsonScan.scan(bytes, places[use])
    const objects = scanned._tag === "Ok" ? scanned.matches.filter(({ kind }) => kind === "object") : []
    return tokens.map((token) => {
      const part = objects.findLast(({ end, start }) => start <= token.start && token.end <= end)
      const object = part === undefined ? undefined : parseObject(decoder.decode(bytes.slice(part.start, part.end)))
      return part === undefined || object === undefined ? undefined : { start: part.start, end: part.end, object }
    })
  })

const without = (object: JsonObject, ...names: ReadonlyArray<string>): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))

interface Content {
  /** Without parameters. */
  readonly contentType: string
  readonly filename: string
  /** The content in base64, or what stands for it. */
  readonly data: string
}

const dataUrl = ({ contentType, data }: Content): string => `data:${contentType};base64,${data}`

const isImage = ({ contentType }: Content): boolean => contentType.startsWith("image/")

const chatPart = (part: JsonObject, content: Content): JsonObject | undefined => {
  const { file } = part
  if (!isObject(file)) return undefined
  if (isImage(content)) {
    return { ...without(part, "type", "file"), type: "image_url", image_url: { url: dataUrl(content) } }
  }
  const filename = textOf(file["filename"]) ?? content.filename
  return { ...part, file: { ...without(file, "file_id"), filename, file_data: dataUrl(content) } }
}

const responsePart = (part: JsonObject, content: Content): JsonObject | undefined => {
  const { type } = part
  if (type !== "input_file" && type !== "input_image") return undefined
  if (isImage(content)) {
    return { ...without(part, "type", "file_id", "filename"), type: "input_image", image_url: dataUrl(content) }
  }
  if (type === "input_image") return undefined
  const filename = textOf(part["filename"]) ?? content.filename
  return { ...without(part, "file_id"), filename, file_data: dataUrl(content) }
}

const messageSource = (source: JsonObject, { contentType, data }: Content): JsonObject | undefined =>
  source["type"] === "file"
    ? { ...without(source, "type", "file_id"), type: "base64", media_type: contentType, data }
    : undefined

/** The part with the content in the place of the ID; undefined where only an ID can stand. */
export const withContent = (use: FileUse, part: JsonObject, content: Content): JsonObject | undefined => {
  switch (use) {
    case "chat":
      return chatPart(part, content)
    case "responses":
      return responsePart(part, content)
    case "messages":
      return messageSource(part, content)
  }
}
