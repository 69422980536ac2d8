import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { Account, CallPolicy, defaultPolicy } from "../src/Account.ts"
import * as Bytes from "../src/Bytes.ts"
import { HttpTransport, type TransportRequest, type TransportResponse } from "../src/HttpTransport.ts"
import type { FileProtocol, ProviderCall, RemoteFile, UploadStep } from "../src/Provider.ts"
import * as Upstream from "../src/Upstream.ts"
import { answer, encode, type Fault } from "./support/FakeProvider.ts"
import { idOf } from "./support/lookups.ts"
import { advance } from "./support/time.ts"
import { wire } from "./support/wire.ts"
import * as World from "./support/World.ts"

type Answer = Pick<TransportResponse, "status"> & { readonly headers?: Record<string, string>; readonly body?: string }

const account = (baseUrl: string) =>
  new Account({
    id: "east",
    provider: "wire",
    baseUrl,
    apiKey: Redacted.make("sk-very-secret"),
    headers: { "x-project": "project-secret" },
    exclusive: true,
    policy: new CallPolicy({ ...defaultPolicy, attempts: 2 })
  })

/** The upstream over a transport that gives these answers, and the requests that it was sent. */
const scripted = Effect.fnUntraced(function* (answers: ReadonlyArray<Answer>) {
  const requests: Array<TransportRequest> = []
  const send = (request: TransportRequest) =>
    Effect.sync((): TransportResponse => {
      const { body = "{}", headers = {}, status } = answers[requests.length] ?? { status: 500 }
      requests.push(request)
      return { status, headers, complete: null, body: Bytes.fromArray(encode(body)), cancel: () => undefined }
    })
  const layer = Upstream.layer.pipe(Layer.provide(Layer.succeed(HttpTransport, HttpTransport.of({ send }))))
  return { requests, upstream: yield* Effect.provide(Upstream.Upstream, layer) }
})

const call = (name: string, changes: Partial<ProviderCall> = {}): ProviderCall => ({
  name,
  method: "POST",
  path: `/${name}`,
  headers: {},
  body: null,
  idempotent: false,
  ...changes
})

const made: RemoteFile = {
  id: "file-1",
  filename: null,
  bytes: null,
  createdAt: null,
  expiresAt: null,
  state: "ready"
}

/** A call that is told where the bytes go, and one that brings them there. */
const twoSteps = (second: Partial<ProviderCall>): UploadStep => ({
  _tag: "Call",
  call: call("start", { idempotent: true, accepts: [302] }),
  next: ({ headers, status }) => {
    const url = headers["location"]
    if (status !== 302 || typeof url !== "string") return Result.fail("no address")
    const bytes = call("bytes", { method: "PUT", path: "", url, ...second })
    return Result.succeed({
      _tag: "Call",
      call: bytes,
      begun: "file-1",
      next: () => Result.succeed({ _tag: "Made", file: made })
    })
  }
})

const upload = Effect.fnUntraced(function* (baseUrl: string, location: string, second: Partial<ProviderCall>) {
  const { requests, upstream } = yield* scripted([{ status: 302, headers: { location } }, { status: 200 }])
  const begun: Array<string> = []
  const target = { account: account(baseUrl), provider: wire }
  const file = yield* Effect.result(
    upstream.upload(target, Effect.succeed(twoSteps(second)), (id) => void begun.push(id))
  )
  return { begun, file, requests }
})

describe("an upload in several calls", () => {
  it.effect("goes to a signed address without anything that tells who we are", () =>
    Effect.gen(function* () {
      const { begun, file, requests } = yield* upload("https://api.test/v1", "https://store.test/x?sig=1", {
        credentials: false
      })
      assert.deepStrictEqual(Result.getOrThrow(file), made)
      assert.deepStrictEqual(begun, ["file-1"])
      assert.deepInclude(requests[0]?.headers, {
        authorization: "Bearer sk-very-secret",
        "x-project": "project-secret"
      })
      assert.deepInclude(requests[1], { method: "PUT", url: "https://store.test/x?sig=1", headers: {} })
    })
  )

  it.effect("takes the credentials to the account's own origin", () =>
    Effect.gen(function* () {
      const { file, requests } = yield* upload("https://api.test/v1", "https://api.test/upload?id=1", {})
      assert.isTrue(Result.isSuccess(file))
      assert.strictEqual(requests[1]?.headers["authorization"], "Bearer sk-very-secret")
    })
  )

  const untrusted: ReadonlyArray<readonly [name: string, baseUrl: string, location: string, credentials: boolean]> = [
    ["elsewhere with the credentials", "https://api.test/v1", "https://store.test/x", true],
    ["in clear", "https://api.test/v1", "http://store.test/x", false],
    ["on this machine for an account that is not", "https://api.test/v1", "http://127.0.0.1:8000/x", false],
    ["that is none", "https://api.test/v1", "/x", false]
  ]
  for (const [name, baseUrl, location, credentials] of untrusted) {
    it.effect(`goes to no address ${name}, and does not name it`, () =>
      Effect.gen(function* () {
        const { file, requests } = yield* upload(baseUrl, location, { credentials })
        assert.strictEqual(requests.length, 1)
        if (Result.isSuccess(file)) return assert.fail("it was called")
        assert.include(file.failure.message, "not trusted")
        assert.notInclude(file.failure.message, location)
      })
    )
  }

  it.effect("may go to another port of this machine for an account that is there", () =>
    Effect.gen(function* () {
      const { requests } = yield* upload("http://127.0.0.1:9000", "http://127.0.0.1:9001/x", { credentials: false })
      assert.strictEqual(requests.length, 2)
    })
  )

  it.effect("hides the address in what the provider says", () =>
    Effect.gen(function* () {
      const { upstream } = yield* scripted([
        { status: 302, headers: { location: "https://store.test/x?sig=1" } },
        {
          status: 400,
          body: JSON.stringify({ error: { message: "no room at https://store.test/x?sig=1 (store.test)" } })
        }
      ])
      const target = { account: account("https://api.test/v1"), provider: wire }
      const step = twoSteps({ credentials: false })
      const error = yield* Effect.flip(upstream.upload(target, Effect.succeed(step), () => undefined))
      assert.include(error.message, "no room at [redacted] ([redacted])")
    })
  )
})

