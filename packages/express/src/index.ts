/**
 * omnifile as an Express middleware. Mount it before body parsers where you can: what a parser has read is
 * handed on, but JSON then may differ in its bytes from what the client sent.
 */
import type { Gateway } from "@omnifile/node/Gateway"
import { parsedBody } from "@omnifile/node/NodeBridge"
import type { RequestHandler } from "express"

export { wrap, type WrapHandler, type WrapOptions } from "./wrap.ts"

/** Serves the API of the gateway. What it has no route for goes to the next handler. */
export const omnifile =
  (gateway: Gateway): RequestHandler =>
  (request, response, next) => {
    void gateway.node(request, response, { next, body: parsedBody(request, request) })
  }
