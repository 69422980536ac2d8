/** Single large transfers, streamed in constant memory. */
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { type IncomingMessage, request } from "node:http"
import { connect } from "node:net"

export interface UploadOptions {
  readonly port: number
  readonly path: string
  readonly authorization: string
  readonly fields: Readonly<Record<string, string>>
  /** Bytes of the file. */
  readonly size: number
}

export interface UploadResult {
  /** From the start of the request to the end of the answer. */
  readonly seconds: number
  /** Of the file object in the answer. */
  readonly id: string
}

export interface DownloadOptions {
  readonly port: number
  readonly path: string
  readonly authorization: string
}

export interface DownloadResult {
  readonly seconds: number
  readonly bytes: number
}

const chunk = randomBytes(64 * 1024)
const boundary = "omnifile-benchmark-8f14e45fceea167a"

const readText = async (response: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const piece of response) chunks.push(piece as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

/** Uploads as the official SDKs do, with the length of the body known. */
export const upload = async (options: UploadOptions): Promise<UploadResult> => {
  const { authorization, fields, path, port, size } = options
  const texts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  )
  const head = Buffer.from(
    `${texts.join("")}--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="large.bin"\r\n` +
      `content-type: application/octet-stream\r\n\r\n`
  )
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  const started = performance.now()
  const sending = request({
    port,
    path,
    method: "POST",
    host: "127.0.0.1",
    agent: false,
    headers: {
      authorization,
      "content-type": `multipart/form-data; boundary=${boundary}`,
      "content-length": head.length + size + tail.length
    }
  })
  const answered = once(sending, "response") as Promise<[IncomingMessage]>
  // Awaited below; until then a failure is seen by the wait for room.
  answered.catch(() => {})
  sending.write(head)
  for (let left = size; left > 0; left -= chunk.length) {
    if (!sending.write(left < chunk.length ? chunk.subarray(0, left) : chunk)) await once(sending, "drain")
  }
  sending.end(tail)
  const [response] = await answered
  const text = await readText(response)
  if (response.statusCode !== 200) throw new Error(`upload: status ${response.statusCode}: ${text.slice(0, 300)}`)
  const { id } = JSON.parse(text) as { readonly id: string }
  return { seconds: (performance.now() - started) / 1000, id }
}

const endOfHead = "\r\n\r\n"

/** Downloads over a socket of its own, and drops what comes: the client is to cost little. */
export const download = ({ authorization, path, port }: DownloadOptions): Promise<DownloadResult> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    let head = ""
    let expected = -1
    let bytes = 0
    const socket = connect({ port, host: "127.0.0.1" })
    socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${authorization}\r\n\r\n`)
    socket.on("error", reject)
    socket.on("end", () => reject(new Error(`download: ended after ${bytes} bytes`)))
    socket.on("data", (data) => {
      bytes += data.length
      if (expected < 0) {
        head += data.toString("latin1")
        const end = head.indexOf(endOfHead)
        if (end < 0) return
        if (!head.startsWith("HTTP/1.1 200 ")) return void socket.destroy(new Error(`download: ${head.slice(0, 300)}`))
        expected = end + endOfHead.length + Number(/content-length: *(\d+)/i.exec(head)?.[1])
      }
      if (bytes < expected) return
      socket.removeAllListeners("end").destroy()
      resolve({ seconds: (performance.now() - started) / 1000, bytes })
    })
  })
