/** Request bodies on Node.js, read straight from the socket's stream. */
import * as Bytes from "@omnifile/core/Bytes"
import { type CallError, invalid, TooLarge, UnsupportedMediaType } from "@omnifile/core/CallError"
import { RequestBodies } from "@omnifile/http/RequestBodies"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import type { ReadableStream as NodeReadableStream } from "node:stream/web"
import * as MultipartForm from "./MultipartForm.ts"
import { drainPatience } from "./NodeBridge.ts"

const ignore = (): void => {}

/** The body as a Node stream: the socket's own, or that of a web request. */
const readableOf = ({ source }: HttpServerRequest): Effect.Effect<Readable> =>
  Effect.suspend(() => {
    if (source instanceof Readable) return source.readableEnded ? readBefore : Effect.succeed(source)
    if (!(source instanceof Request) || source.body === null) return Effect.succeed(Readable.from([]))
    if (source.bodyUsed || source.body.locked) return readBefore
    // Two declarations of one class: the DOM's and Node's. It breaks with its client, when nobody may listen any more.
    return Effect.succeed(Readable.fromWeb(source.body as NodeReadableStream).on("error", ignore))
  })

/** Waiting for a body that somebody else has read would never end. */
const readBefore = Effect.die(
  new Error(
    "The body was read before the gateway saw it. Mount the gateway before body parsers, or hand over the body."
  )
)

/**
 * Many clients read no answer before they have sent everything, so a body that was refused is read on for a
 * while. That of a socket is left to the bridge, which ends the connection.
 */
const discard = (readable: Readable): void => {
  if (readable instanceof IncomingMessage || readable.closed) return
  const timer = setTimeout(() => readable.destroy(), drainPatience)
  readable.once("close", () => clearTimeout(timer)).resume()
}

/** As the client announces it; 0 if it does not. */
const lengthOf = (request: HttpServerRequest, readable: Readable): number =>
  Number((readable instanceof IncomingMessage ? readable : request).headers["content-length"] ?? 0)

const brokenOff = invalid("The body broke off before its end.")

/** Chunks below this length are short; in bytes. */
const shortLength = 1024

/** So many short chunks in a row become one: a body in single bytes would take a hundred times its size. */
const joinedCount = 256

const collect = (
  request: HttpServerRequest,
  readable: Readable,
  limit: number
): Effect.Effect<Bytes.InMemory, CallError> =>
  Effect.callback<Bytes.InMemory, CallError>((resume) => {
    const refuse = (): void =>
      resume(Effect.fail(new TooLarge({ message: `The body is larger than ${limit} bytes.`, param: null })))
    if (readable.destroyed) return resume(Effect.fail(brokenOff))
    const announced = lengthOf(request, readable)
    if (announced > limit) return refuse()
    const chunks: Array<Uint8Array> = []
    let length = 0
    let shortOnes = 0
    const stop = (): void => {
      readable.off("data", onData).off("end", onEnd).off("close", onBreak).off("error", onBreak)
    }
    const onEnd = (): void => {
      stop()
      resume(Effect.succeed(new Bytes.InMemory(chunks)))
    }
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      length += chunk.length
      shortOnes = chunk.length < shortLength ? shortOnes + 1 : 0
      if (shortOnes === joinedCount) {
        chunks.push(Bytes.concat(chunks.splice(-joinedCount)))
        shortOnes = 0
      }
      if (length > limit) {
        stop()
        refuse()
      } else if (length === announced) onEnd()
    }
    const onBreak = (): void => {
      stop()
      resume(Effect.fail(brokenOff))
    }
    readable.on("data", onData).on("end", onEnd).on("close", onBreak).on("error", onBreak)
    return Effect.sync(stop)
  })

/** As the body itself has come: what a body parser has made of one is plain, whatever the client has sent. */
const encodingOf = ({ source }: HttpServerRequest): string | null | undefined =>
  source instanceof IncomingMessage
    ? source.headers["content-encoding"]
    : source instanceof Request
      ? source.headers.get("content-encoding")
      : undefined

const compressed = new UnsupportedMediaType({ message: "Send the body as it is: no content-encoding is understood." })

/** Hands the body to a reader, and lets go of it when that fails. */
const withBody = <A, R>(
  request: HttpServerRequest,
  read: (readable: Readable) => Effect.Effect<A, CallError, R>
): Effect.Effect<A, CallError, R> =>
  Effect.flatMap(readableOf(request), (readable) => {
    const encoding = encodingOf(request) ?? "identity"
    const isPlain = encoding === "identity" || encoding === ""
    return Effect.tapError(isPlain ? read(readable) : Effect.fail(compressed), () =>
      Effect.sync(() => discard(readable))
    )
  })

export const layer: Layer.Layer<RequestBodies> = Layer.succeed(RequestBodies, {
  bytes: (request, limit) => withBody(request, (readable) => collect(request, readable, limit)),
  form: (request, limits, receive) =>
    withBody(request, (readable) => MultipartForm.read(readable, request.headers["content-type"], limits, receive))
})
