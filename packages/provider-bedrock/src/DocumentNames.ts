/** Bedrock refuses a request that has two documents of one name: of a conversation that repeats a file, say. */
import { isObject, type JsonObject, parseObject } from "@omnifile/core/Json"

/** The part with a name that no part before it has. Case makes no difference. */
const renamed = (part: unknown, taken: Set<string>): unknown => {
  const document = isObject(part) ? part["document"] : undefined
  if (!isObject(part) || !isObject(document) || typeof document["name"] !== "string") return part
  const given = document["name"]
  let name = given
  for (let count = 2; taken.has(name.toLowerCase()); count++) name = `${given.slice(0, 190)}-${count}`
  taken.add(name.toLowerCase())
  return name === given ? part : { ...part, document: { ...document, name } }
}

const withDistinctNames = (body: JsonObject): unknown => {
  const messages = body["messages"]
  if (!Array.isArray(messages)) return body
  const taken = new Set<string>()
  return {
    ...body,
    messages: messages.map((message: unknown) =>
      isObject(message) && Array.isArray(message["content"])
        ? { ...message, content: message["content"].map((part: unknown) => renamed(part, taken)) }
        : message
    )
  }
}

/** Sends requests in which every document has a name of its own. */
export const distinct =
  (send: typeof fetch): typeof fetch =>
  async (input, init) => {
    const body = typeof init?.body === "string" ? parseObject(init.body) : undefined
    return send(input, body === undefined ? init : { ...init, body: JSON.stringify(withDistinctNames(body)) })
  }
