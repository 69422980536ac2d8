/** Files, images and sound in a request as parts of a prompt. */
import type { LanguageModelV4FilePart } from "@ai-sdk/provider"
import type { FilePlacement } from "@omnifile/core/ChatTranslator"
import { invalid } from "@omnifile/core/CallError"
import { unsupported } from "./Fields.ts"

/** `data:<type>;base64,<content>`, with any parameters in between. */
const dataUrl = /^data:([^;,]*)(?:;[^,]*?)?;base64,/i

/** The beginnings of content in base64 that tell its type. */
const beginnings: ReadonlyArray<readonly [beginning: string, type: string]> = [
  ["JVBERi0", "application/pdf"],
  ["iVBORw0KGgo", "image/png"],
  ["/9j/", "image/jpeg"],
  ["R0lGOD", "image/gif"]
]

const sniffed = (base64: string): string | undefined =>
  beginnings.find(([beginning]) => base64.startsWith(beginning))?.[1]

/** Text is text: providers know few of its types by name. */
const known = (type: string): string => (type.startsWith("text/") ? "text/plain" : type)

const ofContent = (base64: string, type: string, filename?: string): LanguageModelV4FilePart => ({
  type: "file",
  mediaType: known(sniffed(base64) ?? type),
  data: { type: "data", data: base64 },
  ...(filename === undefined ? {} : { filename })
})

/**
 * A file of ours. `key` is the name by which the provider's models look for what is theirs in a reference; null if that is
 * an address.
 */
export const ofFile = (
  files: ReadonlyMap<string, FilePlacement>,
  key: string | null,
  id: string,
  param: string
): LanguageModelV4FilePart => {
  const placement = files.get(id)
  if (placement === undefined) {
    throw unsupported("Only files that were uploaded here can be used with this model.", param)
  }
  const { as, contentType, filename } = placement
  const file = { type: "file", mediaType: contentType, filename } as const
  if (as._tag === "Inline") return { ...file, data: { type: "data", data: as.sentinel } }
  return key === null
    ? { ...file, data: { type: "url", url: new URL(as.value) } }
    : { ...file, data: { type: "reference", reference: { [key]: as.value } } }
}

/** Content in the request itself: a `data:` URL, or base64 alone whose beginning tells what it is. */
export const ofData = (data: string, filename: string | undefined, param: string): LanguageModelV4FilePart => {
  const match = dataUrl.exec(data)
  const base64 = match === null ? data : data.slice(match[0].length)
  const declared = match?.[1]?.toLowerCase()
  const type = sniffed(base64) ?? (declared === "application/octet-stream" || declared === "" ? undefined : declared)
  if (type === undefined) throw invalid("The content must be a `data:` URL in base64 that names its type.", param)
  return ofContent(base64, type, filename)
}

/** An image or a document at an address that the provider fetches by itself, if it does that. */
export const ofUrl = (
  address: string,
  mediaType: "image/*" | "application/pdf",
  fetched: boolean,
  param: string
): LanguageModelV4FilePart => {
  if (address.startsWith("data:")) return ofData(address, undefined, param)
  if (!URL.canParse(address)) throw invalid("The address is not valid.", param)
  const url = new URL(address)
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw invalid("The address must begin with `https:` or `data:`.", param)
  }
  if (!fetched) {
    throw unsupported("This model does not fetch addresses: send the content as a `data:` URL or upload it.", param)
  }
  return { type: "file", mediaType, data: { type: "url", url } }
}

const soundTypes: ReadonlyMap<string, string> = new Map([
  ["wav", "audio/wav"],
  ["mp3", "audio/mpeg"]
])

export const ofSound = (data: string, format: string, param: string): LanguageModelV4FilePart => {
  const mediaType = soundTypes.get(format)
  if (mediaType === undefined) throw invalid("`format` must be `wav` or `mp3`.", `${param}.format`)
  return { type: "file", mediaType, data: { type: "data", data } }
}
