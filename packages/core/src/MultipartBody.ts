/** `multipart/form-data` bodies for uploads to providers: fields first, then the file, of known length. */
import type { Bytes } from "./Bytes.ts"
import type { StreamBody } from "./HttpTransport.ts"

export interface MultipartFile {
  readonly name: string
  readonly filename: string
  readonly contentType: string
  readonly bytes: Bytes
  readonly length: number
}

export interface MultipartForm {
  /** The value of the `content-type` header. */
  readonly contentType: string
  readonly body: StreamBody
}

const encoder = new TextEncoder()

/** As browsers do: what could end the quoted name or the header is percent-encoded. */
const quoted = (text: string): string =>
  `"${text.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22")}"`

/** A media type may not add a header or a parameter of its own. */
const mediaType = (text: string): string => (/^[\x20-\x7e]+$/.test(text) ? text : "application/octet-stream")

/**
 * Encodes a form. `nonce` makes the boundary, so it must be unforeseeable: content that contains the boundary
 * would be taken for the end of the file.
 */
export const encode = (
  fields: ReadonlyArray<readonly [name: string, value: string]>,
  file: MultipartFile,
  nonce: string
): MultipartForm => {
  const boundary = `omnifile-${nonce}`
  const head = encoder.encode(
    fields
      .map(
        ([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name=${quoted(name)}\r\n\r\n${value}\r\n`
      )
      .join("") +
      `--${boundary}\r\n` +
      `content-disposition: form-data; name=${quoted(file.name)}; filename=${quoted(file.filename)}\r\n` +
      `content-type: ${mediaType(file.contentType)}\r\n\r\n`
  )
  const tail = encoder.encode(`\r\n--${boundary}--\r\n`)
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: {
      length: head.byteLength + file.length + tail.byteLength,
      bytes: {
        async *[Symbol.asyncIterator]() {
          yield head
          yield* file.bytes
          yield tail
        }
      }
    }
  }
}
