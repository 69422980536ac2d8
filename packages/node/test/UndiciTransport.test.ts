import { assert, describe, it, onTestFinished } from "@effect/vitest"
import * as Bytes from "@omnifile/core/Bytes"
import { HttpTransport, type TransportRequest } from "@omnifile/core/HttpTransport"
import { MiB, zeros } from "@omnifile/testkit/host/checks"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { once } from "node:events"
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import { createServer } from "node:net"
import { buffer } from "node:stream/consumers"
import * as UndiciTransport from "../src/UndiciTransport.ts"

const patient = { connectTimeout: 10_000, headersTimeout: 10_000, idleTimeout: 10_000 }

const listen = async (listener: RequestListener): Promise<string> => {
  const host = await HostSuite.listen(listener)
  onTestFinished(() => host.stop())
  return `${host.url}/v1`
}

/** A server whose first request is in the hands of the test. */
const hold = async () => {
  let take = (_: readonly [IncomingMessage, ServerResponse]): void => {}
  const taken = new Promise<readonly [IncomingMessage, ServerResponse]>((resolve) => {
    take = resolve
  })
  return { url: await listen((request, response) => take([request, response])), taken }
}

const run = <A, E>(use: (transport: HttpTransport["Service"]) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.provide(Effect.flatMap(HttpTransport, use), UndiciTransport.layer))

const get = (url: string, limits: Partial<typeof patient> = {}): TransportRequest => ({
  method: "GET",
  url,
  headers: {},
  body: null,
  ...patient,
  ...limits
})

const post = (url: string, body: TransportRequest["body"]): TransportRequest => ({ ...get(url), method: "POST", body })

/** Content that tells when nobody will read any more of it. */
const watched = (content: AsyncIterable<Uint8Array>) => {
  let end = (): void => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  return {
    ended,
    bytes: {
      async *[Symbol.asyncIterator]() {
        try {
          yield* content
        } finally {
          end()
        }
      }
    }
  }
}

describe("an answer", () => {
  it.each([
    ["of known length", ["short"]],
    ["of unknown length", ["sho", "rt"]]
  ] as const)("%s is passed on with its head", async (_, pieces) => {
    const url = await listen((request, response) => {
      response.writeProcessing()
      response.writeHead(429, { "x-one": "1", "x-two": ["a", "b"], path: request.url })
      for (const piece of pieces.slice(0, -1)) response.write(piece)
      response.end(pieces.at(-1))
    })
    await run((transport) =>
      Effect.gen(function* () {
        const answer = yield* transport.send(get(`${url}/files?limit=1`))
        assert.strictEqual(answer.status, 429)
        assert.strictEqual(answer.headers["x-one"], "1")
        assert.deepStrictEqual(answer.headers["x-two"], ["a", "b"])
        assert.strictEqual(answer.headers["path"], "/v1/files?limit=1")
        const body = yield* Effect.promise(() => Bytes.collect(answer.body))
        assert.strictEqual(Buffer.from(body).toString(), "short")
        answer.cancel()
      })
    )
  })

  it("is there with its head, and comes at the pace of its reader", async () => {
    const content = zeros(32 * MiB)
    const { taken, url } = await hold()
    await run((transport) =>
      Effect.gen(function* () {
        const sending = yield* Effect.forkChild(transport.send(get(url)), { startImmediately: true })
        const [, response] = yield* Effect.promise(() => taken)
        response.writeHead(200).flushHeaders()
        const answer = yield* Fiber.join(sending)
        const chunks = answer.body[Symbol.asyncIterator]()
        const written = (async () => {
          for await (const chunk of content) if (!response.write(chunk)) await once(response, "drain")
          response.end()
        })()
        let length = 0
        for (;;) {
          const next = yield* Effect.promise(() => chunks.next())
          if (next.done === true) break
          length += next.value.byteLength
          assert.isBelow(content.taken() - length, 24 * MiB)
        }
        assert.strictEqual(length, 32 * MiB)
        yield* Effect.promise(() => written)
      })
    )
  })

  it("that breaks off is an error to its reader", async () => {
    const url = await listen((_, response) => {
      response.write("beginning")
      setImmediate(() => response.destroy())
    })
    await run((transport) =>
      Effect.gen(function* () {
        const outcome = yield* Effect.result(
          Effect.flatMap(transport.send(get(url)), (answer) => Effect.tryPromise(() => Bytes.collect(answer.body)))
        )
        assert.strictEqual(outcome._tag, "Failure")
      })
    )
  })

  it("of known length that breaks off is no answer", async () => {
    const url = await listen((_, response) => {
      response.writeHead(200, { "content-length": "100" }).write("beginning")
      setImmediate(() => response.destroy())
    })
    const error = await run((transport) => Effect.flip(transport.send(get(url))))
    assert.strictEqual(error.sent, "all")
    assert.isFalse(error.timedOut)
  })

  it("that is given up closes its connection", async () => {
    const { taken, url } = await hold()
    await run((transport) =>
      Effect.gen(function* () {
        const sending = yield* Effect.forkChild(transport.send(get(url)), { startImmediately: true })
        const [, response] = yield* Effect.promise(() => taken)
        response.write("beginning")
        const answer = yield* Fiber.join(sending)
        const closed = once(response, "close")
        answer.cancel()
        yield* Effect.promise(() => closed)
      })
    )
  })
})

