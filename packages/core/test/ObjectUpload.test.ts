/** A write of one object, on a service that can fail in every way that a real one can. */
import { assert, describe, it } from "@effect/vitest"
import { make as makeStore } from "../src/BlobStore.ts"
import * as Bytes from "../src/Bytes.ts"
import * as ObjectBlobs from "../src/ObjectBlobs.ts"
import { KeyTaken, start, type NewObject, type Upload } from "../src/ObjectUpload.ts"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

interface Stored {
  readonly content: Uint8Array
  readonly mark: string
}

/** A service with room for one object. What it is asked may fail before or after it is done. */
const makeService = () => {
  const service = {
    stored: undefined as Stored | undefined,
    /** Parts that are neither in the object nor dropped. */
    parts: [] as Array<Uint8Array>,
    asked: [] as Array<string>,
    before: (_what: string): void | Promise<void> => {},
    after: (_what: string): void => {}
  }
  const ask = async <A>(what: string, run: () => A): Promise<A> => {
    service.asked.push(what)
    await service.before(what)
    const answer = run()
    service.after(what)
    return answer
  }
  const publish = (content: Uint8Array, mark: string): void => {
    if (service.stored !== undefined) throw new KeyTaken("the key")
    service.stored = { content, mark }
  }
  const object: NewObject = {
    find: () =>
      ask("find", () => {
        const { stored } = service
        return stored && { mark: stored.mark, remove: () => ask("remove", () => (service.stored = undefined)) }
      }),
    put: (content, mark) => ask("put", () => publish(content, mark)),
    begin: (mark) =>
      ask("begin", () => ({
        send: (part, number) => ask(`send ${number}`, () => (service.parts[number] = part)),
        commit: () => ask("commit", () => publish(Bytes.concat(service.parts.splice(0)), mark)),
        drop: () => ask("drop", () => (service.parts.length = 0))
      }))
  }
  return { service, object }
}

const unreachable = new Error("the service does not answer")

/** Fails all that is asked after the act of this name was carried out, until it is called. */
const silentAfter = (service: ReturnType<typeof makeService>["service"], act: string) => {
  let isSilent = false
  const check = (): void => {
    if (isSilent) throw unreachable
  }
  service.before = check
  service.after = (what) => {
    if (what === act) isSilent = true
    check()
  }
  return () => {
    service.before = () => {}
    service.after = () => {}
  }
}

const { signal } = new AbortController()
const one = Uint8Array.of(1)

async function* partsOf(...parts: ReadonlyArray<Uint8Array>) {
  yield* parts
}

const twoParts = () => partsOf(Uint8Array.of(1, 2), Uint8Array.of(3))

const publishing = async (upload: Upload): Promise<unknown> =>
  upload.publish().then(
    () => "published",
    (cause: unknown) => cause
  )

