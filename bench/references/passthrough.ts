/**
 * The reference for everything that passes through: a proxy as one would write it by hand for speed, on
 * `node:http` and undici. It reads no body in either direction, checks nothing and rewrites nothing.
 */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import { Pool, type Dispatcher } from "undici"
import { attach, readOptions } from "../harness/Control.ts"
import { listen } from "../harness/Loopback.ts"

export interface PassthroughOptions {
  /** Such as `http://127.0.0.1:4000`. */
  readonly origin: string
  /** Goes before the path of each request. */
  readonly basePath: string
  readonly authorization: string
}

const { authorization, basePath, origin } = readOptions<PassthroughOptions>()
const pool = new Pool(origin, { keepAliveTimeout: 20_000 })

/** Headers that belong to one connection. */
const hopByHop = new Set(["connection", "keep-alive", "transfer-encoding", "host"])

const endToEnd = (headers: IncomingHttpHeaders): IncomingHttpHeaders => {
  const result: IncomingHttpHeaders = {}
  for (const name in headers) if (!hopByHop.has(name)) result[name] = headers[name]
  return result
}

const answer: Dispatcher.StreamFactory<ServerResponse> = ({ headers, opaque, statusCode }) =>
  opaque.writeHead(statusCode, endToEnd(headers))

const server = createServer((request, response) => {
  const method = request.method as Dispatcher.HttpMethod
  const hasBody = method !== "GET" && method !== "HEAD"
  pool
    .stream(
      {
        method,
        path: basePath + (request.url ?? "/"),
        headers: { ...endToEnd(request.headers), authorization },
        body: hasBody ? request : null,
        opaque: response
      },
      answer
    )
    .catch(() => response.destroy())
})

attach(await listen(server), {})
