/**
 * What a framework itself costs: the same answer from memory, by `node:http` alone and through one middleware
 * of Koa and of Express.
 */
import express from "express"
import Koa from "koa"
import { createServer, type RequestListener, type ServerResponse } from "node:http"
import { attach, readOptions } from "../harness/Control.ts"
import { listen } from "../harness/Loopback.ts"

export interface FrameworkOptions {
  readonly framework: "none" | "koa" | "express"
}

const body = Buffer.from(JSON.stringify({ object: "chat.completion", content: "x".repeat(400) }))

const respond = (response: ServerResponse): void => {
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body)
}

const listeners: Readonly<Record<FrameworkOptions["framework"], () => RequestListener>> = {
  none: () => (request, response) => {
    request.on("end", () => respond(response)).resume()
  },
  // As an adapter does it: the middleware takes the answer over.
  koa: () =>
    new Koa()
      .use(
        (ctx) =>
          new Promise<void>((resolve) => {
            ctx.respond = false
            ctx.res.once("close", resolve)
            ctx.req.on("end", () => respond(ctx.res)).resume()
          })
      )
      .callback(),
  express: () =>
    express().use((request, response) => {
      request.on("end", () => respond(response)).resume()
    })
}

attach(await listen(createServer(listeners[readOptions<FrameworkOptions>().framework]())), {})
