import { assert, describe, it } from "@effect/vitest"
import { Readable } from "node:stream"
import * as Bytes from "../src/Bytes.ts"
import * as HostAnswer from "../src/HostAnswer.ts"

const read = async (result: unknown, stream = false, wire: HostAnswer.Wire = "chat") => {
  const response = await HostAnswer.toResponse(result, stream, wire)
  return {
    status: response.status,
    type: response.headers["content-type"],
    text: new TextDecoder().decode(await Bytes.collect(response.body)),
    complete: response.complete !== null
  }
}

/** A source that tells whether it was ended before its end. */
const watched = (items: ReadonlyArray<unknown>) => {
  const seen = { asked: 0, returned: 0 }
  const source: AsyncIterable<unknown> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const value = items[seen.asked++]
        return Promise.resolve(value === undefined ? { done: true, value } : { done: false, value })
      },
      return: () => {
        seen.returned++
        return Promise.resolve({ done: true, value: undefined })
      }
    })
  }
  return { seen, source }
}

const jsonType = "application/json"
const eventType = "text/event-stream; charset=utf-8"

describe("a handler's result", () => {
  it("may be an object, which is the answer itself, whatever it says of a status", async () => {
    const answer = { id: "resp_1", status: "completed", output: [] }
    assert.deepStrictEqual(await read(answer), {
      status: 200,
      type: jsonType,
      text: JSON.stringify(answer),
      complete: true
    })
    assert.strictEqual((await read({ status: 7 })).text, '{"status":7}')
  })

  it("may be an answer in its parts", async () => {
    const parts = { status: 201, headers: { "Content-Type": "text/plain", "content-length": "99" }, body: "Grüße" }
    assert.deepStrictEqual(await read(parts), { status: 201, type: "text/plain", text: "Grüße", complete: true })
    assert.strictEqual((await HostAnswer.toResponse(parts, false, "chat")).headers["content-length"], undefined)
    assert.strictEqual((await read({ status: 200, body: { a: 1 } })).text, '{"a":1}')
    assert.strictEqual((await read({ status: 204, headers: {} })).text, "")
    assert.strictEqual((await read({ status: 200, body: new TextEncoder().encode("x") })).type, jsonType)
  })

  it("may be a Response, whose body has been decoded on the way", async () => {
    const headers = { "content-type": "text/event-stream", "content-encoding": "gzip", "content-length": "1" }
    const response = await HostAnswer.toResponse(new Response("data: 1\n\n", { headers }), true, "chat")
    assert.deepStrictEqual(response.headers, { "content-type": "text/event-stream" })
    assert.strictEqual(new TextDecoder().decode(await Bytes.collect(response.body)), "data: 1\n\n")
    assert.strictEqual((await read(new Response(null, { status: 204 }))).status, 204)
  })

  it("may be a stream of objects, which become the events of the wire", async () => {
    const events = () =>
      watched([
        { type: "a", n: 1 },
        { type: "b", n: 2 }
      ]).source
    const chat = await read(events(), true, "chat")
    assert.strictEqual(chat.text, 'data: {"type":"a","n":1}\n\ndata: {"type":"b","n":2}\n\ndata: [DONE]\n\n')
    assert.strictEqual(chat.type, eventType)
    const messages = await read(events(), true, "messages")
    assert.strictEqual(messages.text, 'event: a\ndata: {"type":"a","n":1}\n\nevent: b\ndata: {"type":"b","n":2}\n\n')
    assert.strictEqual((await read({ status: 200, body: events() }, true, "responses")).text, messages.text)
  })

  it("may be a stream of bytes or text, which is passed on as it comes", async () => {
    assert.deepStrictEqual(await read(Readable.from([Buffer.from("a"), Buffer.from("b")]), true), {
      status: 200,
      type: eventType,
      text: "ab",
      complete: false
    })
    assert.strictEqual((await read(new Response("{}").body)).type, jsonType)
    assert.strictEqual((await read(watched(["data: 1\n\n"]).source, true)).text, "data: 1\n\n")
  })

  it.each([[undefined], [null], ["text"], [1], [[]], [true]])("cannot be %j", async (result) => {
    const outcome = await read(result).catch((cause: unknown) => cause)
    assert.instanceOf(outcome, TypeError)
  })
})

describe("a handler's stream", () => {
  it("is no answer when it fails before its first part", async () => {
    const outcome = await HostAnswer.toResponse(
      (async function* () {
        throw new Error("refused")
      })(),
      true,
      "chat"
    ).catch((cause: unknown) => cause)
    assert.match(String(outcome), /refused/)
  })

  it("breaks when it fails later, and does not end as if it were whole", async () => {
    const response = await HostAnswer.toResponse(
      (async function* () {
        yield { n: 1 }
        throw new Error("broken off")
      })(),
      true,
      "chat"
    )
    const chunks: Array<string> = []
    const outcome = await (async () => {
      for await (const chunk of response.body) chunks.push(new TextDecoder().decode(chunk))
    })().catch((cause: unknown) => cause)
    assert.match(String(outcome), /broken off/)
    assert.deepStrictEqual(chunks, ['data: {"n":1}\n\n'])
  })

  it("is ended once by who stops reading, or gives it up unread", async () => {
    const read = watched([{ n: 1 }, { n: 2 }])
    const response = await HostAnswer.toResponse(read.source, true, "chat")
    for await (const _ of response.body) break
    response.cancel()
    assert.deepStrictEqual(read.seen, { asked: 1, returned: 1 })

    const unread = watched([{ n: 1 }, { n: 2 }])
    const given = await HostAnswer.toResponse(unread.source, true, "chat")
    given.cancel()
    given.cancel()
    await Promise.resolve()
    assert.deepStrictEqual(unread.seen, { asked: 1, returned: 1 })

    const whole = watched([{ n: 1 }])
    const ended = await HostAnswer.toResponse(whole.source, true, "chat")
    await Bytes.collect(ended.body)
    ended.cancel()
    assert.deepStrictEqual(whole.seen, { asked: 2, returned: 0 })
  })

  it("holds nothing but objects, text and bytes", async () => {
    const outcome = await HostAnswer.toResponse(watched([1]).source, true, "chat").catch((cause: unknown) => cause)
    assert.instanceOf(outcome, TypeError)
  })
})
