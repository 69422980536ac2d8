/** The promises of a BlobStore; what the backend asks of the service, and what it makes of its answers. */
import { assert, describe, it } from "@effect/vitest"
import { CRC32C } from "@google-cloud/storage"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as BlobStoreSuite from "@omnifile/testkit/BlobStoreSuite"
import { bytesOf, chunked, digestOf, failing, paused } from "@omnifile/testkit/suites/content"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { beforeEach } from "vitest"
import * as Crc32c from "../src/Crc32c.ts"
import * as GcsBlobs from "../src/GcsBlobs.ts"
import * as GcsServer from "./GcsServer.ts"

const KiB = 1024
const server = await GcsServer.start()
const kept = { ...server.options, chunkSize: KiB * KiB }

BlobStoreSuite.suite("gcs", GcsBlobs.layer(kept))
BlobStoreSuite.reopenSuite("gcs", () => GcsBlobs.layer(kept))
BlobStoreSuite.sharedSuite("gcs", () => GcsBlobs.layer(kept))

beforeEach(() => {
  server.requests.length = 0
  server.hooks.onRequest = async () => undefined
  server.hooks.onAnswer = () => false
})

const openStore = (changes: Partial<GcsBlobs.Options> = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(GcsBlobs.layer({ ...server.options, chunkSize: 256 * KiB, ...changes }))),
    (context) => Context.get(context, BlobStore)
  )

describe("the checksum", () => {
  it("is the one of Google's library, however the bytes are cut", () => {
    const nine = Buffer.from("123456789")
    assert.strictEqual(Crc32c.toText(Crc32c.update(0, nine)), "4waSgw==")
    for (const length of [0, 1, 7, 8, 9, 10_003]) {
      const whole = bytesOf(length, length)
      const theirs = new CRC32C()
      theirs.update(Buffer.from(whole))
      const middle = Math.floor(length / 3)
      const ours = Crc32c.update(Crc32c.update(0, whole.subarray(0, middle)), whole.subarray(middle))
      assert.strictEqual(Crc32c.toText(ours), theirs.toString())
    }
  })
})

describe("a write", () => {
  it.live("ends its session, however it fails", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      const chunks = chunked(bytesOf(1, 900 * KiB), 100_000)
      yield* Effect.flip(store.put("failed", failing(chunks, new Error("the client went away"))))
      assert.strictEqual(server.sessions.size, 0)

      const source = yield* paused(chunks)
      const putting = yield* Effect.forkChild(store.put("interrupted", source.bytes))
      yield* source.waiting
      assert.strictEqual(server.sessions.size, 1)
      yield* Fiber.interrupt(putting)
      assert.strictEqual(server.sessions.size, 0)
      assert.isFalse(server.objects.has("blobs/interrupted"))
    })
  )

  it.live.each([100, 900 * KiB])("of %s bytes whose answer was lost is done, and no conflict with itself", (length) =>
    Effect.gen(function* () {
      const store = yield* openStore()
      let lost = 0
      server.hooks.onAnswer = ({ method }) => method !== "GET" && server.objects.has(key) && lost++ === 0
      const key = `blobs/lost-${length}`
      const whole = bytesOf(2, length)
      yield* store.put(`lost-${length}`, Bytes.fromArray(...chunked(whole, 10_000)))
      assert.isAbove(lost, 0)
      assert.strictEqual(digestOf(yield* store.get(`lost-${length}`)), digestOf(whole))
    })
  )

  it.live("that is said to have failed is never found, though the service had carried it out", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      // Its answers are lost from the moment on that it has the object, and it may not be looked at until the write failed.
      let looks = 0
      server.hooks.onAnswer = ({ method, url }) =>
        method === "PUT" && url.searchParams.has("upload_id") && server.objects.has("blobs/uncertain")
      server.hooks.onRequest = async ({ method }) =>
        method === "GET" && server.objects.has("blobs/uncertain") && looks++ === 0 ? 403 : undefined
      const { reason } = yield* Effect.flip(store.put("uncertain", Bytes.fromArray(bytesOf(8, 900 * KiB))))
      assert.strictEqual(reason._tag, "Unavailable")
      assert.isAbove(looks, 1)
      assert.isFalse(server.objects.has("blobs/uncertain"))
    })
  )

  it.live("goes on after a chunk that the service could not take", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      let refused = 0
      server.hooks.onRequest = async ({ headers }) =>
        headers["content-range"]?.startsWith("bytes 262144-") === true && refused++ === 0 ? 503 : undefined
      const whole = bytesOf(3, 900 * KiB)
      yield* store.put("refused", Bytes.fromArray(...chunked(whole, 10_000)))
      assert.isAbove(refused, 0)
      assert.strictEqual(digestOf(yield* store.get("refused")), digestOf(whole))
    })
  )

  it.live("reads no further ahead of the service than a few chunks", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      let release = (): void => {}
      const released = new Promise<void>((resolve) => (release = resolve))
      let arrive = (): void => {}
      const arrived = new Promise<void>((resolve) => (arrive = resolve))
      server.hooks.onRequest = async ({ method }) => {
        if (method === "PUT") {
          arrive()
          await released
        }
        return undefined
      }
      let pulled = 0
      const source: Bytes.Bytes = {
        async *[Symbol.asyncIterator]() {
          for (; pulled < 400; pulled++) yield bytesOf(pulled, 64 * KiB)
        }
      }
      const putting = yield* Effect.forkChild(store.put("slow", source))
      yield* Effect.promise(() => arrived)
      assert.isAtMost(pulled * 64, 4 * 256)
      release()
      yield* Fiber.join(putting)
      assert.strictEqual(yield* store.size("slow"), 400 * 64 * KiB)
    })
  )

  it.live("does not read its source when the key is taken", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      yield* store.put("taken", Bytes.fromArray())
      const { reason } = yield* Effect.flip(store.put("taken", failing([], new Error("it was read"))))
      assert.strictEqual(reason._tag, "Conflict")
    })
  )
})

describe("a service", () => {
  it.live("that breaks a download off has not sent all of it, and the reader knows", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      yield* store.put("broken", Bytes.fromArray(...chunked(bytesOf(6, 8 * KiB * KiB), 64 * KiB)))
      for (const range of [undefined, { offset: 1 }]) {
        const reading = store.stream("broken", range).pipe(Stream.runForEach(() => Effect.sync(server.cut)))
        assert.strictEqual((yield* Effect.flip(reading)).reason._tag, "Unavailable")
      }
    })
  )

  it.live("that sends something else than it has taken is not believed", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      yield* store.put("damaged", Bytes.fromArray(bytesOf(7, 1_000)))
      server.objects.get("blobs/damaged")?.body.fill(0)
      assert.strictEqual((yield* Effect.flip(store.get("damaged"))).reason._tag, "Unavailable")
    })
  )

  it.live("that refuses the credentials makes the store unavailable", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      server.hooks.onRequest = async () => 403
      assert.strictEqual((yield* Effect.flip(store.put("a", Bytes.fromArray()))).reason._tag, "Unavailable")
      assert.strictEqual((yield* Effect.flip(store.get("a"))).reason._tag, "Unavailable")
      assert.strictEqual((yield* Effect.flip(store.size("a"))).reason._tag, "Unavailable")
    })
  )
})
