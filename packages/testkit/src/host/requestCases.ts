/** A host keeps what belongs to a request and its connection, whatever becomes of the request. */
import { assert, it } from "@effect/vitest"
import { errorOf, refused, upload } from "./checks.ts"
import { key, modelOf } from "./Installation.ts"
import * as RawConnection from "./RawConnection.ts"
import type { RunningHost } from "./RunningHost.ts"

interface RawRequest {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** A request as text, below the mount path, with the key. */
const render = (host: RunningHost, { body = "", headers = {}, method, path }: RawRequest): string => {
  const { host: authority, pathname } = new URL(host.url)
  const all = {
    host: authority,
    authorization: `Bearer ${key}`,
    ...(body === "" ? {} : { "content-length": String(Buffer.byteLength(body)) }),
    ...headers
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${pathname.replace(/\/$/, "")}${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`
}

const identity = (host: () => RunningHost): void => {
  it("names every answer after the client's request ID, or by one of its own", async () => {
    const { call } = host()
    const idOf = async (given: Readonly<Record<string, string>>, path = "/v1/models"): Promise<string> => {
      const { body, headers } = await call(path, { headers: given })
      await body.dump()
      return String(headers["x-request-id"])
    }
    assert.strictEqual(await idOf({ "x-request-id": "client-chosen/1:a" }), "client-chosen/1:a")
    assert.strictEqual(await idOf({ "x-request-id": "of-an-error" }, "/v1/files/file-none"), "of-an-error")
    const own = await Promise.all(
      ["", "has spaces", '"quoted"', "x".repeat(1_000)].map((id) => idOf({ "x-request-id": id }))
    )
    own.push(await idOf({}))
    for (const id of own) assert.match(id, /^req_\w+$/)
    assert.strictEqual(new Set(own).size, own.length)
  })

  it("asks for a key before anything else", async () => {
    const { call } = host()
    for (const authorization of ["", "Bearer ", "Bearer wrong", "Basic c2stYWxpY2U6"]) {
      for (const path of ["/v1/models", "/v1/files", "/v1/files/file-none/content"]) {
        const error = await refused(await call(path, { headers: { authorization } }), 401)
        assert.strictEqual(error.code, "invalid_api_key")
      }
    }
  })
}

const bodies = (host: () => RunningHost): void => {
  it("does not mind a body where none is due", async () => {
    const { call } = host()
    const file = await upload(host(), "deleted with a body")
    const withBody = { headers: { "content-type": "application/json" }, body: '{"nobody":"reads it"}' }
    for (const [method, path] of [
      ["GET", "/v1/models"],
      ["GET", `/v1/files/${file.id}`],
      ["DELETE", `/v1/files/${file.id}`]
    ] as const) {
      const { body, statusCode } = await call(path, { method, ...withBody })
      assert.strictEqual(statusCode, 200, await body.text())
    }
  })

  it("answers a call without the body that is due", async () => {
    const { call } = host()
    for (const headers of [
      { "content-type": "application/json" },
      { "content-type": "application/json", "content-length": "0" }
    ]) {
      const answer = await call("/v1/chat/completions", { method: "POST", headers })
      await refused(answer, 400)
    }
  })
}

const connections = (host: () => RunningHost): void => {
  it("goes on with a connection after errors", async () => {
    const connection = await RawConnection.open(host().url)
    const json = { "content-type": "application/json" }
    const steps: ReadonlyArray<readonly [status: number, request: RawRequest]> = [
      [200, { method: "GET", path: "/v1/models" }],
      [404, { method: "GET", path: "/v1/files/file-none" }],
      [401, { method: "GET", path: "/v1/files", headers: { authorization: "Bearer wrong" } }],
      [
        401,
        {
          method: "POST",
          path: "/v1/files",
          headers: { ...json, authorization: "Bearer wrong" },
          body: `{"a":"${"b".repeat(50_000)}"}`
        }
      ],
      [400, { method: "GET", path: "/v1/files?limit=0" }],
      [400, { method: "POST", path: "/v1/chat/completions", headers: json, body: "{}" }],
      [404, { method: "POST", path: "/v1/chat/completions", headers: json, body: '{"model":"none","messages":[]}' }],
      [415, { method: "POST", path: "/v1/files", headers: json, body: "{}" }],
      [404, { method: "DELETE", path: "/v1/files/file-none" }]
    ]
    for (const [status, request] of steps) {
      await connection.send(render(host(), request))
      const answer = await connection.response()
      assert.strictEqual(answer.status, status, `${request.method} ${request.path}`)
      if (status >= 400) errorOf(answer.body.toString())
    }
    await connection.send(render(host(), { method: "HEAD", path: "/v1/models" }))
    assert.strictEqual((await connection.response({ head: true })).status, 200)
    const body = JSON.stringify({ model: modelOf("alpha"), messages: [{ role: "user", content: "still there?" }] })
    await connection.send(render(host(), { method: "POST", path: "/v1/chat/completions", headers: json, body }))
    assert.include((await connection.response()).body.toString(), "Answer from alpha")
    connection.hangUp()
  })
}

type UnknownRoutes = "gateway" | { readonly status: number; readonly text: string }

const routes = (host: () => RunningHost, unknownRoutes: UnknownRoutes): void => {
  it("leaves unknown routes to whom they belong", async () => {
    const { call } = host()
    for (const path of ["/v1/nothing-here", "/v1", "/v1/files/a/b/c", "/v1/files/%E0%A4%A", "/"]) {
      const answer = await call(path)
      if (unknownRoutes === "gateway") {
        const error = await refused(answer, 404)
        assert.strictEqual(error.code, "unknown_url")
      } else {
        assert.include(await answer.body.text(), unknownRoutes.text, path)
        assert.strictEqual(answer.statusCode, unknownRoutes.status, path)
      }
    }
    // A body that nobody has read is still there for the host, or is dropped without harm to the connection.
    const posted = await call("/v1/nothing-here", { method: "POST", body: "x".repeat(300_000) })
    await posted.body.dump()
    assert.isAtLeast(posted.statusCode, 400)
    const live = await call("/health/live", { headers: { authorization: "" } })
    assert.strictEqual(live.statusCode, 200)
    await live.body.dump()
  })
}

export const register = (host: () => RunningHost, unknownRoutes: UnknownRoutes): void => {
  identity(host)
  bodies(host)
  connections(host)
  routes(host, unknownRoutes)
}
