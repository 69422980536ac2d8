/** HTTP requests as bytes, and the chat bodies in them. */
import { authorization, models } from "../servers/Installation.ts"

export const get = (path: string): Uint8Array =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${authorization}\r\naccept: */*\r\n\r\n`)

const postJson = (path: string, body: string): Uint8Array =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${authorization}\r\naccept: application/json\r\n` +
      `user-agent: benchmark\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )

export interface ChatShape {
  /** Of the body, in bytes. */
  readonly size: number
  /** Among which the text is spread. */
  readonly messages: number
  readonly files: ReadonlyArray<string>
  readonly stream?: boolean | undefined
}

/** With what JSON has to escape, and a character of two bytes. */
const sentences = 'The tenant pays the rent in advance.\nThe "deposit" is two months\' rent, à conserver.\n'

/** Text that takes this many bytes in a JSON string. */
const textOfSize = (bytes: number): string => {
  const whole = JSON.stringify(sentences).length - 2 + 1
  const text = sentences.repeat(Math.max(0, Math.floor(bytes / whole)))
  return text + "x".repeat(Math.max(0, bytes - (Buffer.byteLength(JSON.stringify(text)) - 2)))
}

const chatBody = ({ files, messages, stream = false }: ChatShape, texts: ReadonlyArray<string>): string =>
  JSON.stringify({
    model: models.a,
    stream,
    temperature: 0.2,
    messages: Array.from({ length: messages }, (_, index) => ({
      role: index % 2 === 0 ? "user" : "assistant",
      content:
        index === 0
          ? [
              ...files.map((file_id) => ({ type: "file", file: { file_id } })),
              { type: "text", text: texts[index] ?? "" }
            ]
          : (texts[index] ?? "")
    }))
  })

/** A chat completion of exactly the size asked for. Throws a `RangeError` if that is too small for its files. */
export const chat = (shape: ChatShape): Uint8Array => {
  const room = shape.size - Buffer.byteLength(chatBody(shape, []))
  if (room < 0) throw new RangeError(`A body of ${shape.size} bytes has no room for ${shape.files.length} files`)
  const share = Math.floor(room / shape.messages)
  const texts = Array.from({ length: shape.messages }, (_, index) =>
    textOfSize(index === 0 ? room - share * (shape.messages - 1) : share)
  )
  return postJson("/v1/chat/completions", chatBody(shape, texts))
}
