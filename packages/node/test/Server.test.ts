import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { modelOf } from "@omnifile/testkit/host/Installation"
import * as RawConnection from "@omnifile/testkit/host/RawConnection"
import * as RunningHost from "@omnifile/testkit/host/RunningHost"
import { once } from "node:events"
import type { IncomingMessage, ServerResponse } from "node:http"
import { connect } from "node:net"
import type { Gateway } from "../src/Gateway.ts"
import * as Open from "../src/Open.ts"
import * as Server from "../src/Server.ts"

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: test\r\n\r\n`

/** A gateway whose answers wait for the test: `/now` is answered at once, everything else when it is released. */
const makeGateway = () => {
  const events: Array<string> = []
  const waiting = new Map<string, ServerResponse>()
  const ended = new Map<string, Promise<unknown>>()
  let arrive = (): void => {}
  const node = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? ""
    response.once("close", () => events.push(`${path} ${response.writableFinished ? "answered" : "cut"}`))
    if (path === "/now") return void response.end("now")
    if (path !== "/silent") {
      response.writeHead(200, { "content-length": "5" })
      response.write("be")
    }
    waiting.set(path, response)
    ended.set(path, once(response, "close"))
    arrive()
    await ended.get(path)
  }
  const gateway: Gateway = {
    node,
    web: () => Promise.reject(new Error("nobody calls this")),
    close: async () => void events.push("gateway closed")
  }
  return {
    gateway,
    events,
    ended: (path: string) => ended.get(path),
    /** Resolves when a request for this path waits. */
    arrived: async (path: string): Promise<void> => {
      while (!waiting.has(path)) await new Promise<void>((resolve) => (arrive = resolve))
    },
    release: (path: string): void => void waiting.get(path)?.end("gun")
  }
}

const start = async (shutdownTimeout = 60_000) => {
  const made = makeGateway()
  const server = await Server.serve({ gateway: made.gateway, host: "127.0.0.1", port: 0, shutdownTimeout })
  onTestFinished(() => server.stop())
  return { ...made, server }
}

/** Whether a new connection is taken. */
const accepts = async (url: string): Promise<boolean> => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const taken = await Promise.race([
    once(socket, "connect").then(() => true),
    once(socket, "error").then(() => false)
  ]).catch(() => false)
  socket.destroy()
  return taken
}

describe("Server.stop", () => {
  it("closes connections that wait for their next request", async () => {
    const { events, server } = await start()
    const used = await RawConnection.open(server.url)
    await used.send(get("/now"))
    assert.strictEqual((await used.response()).body.toString(), "now")
    const unused = await RawConnection.open(server.url)
    await server.stop()
    await Promise.all([used.closed, unused.closed])
    assert.deepStrictEqual(events, ["/now answered", "gateway closed"])
  })

  it("takes nothing new, lets running requests finish, and closes the gateway last", async () => {
    const { arrived, events, release, server } = await start()
    const running = await RawConnection.open(server.url)
    await running.send(get("/running"))
    await arrived("/running")

    const stopped = server.stop()
    assert.isFalse(await accepts(server.url))
    release("/running")
    assert.strictEqual((await running.response()).body.toString(), "begun")
    await running.closed
    await stopped
    assert.deepStrictEqual(events, ["/running answered", "gateway closed"])
  })

  it("answers what had arrived on a connection before it ends", async () => {
    const { arrived, release, server } = await start()
    const pipelining = await RawConnection.open(server.url)
    await pipelining.send(get("/first") + get("/now"))
    await arrived("/first")
    const stopped = server.stop()
    release("/first")
    assert.strictEqual((await pipelining.response()).body.toString(), "begun")
    const last = await pipelining.response()
    assert.strictEqual(last.body.toString(), "now")
    await pipelining.closed
    await stopped
  })

  it("says in an answer that begins after the stop that the connection ends with it", async () => {
    const { arrived, release, server } = await start()
    const connection = await RawConnection.open(server.url)
    await connection.send(get("/silent"))
    await arrived("/silent")
    const stopped = server.stop()
    release("/silent")
    assert.strictEqual((await connection.response()).headers["connection"], "close")
    await stopped
  })

  it("cuts what runs longer than the limit", async () => {
    const { arrived, ended, events, server } = await start(50)
    const hanging = await RawConnection.open(server.url)
    await hanging.send(get("/hanging"))
    await arrived("/hanging")
    await server.stop()
    await hanging.closed
    await ended("/hanging")
    assert.sameMembers(events, ["/hanging cut", "gateway closed"])
  })

  it("does the same once, however often it is asked", async () => {
    const { events, server } = await start()
    await Promise.all([server.stop(), server.stop()])
    await server.stop()
    assert.deepStrictEqual(events, ["gateway closed"])
  })
})

describe("Server.stop around a gateway", () => {
  it("ends the provider's call of a request that it cuts", async () => {
    let stop = (): Promise<void> => Promise.resolve()
    const host = await RunningHost.start({
      build: Open.open,
      serve: async (gateway) => {
        const server = await Server.serve({ gateway, host: "127.0.0.1", port: 0, shutdownTimeout: 50 })
        stop = server.stop
        return server
      }
    })
    onTestFinished(() => host.stop())
    host.emulator.fault({ route: "chat", kind: { hang: true } })
    const answer = host.openai.chat.completions
      .create({ model: modelOf("alpha"), messages: [{ role: "user", content: "hang" }] })
      .catch((error: unknown) => error)
    const entry = await host.emulator.waitFor(({ route }) => route === "chat")
    await stop()
    assert.propertyVal(await answer, "message", "Connection error.")
    await host.emulator.waitFor((candidate) => candidate === entry && candidate.aborted)
  })
})

describe("Server.serve", () => {
  it("fails when the port is taken", async () => {
    const { server } = await start()
    const { gateway } = makeGateway()
    const port = Number(new URL(server.url).port)
    const outcome = await Server.serve({ gateway, host: "127.0.0.1", port, shutdownTimeout: 0 }).catch(
      (error: unknown) => error
    )
    assert.propertyVal(outcome, "code", "EADDRINUSE")
  })

  it("lets a framework answer in place of the gateway", async () => {
    const { gateway } = makeGateway()
    const server = await Server.serve({
      gateway,
      host: "127.0.0.1",
      port: 0,
      shutdownTimeout: 0,
      listener: (_, response) => void response.end("framework")
    })
    onTestFinished(() => server.stop())
    assert.strictEqual(await (await fetch(server.url)).text(), "framework")
  })
})
