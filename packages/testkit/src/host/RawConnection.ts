/** HTTP/1.1 by hand over one TCP connection: for requests that no client library would send, and for hanging up. */
import { connect } from "node:net"

export interface RawResponse {
  readonly status: number
  /** Names in lower case; a repeated header has its last value. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface RawConnection {
  /** Resolves when the kernel has taken all of it, or nobody can take it any more. */
  readonly send: (data: string | Uint8Array) => Promise<void>
  /** The next answer. Rejects if the connection ends before the end of it. */
  readonly response: (options?: { readonly head?: boolean | undefined }) => Promise<RawResponse>
  /** Says that nothing more will be sent, and goes on reading. */
  readonly finish: () => void
  /** Breaks the connection. */
  readonly hangUp: () => void
  /** Resolves when the connection has ended, from whichever side. */
  readonly closed: Promise<void>
}

const headEnd = "\r\n\r\n"

/** The bytes of a chunked body, and the offset after it; undefined if the end is not there yet. */
const dechunk = (data: Buffer, from: number): { readonly body: Buffer; readonly end: number } | undefined => {
  const chunks: Array<Buffer> = []
  for (let at = from; ;) {
    const lineEnd = data.indexOf("\r\n", at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(data.toString("latin1", at, lineEnd), 16)
    const start = lineEnd + 2
    if (data.length < start + size + 2) return undefined
    if (size === 0) return { body: Buffer.concat(chunks), end: start + 2 }
    chunks.push(data.subarray(start, start + size))
    at = start + size + 2
  }
}

interface Parsed {
  readonly response: RawResponse
  /** The offset after the response. */
  readonly end: number
}

/** The first response of some bytes, or undefined if it is not all there yet. */
const parse = (data: Buffer, isHead: boolean, ended: boolean): Parsed | undefined => {
  const end = data.indexOf(headEnd)
  if (end < 0) return undefined
  const [statusLine = "", ...lines] = data.toString("latin1", 0, end).split("\r\n")
  const status = Number(statusLine.split(" ")[1])
  const start = end + headEnd.length
  // An interim answer, such as 100 Continue, is none.
  if (status < 200) {
    const next = parse(data.subarray(start), isHead, ended)
    return next === undefined ? undefined : { ...next, end: start + next.end }
  }
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":")
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
  )
  const of = (body: Buffer, after: number): Parsed => ({ response: { status, headers, body }, end: after })
  if (isHead || status === 204 || status === 304) return of(Buffer.alloc(0), start)
  if (/chunked/i.test(headers["transfer-encoding"] ?? "")) {
    const chunked = dechunk(data, start)
    return chunked === undefined ? undefined : of(chunked.body, chunked.end)
  }
  const length = headers["content-length"]
  if (length === undefined) return ended ? of(data.subarray(start), data.length) : undefined
  const after = start + Number(length)
  return data.length < after ? undefined : of(data.subarray(start, after), after)
}

/** Connects to the host of a URL. */
export const open = async (url: string): Promise<RawConnection> => {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true, allowHalfOpen: true })
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve).once("error", reject)
  })
  let received: Buffer = Buffer.alloc(0)
  let ended = false
  let check = (): void => {}
  const end = (): void => {
    ended = true
    check()
  }
  socket.on("data", (chunk) => {
    received = Buffer.concat([received, chunk])
    check()
  })
  // A connection that breaks is one that ends: what had arrived before tells the rest.
  socket.on("error", () => {})
  const closed = new Promise<void>((resolve) => {
    socket.once("end", () => {
      end()
      resolve()
    })
    socket.once("close", () => {
      end()
      resolve()
    })
  })
  return {
    send: (data) =>
      new Promise((resolve) => {
        socket.write(data, () => resolve())
      }),
    response: ({ head = false } = {}) =>
      new Promise((resolve, reject) => {
        check = () => {
          const parsed = parse(received, head, ended)
          if (parsed !== undefined) {
            received = received.subarray(parsed.end)
            resolve(parsed.response)
          } else if (ended) {
            reject(new Error(`the connection ended after ${received.length} bytes of an answer`))
          }
        }
        check()
      }),
    finish: () => void socket.end(),
    hangUp: () => void socket.destroy(),
    closed
  }
}
