/** A proxy before azurite, which sees every request, and can keep it waiting or cut its answer off. */
import { once } from "node:events"
import { createServer, request } from "node:http"
import { afterAll } from "vitest"

interface SeenRequest {
  readonly method: string
  readonly url: string
}

export interface Proxy {
  readonly endpoint: string
  /** Cuts off all connections. */
  readonly cut: () => void
  readonly hooks: {
    /** The request is passed on when this is done. */
    onRequest: (request: SeenRequest) => Promise<void>
    /** Called when azurite has carried out the request; true cuts the connection instead of answering. */
    onAnswer: (request: SeenRequest) => boolean
  }
}

export const start = async (target: string): Promise<Proxy> => {
  const { hostname, pathname, port } = new URL(target)
  const hooks: Proxy["hooks"] = { onRequest: async () => {}, onAnswer: () => false }
  const server = createServer((incoming, outgoing) => {
    const seen = { method: incoming.method ?? "", url: incoming.url ?? "" }
    void hooks.onRequest(seen).then(() => {
      const { method, url: path } = seen
      const passed = request({ hostname, port, method, path, headers: incoming.headers }, (answer) => {
        if (hooks.onAnswer(seen)) {
          incoming.socket.destroy()
          answer.resume()
          return
        }
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(outgoing)
      })
      passed.on("error", () => incoming.socket.destroy())
      incoming.pipe(passed)
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the proxy has no port")
  return { endpoint: `http://127.0.0.1:${address.port}${pathname}`, hooks, cut: () => server.closeAllConnections() }
}
