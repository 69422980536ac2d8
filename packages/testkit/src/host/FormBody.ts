/** `multipart/form-data` bodies, well formed or not, as bytes. */

export const boundary = "----host-suite-boundary"

export const contentType = `multipart/form-data; boundary=${boundary}`

/** A part as it goes over the wire: header lines, and what follows them. */
export interface Part {
  readonly headers: ReadonlyArray<string>
  readonly content: string | Uint8Array
}

export const field = (name: string, value: string): Part => ({
  headers: [`content-disposition: form-data; name="${name}"`],
  content: value
})

export const file = (filename: string, content: string | Uint8Array, type = "application/octet-stream"): Part => ({
  headers: [`content-disposition: form-data; name="file"; filename="${filename}"`, `content-type: ${type}`],
  content
})

/** The header of a part, with the boundary before it. */
export const opening = ({ headers }: Part): string =>
  `--${boundary}\r\n${headers.map((line) => `${line}\r\n`).join("")}\r\n`

export const closing = `--${boundary}--\r\n`

/** Parts with nothing after them, so that more can follow. */
export const begin = (...parts: ReadonlyArray<Part>): Buffer =>
  Buffer.concat(parts.flatMap((part) => [Buffer.from(opening(part)), Buffer.from(part.content), Buffer.from("\r\n")]))

/** A whole body. */
export const encode = (...parts: ReadonlyArray<Part>): Buffer => Buffer.concat([begin(...parts), Buffer.from(closing)])

/** A body whose file is made while it is sent. */
export async function* streamed(
  fields: ReadonlyArray<Part>,
  filename: string,
  content: AsyncIterable<Uint8Array>
): AsyncGenerator<Uint8Array> {
  yield begin(...fields)
  yield Buffer.from(opening(file(filename, "")))
  yield* content
  yield Buffer.from(`\r\n${closing}`)
}
