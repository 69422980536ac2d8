import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { errorOf } from "@omnifile/testkit/host/checks"
import * as FormBody from "@omnifile/testkit/host/FormBody"
import { key, modelOf } from "@omnifile/testkit/host/Installation"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as RunningHost from "@omnifile/testkit/host/RunningHost"
import { connect } from "node:net"
import { buffer } from "node:stream/consumers"
import type { Gateway } from "../src/Gateway.ts"
import * as Open from "../src/Open.ts"

const start = async (serve: (gateway: Gateway) => Promise<HostSuite.Host>): Promise<RunningHost.RunningHost> => {
  const host = await RunningHost.start({ build: Open.open, serve })
  onTestFinished(() => host.stop())
  return host
}

const form = FormBody.encode(FormBody.field("purpose", "user_data"), FormBody.file("a.txt", "content"))

describe("a body that somebody else has read", () => {
  it("is no reason to wait for it", async () => {
    const { call } = await start((gateway) =>
      HostSuite.listen(async (request, response) => {
        await buffer(request)
        void gateway.node(request, response)
      })
    )
    const requests = [
      { path: "/v1/files", type: FormBody.contentType, body: form },
      { path: "/v1/chat/completions", type: "application/json", body: "{}" }
    ]
    for (const { body, path, type } of requests) {
      const answer = await call(path, { method: "POST", headers: { "content-type": type }, body })
      assert.strictEqual(answer.statusCode, 500, path)
      assert.strictEqual(errorOf(await answer.body.text()).code, "internal_error")
    }
  })

  it("is no reason to wait for it in a web request either", async () => {
    let gateway: Gateway | undefined
    await start((built) => {
      gateway = built
      return HostSuite.listen(() => {})
    })
    const request = new Request("http://test/v1/files", {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": FormBody.contentType },
      body: new Uint8Array(form)
    })
    await request.bytes()
    assert.strictEqual((await gateway?.web(request))?.status, 500)
  })
})

describe("a body in very many chunks", () => {
  it("is as good as another", async () => {
    const { call, url } = await start((gateway) =>
      HostSuite.listen((request, response) => void gateway.node(request, response))
    )
    const body = `{"messages":[{"role":"user","content":"hello"}],${" ".repeat(200_000)}"model":"${modelOf("alpha")}"}`
    const chunks = Array.from(body, (character) => `1\r\n${character}\r\n`).join("")
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.write(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n" +
        `authorization: Bearer ${key}\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`
    )
    assert.match((await buffer(socket)).toString(), /^HTTP\/1\.1 200 /)
    assert.strictEqual((await call("/health/live")).statusCode, 200)
  })
})

describe("the web handler", () => {
  it("takes an upload, streams an answer, and stops at the signal", async () => {
    let gateway: Gateway | undefined
    const { emulator, storage } = await start((built) => {
      gateway = built
      return HostSuite.listen(() => {})
    })
    assert.isDefined(gateway)
    const { web } = gateway
    const authorization = `Bearer ${key}`

    const fields = new FormData()
    fields.append("file", new File(["from a form"], "form.txt"))
    fields.append("purpose", "user_data")
    const post = { method: "POST", headers: { authorization } }
    const created = await web(new Request("http://test/v1/files", { ...post, body: fields }))
    assert.strictEqual(created.status, 200)
    assert.propertyVal(await created.json(), "filename", "form.txt")

    const client = new AbortController()
    const answer = await web(
      new Request("http://test/v1/chat/completions", {
        ...post,
        headers: { ...post.headers, "content-type": "application/json" },
        body: JSON.stringify({ model: modelOf("ticker"), messages: [{ role: "user", content: "hi" }], stream: true }),
        signal: client.signal
      })
    )
    const reader = answer.body?.getReader()
    assert.match(new TextDecoder().decode((await reader?.read())?.value), /^data: /)
    client.abort()
    await emulator.waitFor(({ aborted, route }) => route === "chat" && aborted)

    const received = storage.received()
    const before = storage.contents().length
    const cut = new AbortController()
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(form.subarray(0, -FormBody.closing.length - 3))
        cut.signal.addEventListener("abort", () => controller.error(cut.signal.reason))
      }
    })
    const headers = { authorization, "content-type": FormBody.contentType }
    const streamed: RequestInit & { readonly duplex: "half" } = { duplex: "half", body, signal: cut.signal }
    const upload = web(new Request("http://test/v1/files", { method: "POST", headers, ...streamed }))
    await storage.until(() => storage.received() > received)
    cut.abort()
    assert.isAtLeast((await upload).status, 400)
    await storage.until(() => storage.contents().length === before)
  })
})
