/** `content-disposition: attachment` for any file name (RFC 6266, RFC 8187). */

const percent = (text: string): string =>
  encodeURIComponent(text).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

export const attachment = (filename: string): string => {
  const name = filename.toWellFormed()
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, "_")
  return ascii === name
    ? `attachment; filename="${name}"`
    : `attachment; filename="${ascii}"; filename*=UTF-8''${percent(name)}`
}
