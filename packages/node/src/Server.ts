/** A listening HTTP server around a gateway, and its orderly end. */
import { once } from "node:events"
import { createServer, type RequestListener, type Server as HttpServer } from "node:http"
import * as Connections from "./Connections.ts"
import type { Gateway } from "./Gateway.ts"

export interface ServeOptions {
  readonly gateway: Gateway
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** How long a stop waits for running requests, in milliseconds. */
  readonly shutdownTimeout: number
  /** What answers requests: the gateway itself, or a framework around it. */
  readonly listener?: RequestListener | undefined
}

export interface Server {
  /** Such as `http://127.0.0.1:4000`. */
  readonly url: string
  /**
   * Takes no new connections, lets running requests finish for as long as the options say, ends what is left,
   * and closes the gateway. Twice is as once.
   */
  readonly stop: () => Promise<void>
}

const urlOf = (server: HttpServer): string => {
  const address = server.address()
  if (address === null || typeof address === "string") return String(address)
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address
  return `http://${host}:${address.port}`
}

/** Resolves when the server listens; rejects if it cannot, such as with a port in use. */
export const serve = async (options: ServeOptions): Promise<Server> => {
  const { gateway, host, port, shutdownTimeout } = options
  const listener: RequestListener = options.listener ?? ((request, response) => void gateway.node(request, response))
  // A large upload may take longer than Node's five minutes for a whole request.
  const server = createServer({ requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 65_000 }, listener)
  const connections = Connections.watch(server)
  server.listen(port, host)
  await once(server, "listening")

  const end = async (): Promise<void> => {
    const closed = once(server, "close")
    server.close()
    connections.finish()
    const timer = setTimeout(() => server.closeAllConnections(), shutdownTimeout)
    await closed
    clearTimeout(timer)
    await gateway.close()
  }
  let ending: Promise<void> | undefined
  return { url: urlOf(server), stop: () => (ending ??= end()) }
}
