/**
 * omnifile as a Koa middleware. Mount it before body parsers where you can: what a parser has read is handed
 * on, but JSON then may differ in its bytes from what the client sent.
 */
import type { Gateway } from "@omnifile/node/Gateway"
import { parsedBody } from "@omnifile/node/NodeBridge"
import type { Middleware } from "koa"

export { wrap, type WrapHandler, type WrapOptions } from "./wrap.ts"

/** Serves the API of the gateway. What it has no route for goes to the next middleware. */
export const omnifile =
  (gateway: Gateway): Middleware =>
  async (ctx, next) => {
    ctx.respond = false
    const isOurs = await new Promise<boolean>((resolve) => {
      const locals = { next: () => resolve(false), body: parsedBody(ctx.req, ctx.request) }
      void gateway.node(ctx.req, ctx.res, locals).then(() => resolve(true))
    })
    if (isOurs) return
    ctx.respond = true
    await next()
  }
