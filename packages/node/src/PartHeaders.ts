/** The headers of one part of a form (RFC 7578). */

/** The most headers of a part, and the most characters that they have together. */
export const maxCount = 32
export const maxSize = 16 * 1024

export interface PartHeaders {
  /** The field's name, or null if the part does not say. Never empty. */
  readonly name: string | null
  /** As the client wrote it; null for a part that is no file. */
  readonly filename: string | null
  readonly contentType: string | null
}

/** Header bytes reach us one character a byte; what they mean is UTF-8. */
const decode = (binary: string): string => Buffer.from(binary, "latin1").toString("utf8")

const parameter = /;\s*([\w!#$&+.^`|~-]+)(\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^";\s]+))/g

/** `UTF-8''percent-encoded`, as RFC 5987 writes text. */
const decodeExtended = (value: string): string | null => {
  const text = /^utf-8'[^']*'(.*)$/i.exec(value)?.[1]
  if (text === undefined) return null
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** In a quoted value a backslash escapes a quote or itself; before anything else it is one (as in `C:\x`). */
const unescape = (quoted: string): string => quoted.replace(/\\(["\\])/g, "$1")

type RawHeaders = Readonly<Record<string, ReadonlyArray<string>>>

const isTooLong = (headers: RawHeaders): boolean => {
  const pairs = Object.entries(headers).flatMap(([name, values]) => values.map((value) => name.length + value.length))
  return pairs.length > maxCount || pairs.reduce((total, length) => total + length, 0) > maxSize
}

/** What the headers of a part say, or null if they are too many or too long. */
export const parse = (headers: RawHeaders): PartHeaders | null => {
  if (isTooLong(headers)) return null
  const disposition = headers["content-disposition"]?.[0] ?? ""
  const contentType = headers["content-type"]?.[0]?.trim() ?? ""
  const values = new Map<string, string>()
  if (/^form-data\b/i.test(disposition)) {
    for (const [, name = "", extended = "", quoted, token = ""] of disposition.matchAll(parameter)) {
      const plain = quoted === undefined ? token : unescape(quoted)
      const value = extended === "*" ? decodeExtended(plain) : decode(plain)
      if (value !== null) values.set(`${name.toLowerCase()}${extended}`, value)
    }
  }
  return {
    name: values.get("name") || null,
    filename: values.get("filename*") ?? values.get("filename") ?? null,
    contentType: contentType === "" ? null : decode(contentType)
  }
}
