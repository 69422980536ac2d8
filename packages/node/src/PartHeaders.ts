/** The headers of one part of a form (RFC 7578). */

export interface PartHeaders {
  /** The field's name, or null if the part does not say. */
  readonly name: string | null
  /** As the client wrote it; null for a part that is no file. */
  readonly filename: string | null
  readonly contentType: string | null
}

/** Header bytes reach us one character a byte; what they mean is UTF-8. */
const decode = (binary: string): string => Buffer.from(binary, "latin1").toString("utf8")

const parameter = /;\s*([\w!#$&+.^`|~-]+)(\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^";\s]*))/g

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

export const parse = (headers: Readonly<Record<string, ReadonlyArray<string>>>): PartHeaders => {
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
    name: values.get("name") ?? null,
    filename: values.get("filename*") ?? values.get("filename") ?? null,
    contentType: contentType === "" ? null : decode(contentType)
  }
}
