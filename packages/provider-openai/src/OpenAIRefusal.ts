/** Refusals on OpenAI's wire, and in the other shapes that vendors of it have. */
import { isObject, type JsonObject } from "@omnifile/core/Json"
import type { Provider, Refusal, RefusalMeaning } from "@omnifile/core/Provider"

const text = (value: unknown): string | null => {
  if (typeof value === "number") return String(value)
  return typeof value === "string" && value !== "" ? value : null
}

/** What a validator says: a text, or one object for each thing that is wrong. */
const detailOf = (detail: unknown): { readonly message: string; readonly param: string | null } | null => {
  if (typeof detail === "string") return { message: detail, param: null }
  const [first] = Array.isArray(detail) ? (detail as ReadonlyArray<unknown>) : []
  if (!isObject(first)) return null
  const { loc, msg } = first
  // The first place is where the request has it: in its body, its query, its path.
  const param = Array.isArray(loc) ? loc.slice(1).join(".") : ""
  return typeof msg === "string" ? { message: msg, param: param === "" ? null : param } : null
}

const read = (body: JsonObject): Omit<Refusal, "meaning"> | null => {
  const { detail, error } = body
  const described = isObject(error) ? error : body
  const { code, message, param, type } = described
  if (typeof message === "string") {
    return { message, type: text(type), param: text(param), code: text(code) }
  }
  if (typeof error === "string") return { message: error, type: null, param: null, code: text(body["code"]) }
  const found = detailOf(detail)
  return found === null ? null : { ...found, type: null, code: null }
}

/** A file is named in many ways, and always called one. */
const isGone = (message: string): boolean =>
  /no such file|\bfile\b.*(not found|does not exist|has expired)/i.test(message)

const meaningOf = (status: number, { code, message }: Omit<Refusal, "meaning">): RefusalMeaning | null => {
  if (status === 413) return "too_large"
  if ((status === 400 || status === 404) && isGone(message)) return "gone"
  if (status === 400 && (code === "invalid_api_key" || /incorrect api key/i.test(message))) return "credentials"
  // Azure names no storage, and has a limit for files that do not expire.
  const isFull = /\bstorage\b.*\b(quota|limit)\b|\b(quota|limit)\b.*\bstorage\b|\bquota for files\b/i.test(message)
  return isFull ? "quota" : null
}

export const decodeRefusal: Provider["decodeRefusal"] = (body, { status }) => {
  if (typeof body === "string")
    return body === "" ? null : withMeaning(status, { message: body, type: null, param: null, code: null })
  const refusal = isObject(body) ? read(body) : null
  return refusal === null ? null : withMeaning(status, refusal)
}

const withMeaning = (status: number, refusal: Omit<Refusal, "meaning">): Refusal => ({
  ...refusal,
  meaning: meaningOf(status, refusal)
})