describe("a call", () => {
  it("that is interrupted closes its connection", async () => {
    const { taken, url } = await hold()
    await run((transport) =>
      Effect.gen(function* () {
        const sending = yield* Effect.forkChild(transport.send(get(url)), { startImmediately: true })
        const [, response] = yield* Effect.promise(() => taken)
        const closed = once(response, "close")
        yield* Fiber.interrupt(sending)
        yield* Effect.promise(() => closed)
      })
    )
  })

  it("has sent nothing when nobody listens", async () => {
    const server = createServer().listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as { readonly port: number }
    server.close()
    await once(server, "close")
    const { bytes } = watched(zeros(10))
    const error = await run((transport) =>
      Effect.flip(transport.send(post(`http://127.0.0.1:${port}/v1`, { bytes, length: 10 })))
    )
    assert.strictEqual(error.sent, "nothing")
  })

  it("knows that it waited too long for the head, or for the rest", async () => {
    const url = await listen((request, response) => {
      if (request.url === "/v1/rest") response.write("beginning")
    })
    await run((transport) =>
      Effect.gen(function* () {
        const head = Effect.gen(function* () {
          const error = yield* Effect.flip(transport.send(get(`${url}/head`, { headersTimeout: 50 })))
          assert.isTrue(error.timedOut)
          assert.strictEqual(error.sent, "all")
        })
        const rest = Effect.gen(function* () {
          const answer = yield* transport.send(get(`${url}/rest`, { idleTimeout: 50 }))
          yield* Effect.flip(Effect.tryPromise(() => Bytes.collect(answer.body)))
        })
        yield* Effect.all([head, rest], { concurrency: "unbounded" })
      })
    )
  })
})

describe("an upload", () => {
  it("goes out with its length, from a stream or from memory", async () => {
    const url = await listen(async (request, response) => {
      const body = await buffer(request)
      response.end(`${request.headers["content-length"]} ${request.headers["transfer-encoding"]} ${body.length}`)
    })
    await run((transport) =>
      Effect.gen(function* () {
        for (const bytes of [zeros(300_000), Bytes.fromArray(new Uint8Array(100_000), new Uint8Array(200_000))]) {
          const answer = yield* transport.send(post(url, { bytes, length: 300_000 }))
          const body = yield* Effect.promise(() => Bytes.collect(answer.body))
          assert.strictEqual(Buffer.from(body).toString(), "300000 undefined 300000")
        }
      })
    )
  })

  it("that is refused before its end is answered, and its content is let go", async () => {
    const url = await listen((_, response) => void response.writeHead(413).end("no"))
    const { bytes, ended } = watched(zeros(32 * MiB))
    const answer = await run((transport) => transport.send(post(url, { bytes, length: 32 * MiB })))
    assert.strictEqual(answer.status, 413)
    await ended
  })

  it("whose connection breaks has been sent in part, and its content is let go", async () => {
    const url = await listen((request) => {
      request.once("data", () => request.destroy())
    })
    const { bytes, ended } = watched(zeros(32 * MiB))
    const error = await run((transport) => Effect.flip(transport.send(post(url, { bytes, length: 32 * MiB }))))
    assert.strictEqual(error.sent, "part")
    await ended
  })

  it("whose connection breaks after the last byte has been sent as a whole, though its end was not known", async () => {
    const url = await listen((request) => {
      let bytes = 0
      request.on("data", (chunk: Buffer) => {
        bytes += chunk.byteLength
        if (bytes === 100_000) request.destroy()
      })
    })
    const ended = Promise.withResolvers<void>()
    async function* withheld(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(100_000)
      await ended.promise
    }
    const error = await run((transport) =>
      Effect.flip(transport.send(post(url, { bytes: withheld(), length: 100_000 })))
    )
    ended.resolve()
    assert.strictEqual(error.sent, "all")
  })

  it("whose content fails has been sent in part, and is cut", async () => {
    const { taken, url } = await hold()
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(100_000)
      await taken
      throw new Error("the disk is gone")
    }
    const cut = taken.then(([request]) => buffer(request)).catch(() => "cut")
    const error = await run((transport) =>
      Effect.flip(transport.send(post(url, { bytes: failing(), length: 200_000 })))
    )
    assert.strictEqual(error.sent, "part")
    assert.strictEqual(await cut, "cut")
  })

  it("that is interrupted closes its connection, and its content is let go", async () => {
    const { taken, url } = await hold()
    const { bytes, ended } = watched(zeros(32 * MiB))
    await run((transport) =>
      Effect.gen(function* () {
        const body = { bytes, length: 32 * MiB }
        const sending = yield* Effect.forkChild(transport.send(post(url, body)), { startImmediately: true })
        const [request] = yield* Effect.promise(() => taken)
        yield* Fiber.interrupt(sending)
        yield* Effect.promise(() => buffer(request).catch(() => "cut"))
        yield* Effect.promise(() => ended)
      })
    )
  })
})
