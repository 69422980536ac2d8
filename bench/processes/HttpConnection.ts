/**
 * One keep-alive connection of HTTP/1.1 that costs its process as little as can be: requests are bytes made
 * before, and of answers it reads no more than where they end.
 */
import { connect, type Socket } from "node:net"

export interface Exchange {
  /** Each piece of the answer's body, without chunk framing. */
  readonly onBody?: ((piece: Buffer) => void) | undefined
  /** The answer is complete. */
  readonly onEnd: (status: number) => void
  readonly onError: (error: Error) => void
}

const endOfHead = "\r\n\r\n"

export class HttpConnection {
  readonly #socket: Socket
  #exchange: Exchange | undefined
  #closed = false
  #status = 0
  #isChunked = false
  /** Bytes to come of the body, or of the current chunk; -1: the head, or the line before a chunk, comes next. */
  #left = -1
  #inBody = false
  #pending: Buffer | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on("data", (data) => this.#read(data))
    socket.on("error", (error) => this.#break(error))
    socket.on("close", () => this.#break(new Error("the connection was closed")))
  }

  static open(port: number): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.off("error", reject)
        resolve(new HttpConnection(socket))
      })
      socket.once("error", reject)
    })
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Sends a request; there must be none under way. */
  send(request: Uint8Array, exchange: Exchange): void {
    this.#exchange = exchange
    this.#socket.write(request)
  }

  close(): void {
    this.#closed = true
    this.#socket.destroy()
  }

  #break(error: Error): void {
    this.#closed = true
    const exchange = this.#exchange
    this.#exchange = undefined
    exchange?.onError(error)
  }

  #read(received: Buffer): void {
    let data = received
    if (this.#pending !== undefined) {
      data = Buffer.concat([this.#pending, data])
      this.#pending = undefined
    }
    let at = 0
    while (at < data.length) {
      const next = this.#inBody ? this.#readBody(data, at) : this.#readHead(data, at)
      if (next === at) {
        this.#pending = data.subarray(at)
        return
      }
      at = next
    }
  }

  /** The readers give the offset up to which they have read; the same one if they need more bytes. */
  #readHead(data: Buffer, start: number): number {
    const end = data.indexOf(endOfHead, start)
    if (end < 0) return start
    const head = data.toString("latin1", start, end)
    this.#status = Number(head.slice(9, 12))
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    this.#isChunked = length === undefined
    this.#left = length === undefined ? -1 : Number(length)
    this.#inBody = true
    if (this.#left === 0) this.#end()
    return end + endOfHead.length
  }

  #readBody(data: Buffer, start: number): number {
    if (this.#left < 0) return this.#readChunkLine(data, start)
    const end = Math.min(data.length, start + this.#left)
    this.#exchange?.onBody?.(data.subarray(start, end))
    this.#left -= end - start
    if (this.#left === 0) {
      if (this.#isChunked) this.#left = -1
      else this.#end()
    }
    return end
  }

  /** The line with the length of the next chunk, and the line break that ended the one before. */
  #readChunkLine(data: Buffer, start: number): number {
    const lineStart = data[start] === 0x0d ? start + 2 : start
    const lineEnd = data.indexOf("\r\n", lineStart)
    if (lineEnd < 0) return start
    const length = Number.parseInt(data.toString("latin1", lineStart, lineEnd), 16)
    if (length > 0) {
      this.#left = length
      return lineEnd + 2
    }
    // No server here sends trailers.
    if (data.length < lineEnd + 4) return start
    this.#end()
    return lineEnd + 4
  }

  #end(): void {
    this.#inBody = false
    this.#left = -1
    const exchange = this.#exchange
    this.#exchange = undefined
    exchange?.onEnd(this.#status)
  }
}
