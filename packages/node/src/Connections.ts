/**
 * The connections of an HTTP server, so that it can end in order. Node.js itself closes those that wait for their
 * next request, but not those that have never had one, nor those whose last answer ends after the stop.
 */
import type { Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"

export interface Connections {
  /** Ends each connection as soon as nothing runs on it. Clients whose answer has yet to begin are told so. */
  readonly finish: () => void
}

const announceEnd = (response: ServerResponse): void => {
  if (!response.headersSent) response.setHeader("connection", "close")
}

/** Watches a server, from before it listens. */
export const watch = (server: Server): Connections => {
  const running = new Map<Socket, Set<ServerResponse>>()
  let finishing = false
  server.on("connection", (socket) => {
    running.set(socket, new Set())
    socket.once("close", () => running.delete(socket))
  })
  server.prependListener("request", ({ socket }, response) => {
    const responses = running.get(socket)
    responses?.add(response)
    if (finishing) announceEnd(response)
    response.once("close", () => {
      responses?.delete(response)
      if (finishing && responses?.size === 0) socket.destroySoon()
    })
  })
  return {
    finish: () => {
      finishing = true
      for (const [socket, responses] of running) {
        if (responses.size === 0) socket.destroySoon()
        for (const response of responses) announceEnd(response)
      }
    }
  }
}
