import { assert, describe, it } from "@effect/vitest"
import { getEventListeners } from "node:events"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Bytes from "../src/Bytes.ts"

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** What a promise is rejected with. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it was not rejected"),
    (cause: unknown) => cause
  )

/** A source that records how its iteration ends, and waits forever after its chunks unless it fails. */
const makeSource = (chunks: ReadonlyArray<Uint8Array>, failure?: Error) => {
  const rest = [...chunks]
  const source = {
    returned: 0,
    asked: 0,
    bytes: {
      [Symbol.asyncIterator]: () => ({
        next: (): Promise<IteratorResult<Uint8Array>> => {
          source.asked++
          const value = rest.shift()
          if (value !== undefined) return Promise.resolve({ done: false, value })
          return failure === undefined ? new Promise(() => {}) : Promise.reject(failure)
        },
        return: (): Promise<IteratorResult<Uint8Array>> => {
          source.returned++
          return new Promise(() => {})
        }
      })
    }
  }
  return source
}

describe("collect", () => {
  it("joins chunks, empty ones and none at all", async () => {
    assert.strictEqual(text(await Bytes.collect(Bytes.fromArray(ascii("ab"), ascii(""), ascii("c")))), "abc")
    assert.strictEqual((await Bytes.collect(Bytes.fromArray())).byteLength, 0)
  })

  it("is rejected with the error of the source", async () => {
    const failure = new Error("source")
    assert.strictEqual(await rejection(Bytes.collect(makeSource([ascii("a")], failure).bytes)), failure)
  })
})

describe("concat", () => {
  it("copies nothing when there is one chunk", () => {
    const chunk = ascii("abc")
    assert.strictEqual(Bytes.concat([chunk]), chunk)
  })

  it("joins views by what they show", () => {
    assert.strictEqual(text(Bytes.concat([ascii("abcdef").subarray(1, 3), ascii("xyz").subarray(2)])), "bcz")
  })
})

describe("abortable", () => {
  it("passes content on until its end, and leaves the signal alone", async () => {
    const { signal } = new AbortController()
    const bytes = Bytes.abortable(Bytes.fromArray(ascii("ab"), ascii("c")), signal)
    assert.strictEqual(text(await Bytes.collect(bytes)), "abc")
    assert.strictEqual(getEventListeners(signal, "abort").length, 0)
  })

  it("fails at once with the reason while the source keeps it waiting, and tells the source to end", async () => {
    const controller = new AbortController()
    const source = makeSource([ascii("a")])
    const collecting = Bytes.collect(Bytes.abortable(source.bytes, controller.signal))
    while (source.asked < 2) await Promise.resolve()
    const reason = new Error("aborted")
    controller.abort(reason)
    assert.strictEqual(await rejection(collecting), reason)
    assert.strictEqual(source.returned, 1)
    assert.strictEqual(getEventListeners(controller.signal, "abort").length, 0)
  })

  it("fails on the next chunk when the signal comes between two", async () => {
    const controller = new AbortController()
    const source = makeSource([ascii("a"), ascii("b")])
    const iterator = Bytes.abortable(source.bytes, controller.signal)[Symbol.asyncIterator]()
    assert.strictEqual((await iterator.next()).done, false)
    const reason = new Error("aborted")
    controller.abort(reason)
    assert.strictEqual(await rejection(iterator.next()), reason)
    assert.deepStrictEqual([source.asked, source.returned], [1, 1])
  })

  it("asks for nothing after the signal, and still tells the source to end", async () => {
    const source = makeSource([ascii("a")])
    const reason = new Error("aborted")
    assert.strictEqual(await rejection(Bytes.collect(Bytes.abortable(source.bytes, AbortSignal.abort(reason)))), reason)
    assert.deepStrictEqual([source.asked, source.returned], [0, 1])
  })

  it("fails with the error of the source, which has ended by itself", async () => {
    const failure = new Error("source")
    const source = makeSource([ascii("a")], failure)
    const { signal } = new AbortController()
    assert.strictEqual(await rejection(Bytes.collect(Bytes.abortable(source.bytes, signal))), failure)
    assert.strictEqual(source.returned, 0)
  })

  it("ends the source when its reader stops", async () => {
    const source = makeSource([ascii("a"), ascii("b")])
    for await (const chunk of Bytes.abortable(source.bytes, new AbortController().signal)) {
      assert.strictEqual(text(chunk), "a")
      break
    }
    assert.deepStrictEqual([source.asked, source.returned], [1, 1])
  })

  it("keeps no chunk that was read", async () => {
    setFlagsFromString("--expose-gc")
    const collectGarbage = runInNewContext("gc") as () => void
    const chunks: Array<WeakRef<Uint8Array>> = []
    const bytes: Bytes.Bytes = {
      async *[Symbol.asyncIterator]() {
        for (let index = 0; index < 200; index++) {
          const chunk = new Uint8Array(1_000)
          chunks.push(new WeakRef(chunk))
          yield chunk
        }
      }
    }
    const iterator = Bytes.abortable(bytes, new AbortController().signal)[Symbol.asyncIterator]()
    for (let index = 0; index < 200; index++) await iterator.next()
    // What a WeakRef was asked for lives until the next turn of the event loop.
    await setImmediate()
    collectGarbage()
    assert.isBelow(chunks.filter((chunk) => chunk.deref() !== undefined).length, 20)
  })
})
