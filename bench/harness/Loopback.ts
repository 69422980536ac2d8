/** Where servers listen. */
import { once } from "node:events"
import type { Server } from "node:net"

/** Listens on a free port of loopback, and resolves with it. */
export const listen = async (server: Server): Promise<number> => {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  return address === null || typeof address === "string" ? 0 : address.port
}
