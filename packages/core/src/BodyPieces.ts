/** A JSON body that brings content: text that is in memory, and between it content that is read when it is sent. */
import * as Bytes from "./Bytes.ts"
import type { BodyPiece, StreamBody } from "./HttpTransport.ts"

const bytesOf = (piece: BodyPiece): Bytes.Bytes => (piece instanceof Uint8Array ? Bytes.fromArray(piece) : piece.bytes)

export const body = (pieces: ReadonlyArray<BodyPiece>): StreamBody => ({
  bytes: Bytes.inSequence(pieces.map(bytesOf)),
  length: pieces.reduce((sum, piece) => sum + piece.length, 0),
  pieces
})

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Letters that are nowhere in the text. */
const markFor = (text: string): string => {
  let mark = "content"
  while (text.includes(mark)) mark += "q"
  return mark
}

/**
 * The body as `write` makes it of the text, in which a mark stands for each content: it may move within the text, and the
 * content with it. Undefined if `write` makes nothing of it, or loses a content.
 */
export const rewritten = (
  pieces: ReadonlyArray<BodyPiece>,
  write: (text: Uint8Array) => Uint8Array | undefined
): StreamBody | undefined => {
  const contents = pieces.filter((piece) => !(piece instanceof Uint8Array))
  const mark = markFor(decoder.decode(Bytes.concat(pieces.filter((piece) => piece instanceof Uint8Array))))
  let marked = 0
  const text = pieces.map((piece) => (piece instanceof Uint8Array ? piece : encoder.encode(`${mark}${marked++}z`)))
  const result = write(Bytes.concat(text))
  if (result === undefined) return undefined
  // The capturing group keeps the numbers of the contents, at the odd places.
  const parts = decoder.decode(result).split(new RegExp(`${mark}(\\d+)z`))
  const order = parts.filter((_, index) => index % 2 === 1).map(Number)
  if (order.length !== contents.length || new Set(order).size !== contents.length) return undefined
  return body(
    parts.flatMap((part, index): ReadonlyArray<BodyPiece> => {
      if (index % 2 === 0) return [encoder.encode(part)]
      const content = contents[Number(part)]
      return content === undefined ? [] : [content]
    })
  )
}
