/** A Koa route of the host's own, with the hooks around it. */
import type { GatewayOver } from "@omnifile/node/Gateway"
import { parsedBody } from "@omnifile/node/NodeBridge"
import type { Services } from "@omnifile/node/Open"
import * as Wrap from "@omnifile/node/Wrap"
import type { Context, Middleware } from "koa"

export type WrapOptions = Wrap.Options<Context>

/** Calls the provider, and answers with what it has answered. */
export type WrapHandler<in Body> = Wrap.Handler<Body, Context>

/**
 * A middleware that checks the caller and the files in the body, chooses a deployment, and has `handler` make the
 * call with the body that was made ready for it; when that fails at the provider, with the next deployment. What the
 * handler throws otherwise is the application's, as from any middleware. The answer is written by omnifile.
 */
export const wrap = <Body = Wrap.WrapBody>(
  gateway: GatewayOver<Services>,
  options: WrapOptions,
  handler: WrapHandler<Body>
): Middleware => {
  const route = Wrap.make<Body, Context>(gateway, options, handler)
  return async (ctx) => {
    ctx.respond = false
    try {
      await route(ctx.req, ctx.res, ctx, { body: parsedBody(ctx.req, ctx.request) })
    } catch (cause) {
      ctx.respond = true
      throw cause
    }
  }
}
