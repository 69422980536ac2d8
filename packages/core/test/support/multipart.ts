/** Reads the forms that are uploaded to the fake provider. */

export interface ParsedForm {
  readonly fields: ReadonlyMap<string, string>
  readonly file: { readonly filename: string; readonly contentType: string; readonly content: Uint8Array }
}

/** Throws if the body is no complete form with a file. */
export const parseForm = (contentType: string, body: Uint8Array): ParsedForm => {
  const boundary = /boundary=(\S+)$/.exec(contentType)?.[1]
  const bytes = Buffer.from(body)
  if (boundary === undefined || !bytes.toString("latin1").endsWith(`\r\n--${boundary}--\r\n`)) {
    throw new Error("The form is cut short or has no boundary")
  }
  const fields = new Map<string, string>()
  let file: ParsedForm["file"] | undefined
  const delimiter = Buffer.from(`--${boundary}\r\n`)
  const end = Buffer.from(`\r\n--${boundary}`)
  for (let at = bytes.indexOf(delimiter); at >= 0; at = bytes.indexOf(delimiter, at + 1)) {
    const head = at + delimiter.length
    const content = bytes.indexOf("\r\n\r\n", head) + 4
    const headers = bytes.toString("utf8", head, content)
    const value = bytes.subarray(content, bytes.indexOf(end, content))
    const name = /name="([^"]*)"/.exec(headers)?.[1] ?? ""
    const filename = /filename="([^"]*)"/.exec(headers)?.[1]
    if (filename === undefined) fields.set(name, value.toString("utf8"))
    else {
      const type = /content-type: (.+)\r\n/.exec(headers)?.[1] ?? ""
      file = { filename, contentType: type, content: new Uint8Array(value) }
    }
  }
  if (file === undefined) throw new Error("The form has no file")
  return { fields, file }
}
