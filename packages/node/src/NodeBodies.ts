/** Request bodies on Node.js, read straight from the socket's stream. */
import { type CallError, invalid, TooLarge } from "@omnifile/core/CallError"
import { RequestBodies } from "@omnifile/http/RequestBodies"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import type { ReadableStream as NodeReadableStream } from "node:stream/web"
import * as MultipartForm from "./MultipartForm.ts"

/** The body as a Node stream: the socket's own, or that of a web request. */
const readableOf = ({ source }: HttpServerRequest): Readable => {
  if (source instanceof Readable) return source
  if (source instanceof Request && source.body !== null) {
    // Two declarations of one class: the DOM's and Node's.
    return Readable.fromWeb(source.body as NodeReadableStream)
  }
  return Readable.from([])
}

/** As the client announces it; 0 if it does not. */
const lengthOf = (request: HttpServerRequest, readable: Readable): number =>
  Number((readable instanceof IncomingMessage ? readable : request).headers["content-length"] ?? 0)

const brokenOff = invalid("The body broke off before its end.")

const bytes = (request: HttpServerRequest, limit: number): Effect.Effect<Uint8Array, CallError> =>
  Effect.callback<Uint8Array, CallError>((resume) => {
    const refuse = (): void =>
      resume(Effect.fail(new TooLarge({ message: `The body is larger than ${limit} bytes.`, param: null })))
    const readable = readableOf(request)
    if (lengthOf(request, readable) > limit) return refuse()
    const chunks: Array<Buffer> = []
    let length = 0
    const stop = (): void => {
      readable.off("data", onData).off("end", onEnd).off("close", onBreak).off("error", onBreak)
    }
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      chunks.push(chunk)
      if (length <= limit) return
      stop()
      refuse()
    }
    const onEnd = (): void => {
      stop()
      const [only] = chunks
      resume(Effect.succeed(only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks, length)))
    }
    const onBreak = (): void => {
      stop()
      resume(Effect.fail(brokenOff))
    }
    readable.on("data", onData).on("end", onEnd).on("close", onBreak).on("error", onBreak)
    return Effect.sync(stop)
  })

export const layer: Layer.Layer<RequestBodies> = Layer.succeed(RequestBodies, {
  bytes,
  form: (request, limits, receive) =>
    Effect.suspend(() => MultipartForm.read(readableOf(request), request.headers["content-type"], limits, receive))
})
