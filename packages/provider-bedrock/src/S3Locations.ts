/**
 * Documents by their address in S3. The AI SDK has words for images and films there and none for documents, so every file
 * goes through it as content: a stand-in, in whose place the address is put before the request goes out.
 */
import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4Prompt } from "@ai-sdk/provider"
import { isObject, parseObject } from "@omnifile/core/Json"

type UserContent = Extract<LanguageModelV4Prompt[number], { readonly role: "user" }>["content"]

/** The addresses of one call, by what stands for them. */
type Addresses = Map<string, string>

/** Base64 that nobody sends. Who does so nevertheless names a file that the same call has named. */
const standIn = (index: number): string => `omnifile/location/${index}`

const withStandIns = (content: UserContent, addresses: Addresses): UserContent =>
  content.map((part) => {
    if (part.type !== "file" || part.data.type !== "url" || part.data.url.protocol !== "s3:") return part
    const data = standIn(addresses.size)
    addresses.set(data, part.data.url.href)
    return { ...part, data: { type: "data", data } }
  })

const prepared = (options: LanguageModelV4CallOptions, addresses: Addresses): LanguageModelV4CallOptions => ({
  ...options,
  prompt: options.prompt.map((message) =>
    message.role === "user" ? { ...message, content: withStandIns(message.content, addresses) } : message
  )
})

const kinds = ["document", "image", "video"]

const located = (part: unknown, addresses: Addresses): unknown => {
  if (!isObject(part)) return part
  const kind = kinds.find((name) => isObject(part[name]))
  const block = kind === undefined ? undefined : part[kind]
  if (kind === undefined || !isObject(block) || !isObject(block["source"])) return part
  const { bytes } = block["source"]
  const uri = typeof bytes === "string" ? addresses.get(bytes) : undefined
  return uri === undefined ? part : { ...part, [kind]: { ...block, source: { s3Location: { uri } } } }
}

const withLocations = (text: string, addresses: Addresses): string => {
  const body = parseObject(text)
  const messages = body?.["messages"]
  if (body === undefined || !Array.isArray(messages)) return text
  const replaced = messages.map((message: unknown) =>
    isObject(message) && Array.isArray(message["content"])
      ? { ...message, content: message["content"].map((part: unknown) => located(part, addresses)) }
      : message
  )
  return JSON.stringify({ ...body, messages: replaced })
}

/** A model to whose prompts addresses in S3 may belong. */
export const model = (make: (send: typeof fetch) => LanguageModelV4, send: typeof fetch): LanguageModelV4 => {
  const addresses: Addresses = new Map()
  const base = make((input, init) =>
    typeof init?.body === "string" && addresses.size > 0
      ? send(input, { ...init, body: withLocations(init.body, addresses) })
      : send(input, init)
  )
  return {
    specificationVersion: base.specificationVersion,
    provider: base.provider,
    modelId: base.modelId,
    supportedUrls: base.supportedUrls,
    doGenerate: (options) => base.doGenerate(prepared(options, addresses)),
    doStream: (options) => base.doStream(prepared(options, addresses))
  }
}
