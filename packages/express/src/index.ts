/**
 * omnifile as an Express middleware. Mount it before body parsers where you can: what a parser has read is
 * handed on, but JSON then may differ in its bytes from what the client sent.
 */
import type { Gateway } from "@omnifile/node/Gateway"
import type { Request, RequestHandler } from "express"

/** What a parser has made of a body that it has read to the end, as bytes or text again. */
const parsedBodyOf = (request: Request): string | Uint8Array | undefined => {
  const { body, rawBody } = request as { readonly body?: unknown; readonly rawBody?: unknown }
  if (!request.readableEnded || body === undefined) return undefined
  if (rawBody instanceof Uint8Array || typeof rawBody === "string") return rawBody
  return body instanceof Uint8Array || typeof body === "string" ? body : JSON.stringify(body)
}

/** Serves the API of the gateway. What it has no route for goes to the next handler. */
export const omnifile =
  (gateway: Gateway): RequestHandler =>
  (request, response, next) => {
    void gateway.node(request, response, { next, body: parsedBodyOf(request) })
  }