/** Like the wire, but an upload is asked for its state once more before it counts. */
const twoCalls = {
  ...wire,
  files: {
    ...wire.files,
    create: (given: Parameters<typeof wire.files.create>[0]): UploadStep => {
      const step = wire.files.create(given)
      if (step._tag !== "Call") return step
      return {
        ...step,
        next: (first) =>
          Result.flatMap(wire.files.decodeFile(first.body), ({ id }) =>
            Result.succeed({
              _tag: "Call",
              call: { ...wire.files.retrieve(id), idempotent: false },
              begun: id,
              next: ({ body }) => Result.map(wire.files.decodeFile(body), (file) => ({ _tag: "Made", file }) as const)
            } as const)
          )
      }
    }
  }
}

describe("an upload that ends at any of its calls", () => {
  const ends: ReadonlyArray<readonly [name: string, call: "create" | "retrieve", fault: Fault]> = [
    ["the first is refused", "create", answer(400)],
    ["the first has no answer", "create", { _tag: "CutAnswer", at: "head" }],
    ["the second is refused", "retrieve", answer(400)],
    ["the second has no answer", "retrieve", { _tag: "CutAnswer", at: "head" }],
    ["the second breaks off", "retrieve", { _tag: "CutAnswer", at: "body" }],
    ["the second is put off", "retrieve", answer(503)]
  ]
  for (const [name, which, fault] of ends) {
    it.effect(`leaves nothing that no row knows when ${name}`, () =>
      Effect.gen(function* () {
        const world = yield* World.make({ provider: twoCalls })
        const instance = yield* world.start()
        const east = world.account("east")
        east.script(which, fault)
        const running = yield* Effect.forkChild(Effect.result(instance.upload({ models: ["east-only"] })))
        yield* advance(60_000, 1_000)
        const outcome = yield* Fiber.join(running)
        const kept = Result.isSuccess(outcome) ? 1 : 0
        assert.strictEqual(east.files.size, kept)
        if (Result.isSuccess(outcome)) {
          assert.include(yield* instance.chat({ model: "east-only", files: [idOf(outcome.success)] }), "content")
        }
      })
    )
  }
})

describe("an upload without an answer is found", () => {
  const lists: ReadonlyArray<readonly [name: string, told: (file: RemoteFile) => RemoteFile]> = [
    [
      "by as much of its name as the provider keeps",
      (file) => ({ ...file, filename: file.filename?.slice(0, 128) ?? null })
    ],
    ["by its size where lists have no names", (file) => ({ ...file, filename: null })],
    ["by its name where lists have no sizes", (file) => ({ ...file, bytes: null })]
  ]
  for (const [name, told] of lists) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const decodePage: FileProtocol["decodePage"] = (body, cursor) =>
          Result.map((wire.files as FileProtocol).decodePage(body, cursor), ({ files, next }) => ({
            files: files.map(told),
            next
          }))
        const world = yield* World.make({ provider: { ...wire, files: { ...wire.files, decodePage } } })
        const instance = yield* world.start()
        const east = world.account("east")
        east.script("create", { _tag: "CutAnswer", at: "head" })
        const filename = `${"a".repeat(200)}.txt`
        const running = yield* Effect.forkChild(instance.upload({ models: ["east-only"], filename }))
        yield* advance(60_000, 1_000)
        yield* Fiber.join(running)
        assert.strictEqual(east.calls("create").length, 2)
        assert.strictEqual(east.files.size, 1)
      })
    )
  }
})
