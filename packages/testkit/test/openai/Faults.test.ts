import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { request as httpRequest } from "node:http"
import {
  APIConnectionError,
  APIUserAbortError,
  AuthenticationError,
  ConflictError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  UnprocessableEntityError,
  toFile
} from "openai"
import { clientOf, failure, start, upload } from "./harness.ts"

describe("faults", () => {
  it("refuse with a status, which the SDK retries", async () => {
    const { emulator } = await start()
    const retrying = clientOf(emulator, "sk-alpha", 2)
    const limited = emulator.fault({ route: "files.create", times: 1, kind: { status: 429, retryAfter: 0 } })
    const broken = emulator.fault({ route: "files.create", times: 1, kind: { status: 500, retryAfter: 0 } })
    const created = await upload(retrying)
    assert.deepStrictEqual([limited.hits(), broken.hits()], [1, 1])
    assert.deepStrictEqual(
      emulator.journal.map(({ fault, status, upload: form }) => [status, fault, form?.filename]),
      [
        [429, "status", "notes.txt"],
        [500, "status", "notes.txt"],
        [200, undefined, "notes.txt"]
      ]
    )
    assert.deepStrictEqual(
      emulator.files("alpha").map(({ id }) => id),
      [created.id]
    )
  })

  it.each([
    [429, RateLimitError, "rate_limit_exceeded"],
    [500, InternalServerError, null],
    [503, InternalServerError, null],
    [401, AuthenticationError, null],
    [403, PermissionDeniedError, null],
    [409, ConflictError, null],
    [422, UnprocessableEntityError, null]
  ] as const)("with status %i are the SDK's own error", async (status, expected, code) => {
    const { client, emulator } = await start()
    emulator.fault({ account: "alpha", route: "chat", kind: { status, retryAfter: 7 } })
    const call = () => client.chat.completions.create({ model: "m", messages: [{ role: "user", content: "hi" }] })
    for (const refused of [await failure(call()), await failure(call())]) {
      assert.instanceOf(refused, expected)
      assert.strictEqual(refused.code, code)
      assert.strictEqual(refused.headers?.get("retry-after"), "7")
    }
    emulator.clearFaults()
    assert.strictEqual((await call()).object, "chat.completion")
  })

  it("answer a body of the test's own", async () => {
    const { client, emulator } = await start()
    emulator.fault({ route: "files.list", times: 1, kind: { status: 502, body: "<html>bad gateway</html>" } })
    emulator.fault({ route: "files.list", times: 1, kind: { status: 400, body: { error: { message: "own" } } } })
    assert.match((await failure(client.files.list())).message, /bad gateway/)
    assert.match((await failure(client.files.list())).message, /own/)
  })

  it("hit only their account and route, and end when cleared", async () => {
    const accounts = [
      { name: "alpha", key: "sk-alpha" },
      { name: "beta", key: "sk-beta" }
    ]
    const { client: alpha, emulator } = await start({ accounts })
    const fault = emulator.fault({ account: "beta", route: "files.list", kind: { status: 500 } })
    const beta = clientOf(emulator, "sk-beta")
    await alpha.files.list()
    await upload(beta)
    assert.instanceOf(await failure(beta.files.list()), InternalServerError)
    fault.clear()
    assert.strictEqual((await beta.files.list()).data.length, 1)
    assert.strictEqual(fault.hits(), 1)
  })

  it("refuse early, before the upload's body is sent", async () => {
    const { emulator } = await start()
    emulator.fault({ route: "files.create", kind: { status: 413, early: true } })
    const request = httpRequest(`${emulator.baseUrl}/files`, {
      method: "POST",
      headers: { authorization: "Bearer sk-alpha", "content-length": 1_000_000 }
    })
    request.on("error", () => {})
    onTestFinished(() => void request.destroy())
    request.flushHeaders()
    const status = await new Promise((resolve) => {
      request.on("response", (response) => resolve(response.resume().statusCode))
    })
    assert.strictEqual(status, 413)
    assert.strictEqual(emulator.journal[0]?.bytes, 0)
  })

  it("cut an upload in its middle", async () => {
    const { client, emulator } = await start()
    emulator.fault({ route: "files.create", times: 1, kind: { cutAfterBytes: 100_000 } })
    const large = await toFile(randomBytes(2_000_000), "large.bin")
    const broken = await failure(client.files.create({ purpose: "batch", file: large }))
    assert.instanceOf(broken, APIConnectionError)
    const entry = await emulator.waitFor((each) => each.done)
    assert.isTrue(entry.cut)
    assert.isFalse(entry.aborted)
    assert.isAbove(entry.bytes, 100_000)
    assert.isBelow(entry.bytes, 2_000_000)
    assert.deepStrictEqual(emulator.files("alpha"), [])
  })

  it("cut a download at a byte", async () => {
    const { client, emulator } = await start()
    const bytes = randomBytes(200_000)
    const { id } = await client.files.create({ purpose: "batch", file: await toFile(bytes, "b.jsonl") })
    emulator.fault({ route: "files.content", times: 1, kind: { cutAfterBytes: 70_000 } })
    const response = await client.files.content(id)
    assert.strictEqual(response.headers.get("content-length"), "200000")
    const received: Array<Uint8Array> = []
    let ended = "whole"
    try {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) received.push(chunk)
    } catch {
      ended = "broken"
    }
    assert.strictEqual(ended, "broken")
    assert.isTrue(Buffer.concat(received).equals(bytes.subarray(0, 70_000)))
    const again = await client.files.content(id)
    assert.isTrue(Buffer.from(await again.arrayBuffer()).equals(bytes))
  })

  it("cut a stream after some events", async () => {
    const { client, emulator } = await start()
    emulator.fault({ route: "chat", kind: { cutStreamAfterEvents: 3 } })
    const stream = await client.chat.completions.create({
      model: "m",
      messages: [{ role: "user", content: "hi" }],
      stream: true
    })
    let seen = 0
    let ended = "whole"
    try {
      for await (const chunk of stream) seen += chunk.choices.length
    } catch {
      ended = "broken"
    }
    assert.deepStrictEqual([seen, ended], [3, "broken"])
    const entry = await emulator.waitFor((each) => each.done)
    assert.deepStrictEqual([entry.events, entry.cut, entry.aborted], [3, true, false])
  })

  it("store an upload and never say so", async () => {
    const { client, emulator } = await start()
    emulator.fault({ route: "files.create", times: 1, kind: { acceptThenCut: true } })
    assert.instanceOf(await failure(upload(client)), APIConnectionError)
    assert.strictEqual(emulator.files("alpha").length, 1)
    const entry = await emulator.waitFor((each) => each.done)
    assert.deepStrictEqual([entry.status, entry.cut], [undefined, true])
  })

  it("hang until the client hangs up", async () => {
    const { client, emulator } = await start()
    emulator.fault({ route: "chat", times: 1, kind: { hang: true } })
    const hangUp = new AbortController()
    const call = client.chat.completions.create(
      { model: "m", messages: [{ role: "user", content: "hi" }] },
      { signal: hangUp.signal }
    )
    const refused = failure(call)
    await emulator.waitFor((entry) => entry.body !== undefined && !entry.done)
    hangUp.abort()
    assert.instanceOf(await refused, APIUserAbortError)
    const entry = await emulator.waitFor((each) => each.done)
    assert.deepStrictEqual([entry.aborted, entry.status], [true, undefined])
  })

  it("delay an answer, alone or before another fault", async () => {
    const { client, emulator } = await start()
    emulator.fault({ route: "files.list", times: 1, kind: { delayMs: 60 } })
    emulator.fault({ route: "files.list", times: 1, kind: { delayMs: 60, status: 503 } })
    const timed = async (call: () => Promise<unknown>): Promise<number> => {
      const begun = performance.now()
      await call()
      return performance.now() - begun
    }
    assert.isAtLeast(await timed(async () => client.files.list()), 55)
    assert.isAtLeast(await timed(async () => failure(client.files.list())), 55)
    emulator.setLatency("alpha", 60)
    assert.isAtLeast(await timed(async () => client.models.list()), 55)
  })

  it("slow a download and an upload", async () => {
    const { client, emulator } = await start()
    const bytes = randomBytes(20_000)
    emulator.fault({ route: "files.create", times: 1, kind: { slowBytesPerSecond: 200_000 } })
    const begun = performance.now()
    const { id } = await client.files.create({ purpose: "batch", file: await toFile(bytes, "b.jsonl") })
    const uploaded = performance.now()
    assert.isAtLeast(uploaded - begun, 95)
    emulator.fault({ route: "files.content", times: 1, kind: { slowBytesPerSecond: 200_000 } })
    const response = await client.files.content(id)
    assert.isTrue(Buffer.from(await response.arrayBuffer()).equals(bytes))
    assert.isAtLeast(performance.now() - uploaded, 95)
  })

  it("lose a file behind everybody's back", async () => {
    const { client, emulator } = await start()
    const { id } = await upload(client)
    assert.isTrue(emulator.loseFile("alpha", id))
    assert.isFalse(emulator.loseFile("alpha", id))
    assert.instanceOf(await failure(client.files.retrieve(id)), NotFoundError)
    assert.deepStrictEqual(
      emulator.journal.map(({ route }) => route),
      ["files.create", "files.retrieve"]
    )
  })
})
