/** An Express route of the host's own, with the hooks around it. */
import type { GatewayOver } from "@omnifile/node/Gateway"
import { parsedBody } from "@omnifile/node/NodeBridge"
import type { Services } from "@omnifile/node/Open"
import * as Wrap from "@omnifile/node/Wrap"
import type { Request, RequestHandler } from "express"

export type WrapOptions = Wrap.Options<Request>

/** Calls the provider, and answers with what it has answered. */
export type WrapHandler<in Body> = Wrap.Handler<Body, Request>

/**
 * A handler that checks the caller and the files in the body, chooses a deployment, and has `handler` make the call
 * with the body that was made ready for it; when that fails at the provider, with the next deployment. What the
 * handler throws otherwise goes to the application's error handlers. The answer is written by omnifile.
 */
export const wrap = <Body = Wrap.WrapBody>(
  gateway: GatewayOver<Services>,
  options: WrapOptions,
  handler: WrapHandler<Body>
): RequestHandler => {
  const route = Wrap.make<Body, Request>(gateway, options, handler)
  return (request, response, next) => {
    route(request, response, request, { body: parsedBody(request, request) }).catch(next)
  }
}