describe("an upload", () => {
  it("of one part, or none, is one request", async () => {
    for (const parts of [[], [one]]) {
      const { object, service } = makeService()
      const upload = await start(object, "mine", partsOf(...parts), 2, signal)
      assert.deepStrictEqual(service.asked, [])
      await upload.publish()
      await upload.discard()
      assert.deepStrictEqual(service.asked, ["put"])
      assert.deepStrictEqual(service.stored?.content, Bytes.concat(parts))
    }
  })

  it("of more is sent in parts, of which no more are on their way than may be", async () => {
    const { object, service } = makeService()
    let [underWay, most, read] = [0, 0, 0]
    service.before = async (what) => {
      if (!what.startsWith("send")) return
      most = Math.max(most, ++underWay)
      assert.isAtMost(read, 2 + underWay + service.parts.length)
      await new Promise(setImmediate)
      underWay -= 1
    }
    const parts = async function* () {
      for (; read < 9; read++) yield Uint8Array.of(read)
    }
    const upload = await start(object, "mine", parts(), 2, signal)
    assert.strictEqual(most, 2)
    assert.isUndefined(service.stored)
    await upload.publish()
    await upload.discard()
    assert.deepStrictEqual(service.stored, { content: Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8), mark: "mine" })
    assert.notInclude(service.asked, "drop")
  })

  it("that fails half way drops its parts, ends its source, and fails for its own reason", async () => {
    const { object, service } = makeService()
    service.before = (what) => {
      if (what === "send 1" || what === "drop") throw new Error(`${what} failed`)
    }
    let ended = false
    const parts = async function* () {
      try {
        for (;;) yield one
      } finally {
        ended = true
      }
    }
    const failure: unknown = await start(object, "mine", parts(), 1, signal).catch((cause: unknown) => cause)
    assert.include(String(failure), "send 1 failed")
    assert.isTrue(ended)
    assert.strictEqual(service.asked.at(-1), "drop")
  })

  for (const [act, parts] of [
    ["put", () => partsOf(one)],
    ["commit", twoParts]
  ] as const) {
    it(`is published though the answer to its ${act} was lost`, async () => {
      const { object, service } = makeService()
      service.after = (what) => {
        if (what === act) throw unreachable
      }
      const upload = await start(object, "mine", parts(), 2, signal)
      assert.strictEqual(await publishing(upload), "published")
      await upload.discard()
      assert.strictEqual(service.stored?.mark, "mine")
    })

    it(`is taken back when nobody can tell what became of its ${act}`, async () => {
      const { object, service } = makeService()
      const upload = await start(object, "mine", parts(), 2, signal)
      const answer = silentAfter(service, act)
      assert.strictEqual(await publishing(upload), unreachable)
      assert.strictEqual(service.stored?.mark, "mine")
      answer()
      await upload.discard()
      assert.isUndefined(service.stored)
    })

    it(`leaves the object of another alone when its ${act} is refused, or nobody can tell`, async () => {
      for (const mayBeSeen of [true, false]) {
        const { object, service } = makeService()
        const upload = await start(object, "mine", parts(), 2, signal)
        service.stored = { content: one, mark: "another" }
        service.before = (what) => {
          if (what === "find" && !mayBeSeen) throw unreachable
        }
        const failure = await publishing(upload)
        if (mayBeSeen) assert.instanceOf(failure, KeyTaken)
        else assert.strictEqual(failure, unreachable)
        service.before = () => {}
        await upload.discard()
        assert.strictEqual(service.stored.mark, "another")
        assert.deepStrictEqual(service.parts, [])
      }
    })
  }
})

describe("content of a service for objects", () => {
  it.effect("is closed, too, when it is open only after nobody wants it any more", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      let arrive = (_content: ObjectBlobs.OpenContent): void => {}
      const content = new Promise<ObjectBlobs.OpenContent>((resolve) => (arrive = resolve))
      const unused = () => Promise.reject(new Error("nobody asks for that"))
      const store = makeStore(
        ObjectBlobs.make({
          name: "test",
          partSize: 1,
          start: unused,
          open: () => {
            Deferred.doneUnsafe(asked, Effect.void)
            return content
          },
          size: unused,
          remove: unused,
          isMissing: () => false
        })
      )
      const reading = yield* Effect.forkChild(store.get("key"))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(reading)
      arrive({ bytes: Bytes.fromArray(), close: () => Deferred.doneUnsafe(closed, Effect.void) })
      yield* Deferred.await(closed)
    })
  )

  it("is asked for by a header that says no more than it has to", () => {
    assert.isUndefined(ObjectBlobs.rangeHeader({ offset: 0 }))
    assert.strictEqual(ObjectBlobs.rangeHeader({ offset: 5 }), "bytes=5-")
    assert.strictEqual(ObjectBlobs.rangeHeader({ offset: 0, length: 1 }), "bytes=0-0")
    assert.strictEqual(ObjectBlobs.rangeHeader({ offset: 5, length: 10 }), "bytes=5-14")
  })
})
