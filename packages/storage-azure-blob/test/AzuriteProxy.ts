/** A proxy before azurite, which sees every request, and can keep it waiting or cut its answer off. */
import type { CloudHooks } from "@omnifile/testkit/BlobStoreSuite"
import { once } from "node:events"
import { createServer, request } from "node:http"
import { afterAll } from "vitest"

export interface Proxy {
  readonly endpoint: string
  /** Cuts off all connections. */
  readonly cut: () => void
  readonly hooks: CloudHooks
}

export const start = async (target: string): Promise<Proxy> => {
  const { hostname, pathname, port } = new URL(target)
  const hooks: CloudHooks = { onRequest: async () => undefined, onAnswer: () => false }
  const server = createServer((incoming, outgoing) => {
    const seen = { method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers }
    void hooks.onRequest(seen).then((refusal) => {
      if (refusal !== undefined) {
        incoming.resume()
        outgoing.writeHead(refusal).end()
        return
      }
      const { headers, method, url: path } = seen
      const passed = request({ hostname, port, method, path, headers }, (answer) => {
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
