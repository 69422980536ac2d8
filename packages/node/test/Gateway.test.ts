import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { errorOf } from "@omnifile/testkit/host/checks"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type { RequestListener } from "node:http"
import { buffer } from "node:stream/consumers"
import * as Gateway from "../src/Gateway.ts"
import { parsedBody } from "../src/NodeBridge.ts"

/** Text comes back as it was sent; one route is broken. */
const routes = Layer.mergeAll(
  HttpRouter.add(
    "POST",
    "/echo",
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, text, url }) =>
      Effect.map(Effect.orDie(text), (body) =>
        HttpServerResponse.jsonUnsafe({ body, url, type: headers["content-type"], length: headers["content-length"] })
      )
    )
  ),
  HttpRouter.add("GET", "/hello", HttpServerResponse.text("hello")),
  HttpRouter.add("GET", "/broken", Effect.die(new Error("a secret reason")))
)

const logged: Array<unknown> = []

const open = async (): Promise<Gateway.Gateway> => {
  const logger = Logger.make(({ message }) => void logged.push(message))
  const gateway = await Gateway.make(routes, Logger.layer([logger]))
  onTestFinished(() => gateway.close())
  return gateway
}

const listen = async (listener: RequestListener): Promise<string> => {
  const host = await HostSuite.listen(listener)
  onTestFinished(() => host.stop())
  return host.url
}

describe("a gateway", () => {
  it("answers a defect of any route in OpenAI's shape, and logs it, whichever way it is called", async () => {
    const gateway = await open()
    const url = await listen((request, response) => void gateway.node(request, response))
    for (const call of [() => fetch(`${url}/broken`), () => gateway.web(new Request("http://test/broken"))]) {
      logged.length = 0
      const answer = await call()
      assert.strictEqual(answer.status, 500)
      assert.match(answer.headers.get("x-request-id") ?? "", /^req_/)
      assert.strictEqual(errorOf(await answer.text()).code, "internal_error")
      assert.lengthOf(logged, 1)
      assert.match(String(logged[0]), /a secret reason/)
    }
  })

  it("fails to be made when a part of it does", async () => {
    const missing = Layer.effectDiscard(Effect.fail(new Error("no database")))
    const outcome = await Gateway.make(Layer.provideMerge(routes, missing)).catch((cause: unknown) => cause)
    assert.match(String(outcome), /no database/)
  })

  it("is closed once, however often", async () => {
    let closed = 0
    const part = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => void closed++)))
    const gateway = await Gateway.make(Layer.provideMerge(routes, part))
    await Promise.all([gateway.close(), gateway.close()])
    await gateway.close()
    assert.strictEqual(closed, 1)
  })

  it("has done with a request when the response is closed, even if it was before", async () => {
    const gateway = await open()
    let done = (): void => {}
    const finished = new Promise<void>((resolve) => {
      done = resolve
    })
    const url = await listen((request, response) => {
      response.destroy()
      void gateway
        .node(request, response)
        .then(() => gateway.node(request, response))
        .then(done)
    })
    await fetch(url).catch(() => {})
    await finished
  })
})

describe("a body that a parser has read", () => {
  const echo = async (url: string, body: BodyInit, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${url}/echo?a=1`, { method: "POST", body, headers })
    return (await answer.json()) as Record<string, string>
  }

  it.each([
    ["text", (body: Buffer) => body.toString()],
    ["bytes", (body: Buffer) => body]
  ] as const)("is handed over as %s", async (_, parse) => {
    const gateway = await open()
    const url = await listen(async (request, response) => {
      void gateway.node(request, response, { body: parse(await buffer(request)) })
    })
    const echoed = await echo(url, "grün", { "content-type": "text/plain" })
    assert.deepStrictEqual(echoed, { body: "grün", url: "/echo?a=1", type: "text/plain", length: "5" })
  })

  it("does no harm to requests that have none", async () => {
    const gateway = await open()
    const url = await listen((request, response) => void gateway.node(request, response, { body: "{}" }))
    assert.strictEqual(await (await fetch(`${url}/hello`)).text(), "hello")
    const head = await fetch(`${url}/hello`, { method: "HEAD" })
    assert.strictEqual(head.status, 200)
    assert.strictEqual((await fetch(`${url}//nowhere`, { method: "DELETE" })).status, 404)
  })

  it("is taken as it came where the parser has kept that", async () => {
    const requests: Array<string | Uint8Array | undefined> = []
    const url = await listen(async (request, response) => {
      requests.push(parsedBody(request, { body: "too early" }))
      const raw = await buffer(request)
      requests.push(
        parsedBody(request, { body: { a: 1 }, rawBody: raw.toString() }),
        parsedBody(request, { body: raw }),
        parsedBody(request, { body: { a: 1 } }),
        parsedBody(request, {})
      )
      response.end()
    })
    await fetch(url, { method: "POST", body: '{ "a" : 1 }' })
    const raw = '{ "a" : 1 }'
    assert.deepStrictEqual(requests.slice(), [undefined, raw, Buffer.from(raw), '{"a":1}', undefined])
  })
})
