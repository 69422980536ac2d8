/**
 * HTTP to providers by undici: one pool of connections an origin, streamed both ways.
 *
 * undici's `dispatch` rather than its `request`: a short answer, as most are, then needs no stream at all.
 */
import {
  HttpTransport,
  type Observer,
  TransportError,
  type TransportRequest,
  type TransportResponse
} from "@omnifile/core/HttpTransport"
import * as Bytes from "@omnifile/core/Bytes"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Readable } from "node:stream"
import { type Dispatcher, errors, Pool } from "undici"

/** Answers of known length up to this one are collected before they are passed on; in bytes. */
const collectedLength = 64 * 1024

/** How much of a streamed answer is kept for an observer that comes late; in bytes. */
const earlyLength = 128 * 1024

const isTimeout = (cause: unknown): boolean =>
  cause instanceof errors.HeadersTimeoutError ||
  cause instanceof errors.BodyTimeoutError ||
  cause instanceof errors.ConnectTimeoutError

/** The body of an answer, which holds the connection up while nobody reads. */
class AnswerStream extends Readable {
  readonly #controller: Dispatcher.DispatchController
  #ended = false
  /** What has come before anybody could look at it; given up when it becomes too much to keep. */
  #early: Array<Buffer> | undefined = []
  #earlyLength = 0
  #observer: Observer | undefined

  constructor(controller: Dispatcher.DispatchController) {
    super()
    this.#controller = controller
  }

  observe(observer: Observer): void {
    for (const chunk of this.#early ?? []) observer.chunk(chunk)
    this.#early = undefined
    if (this.#ended) observer.end()
    else this.#observer = observer
  }

  offer(chunk: Buffer): void {
    this.#observer?.chunk(chunk)
    if (this.#early !== undefined) {
      this.#early.push(chunk)
      this.#earlyLength += chunk.length
      if (this.#earlyLength > earlyLength) this.#early = undefined
    }
    if (!this.push(chunk)) this.#controller.pause()
  }

  end(): void {
    this.#conclude()
    this.push(null)
  }

  #conclude(): void {
    if (this.#ended) return
    this.#ended = true
    this.#observer?.end()
  }

  override _read(): void {
    this.#controller.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#ended) this.#controller.abort(error ?? new Error("the answer was given up"))
    this.#conclude()
    done(error)
  }
}

/** undici takes any iterable of chunks; its types know of streams only. */
const readableOf = (bytes: Bytes.Bytes): Readable =>
  bytes instanceof Bytes.InMemory ? (bytes.chunks as unknown as Readable) : Readable.from(bytes, { objectMode: false })

type Settle = (outcome: Effect.Effect<TransportResponse, TransportError>) => void

const nothing = (): void => {}

/** One exchange: collects or streams the answer, and tells how far the request had come when it fails. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #settle: Settle
  /** The length of the request's body. */
  readonly #length: number
  #controller: Dispatcher.DispatchController | undefined
  #abandoned = false
  #sent: TransportError["sent"] = "nothing"
  #sentBytes = 0
  #status = 0
  #headers: TransportResponse["headers"] = {}
  #chunks: Array<Buffer> = []
  #stream: AnswerStream | undefined

  constructor(settle: Settle, length: number) {
    this.#settle = settle
    this.#length = length
  }

  /** Nobody waits for the answer any more. */
  abandon(): void {
    this.#abandoned = true
    this.#controller?.abort(new Error("the call was given up"))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#sent = "nothing"
    this.#sentBytes = 0
    if (this.#abandoned) this.abandon()
  }

  /** The server may act on the last byte, whether the source of the body has said yet that it was the last or not. */
  onBodySent(chunk: Buffer): void {
    this.#sentBytes += chunk.byteLength
    this.#sent = this.#sentBytes < this.#length ? "part" : "all"
  }

  onRequestSent(): void {
    this.#sent = "all"
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: TransportResponse["headers"]
  ): void {
    if (status < 200) return
    this.#status = status
    this.#headers = headers
    const length = headers["content-length"]
    if (typeof length === "string" && Number(length) <= collectedLength) return
    const stream = new AnswerStream(controller)
    // Nobody may be listening yet, or any more, when the connection breaks.
    stream.on("error", nothing)
    this.#stream = stream
    this.#succeed(null, stream)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#stream === undefined) this.#chunks.push(chunk)
    else this.#stream.offer(chunk)
  }

  onResponseEnd(): void {
    if (this.#stream !== undefined) return this.#stream.end()
    const complete = Bytes.concat(this.#chunks)
    this.#succeed(complete, Bytes.fromArray(complete))
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    if (this.#stream !== undefined) {
      this.#stream.destroy(cause)
      return
    }
    this.#settle(Effect.fail(new TransportError({ sent: this.#sent, timedOut: isTimeout(cause), cause })))
  }

  #succeed(complete: Uint8Array | null, body: Bytes.Bytes): void {
    this.#settle(
      Effect.succeed({
        status: this.#status,
        headers: this.#headers,
        complete,
        body,
        cancel: () => void this.#stream?.destroy(),
        observe: this.#stream === undefined ? undefined : (observer) => this.#stream?.observe(observer)
      })
    )
  }
}

const make = Effect.gen(function* () {
  const pools = new Map<string, Pool>()
  yield* Effect.addFinalizer(() =>
    Effect.promise(() => Promise.allSettled([...pools.values()].map((pool) => pool.destroy())))
  )

  const poolFor = (origin: string, connectTimeout: number): Pool => {
    const key = `${origin} ${connectTimeout}`
    const known = pools.get(key)
    if (known !== undefined) return known
    // An upload is one request for minutes: nothing may wait behind it.
    const pool = new Pool(origin, { connect: { timeout: connectTimeout }, pipelining: 1 })
    pools.set(key, pool)
    return pool
  }

  const send = (request: TransportRequest): Effect.Effect<TransportResponse, TransportError> =>
    Effect.callback((resume) => {
      const { body, headers, method, url } = request
      const slash = url.indexOf("/", url.indexOf("//") + 2)
      const exchange = new Exchange(resume, body?.length ?? 0)
      const streamed = body !== null && !(body instanceof Uint8Array)
      poolFor(url.slice(0, slash), request.connectTimeout).dispatch(
        {
          method,
          path: url.slice(slash),
          headers: streamed ? { ...headers, "content-length": String(body.length) } : headers,
          body: streamed ? readableOf(body.bytes) : body,
          headersTimeout: request.headersTimeout,
          bodyTimeout: request.idleTimeout
        },
        exchange
      )
      return Effect.sync(() => exchange.abandon())
    })

  return HttpTransport.of({ send })
})

export const layer: Layer.Layer<HttpTransport> = Layer.effect(HttpTransport, make)
