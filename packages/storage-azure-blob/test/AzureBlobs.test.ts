/** The promises of a BlobStore; what the backend asks of the service, and what it makes of its answers. */
import { assert, describe, it } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import type { StorageError } from "@omnifile/core/StorageError"
import * as BlobStoreSuite from "@omnifile/testkit/BlobStoreSuite"
import { bytesOf, chunked, digestOf, failing, paused } from "@omnifile/testkit/suites/content"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import { beforeEach } from "vitest"
import * as AzureBlobs from "../src/AzureBlobs.ts"
import * as Container from "../src/Container.ts"
import * as Upload from "../src/Upload.ts"
import * as AzuriteProxy from "./AzuriteProxy.ts"
import * as AzuriteServer from "./AzuriteServer.ts"

const KiB = 1024
const server = await AzuriteServer.start()
const proxy = await AzuriteProxy.start(server.endpoint ?? "")
const options: AzureBlobs.Options = { ...server, endpoint: proxy.endpoint, blockSize: 64 * KiB, retryDelay: 5 }
const { blobOf } = Container.open(server)

const kept = { ...server, blockSize: KiB * KiB }

BlobStoreSuite.suite("azure-blob", AzureBlobs.layer(kept))
BlobStoreSuite.reopenSuite("azure-blob", () => AzureBlobs.layer(kept))
BlobStoreSuite.sharedSuite("azure-blob", () => AzureBlobs.layer(kept))

beforeEach(() => {
  proxy.hooks.onRequest = async () => {}
  proxy.hooks.onAnswer = () => false
})

const openStore = (changes: Partial<AzureBlobs.Options> = {}) =>
  Effect.map(Layer.build(Layer.fresh(AzureBlobs.layer({ ...options, ...changes }))), (context) =>
    Context.get(context, BlobStore)
  )

/** How many blocks under the key are not committed. */
const uncommitted = (key: string) =>
  Effect.promise(() =>
    blobOf(key)
      .getBlockList("uncommitted")
      .then(
        ({ uncommittedBlocks }) => uncommittedBlocks?.length ?? 0,
        () => 0
      )
  )

/** A writer that died: its blocks are there, and nobody will commit them. */
const stageOne = (key: string) =>
  Effect.promise(() =>
    blobOf(key).stageBlock(Buffer.from(`${randomUUID()}.00000`).toString("base64"), bytesOf(9, 100), 100)
  )

describe("a write", () => {
  it.live("takes back its blocks, however it fails, and nothing is ever to be seen", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      const chunks = chunked(bytesOf(1, 300 * KiB), 10_000)
      const source = yield* paused(chunks)
      const putting = yield* Effect.forkChild(store.put("interrupted", source.bytes))
      yield* source.waiting
      assert.isAbove(yield* uncommitted("interrupted"), 0)
      // What drops the blocks is a blob for a moment; everything that is asked meanwhile is answered as without it.
      const seen: Array<string> = []
      let looking = Promise.resolve()
      proxy.hooks.onAnswer = ({ method, url }) => {
        if (method === "PUT" && url.includes("comp=blocklist")) {
          looking = Effect.runPromise(
            Effect.forEach([store.size("interrupted"), Effect.asVoid(store.get("interrupted"))], (question) =>
              Effect.map(Effect.flip<unknown, StorageError, never>(question), ({ reason }) => seen.push(reason._tag))
            ).pipe(Effect.asVoid)
          )
        }
        return false
      }
      proxy.hooks.onRequest = ({ method }) => (method === "DELETE" ? looking : Promise.resolve())
      yield* Fiber.interrupt(putting)
      assert.deepStrictEqual(seen, ["Missing", "Missing"])
      assert.strictEqual(yield* uncommitted("interrupted"), 0)

      yield* Effect.flip(store.put("failed", failing(chunks, new Error("the client went away"))))
      assert.strictEqual(yield* uncommitted("failed"), 0)
      for (const key of ["interrupted", "failed"]) {
        assert.isFalse(yield* Effect.promise(() => blobOf(key).exists()))
      }
    })
  )

  it.live("whose blocks are removed meanwhile fails, and leaves nothing", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      const source = yield* paused(chunked(bytesOf(2, 300 * KiB), 10_000))
      const putting = yield* Effect.forkChild(store.put("removed", source.bytes))
      yield* source.waiting
      yield* store.remove("removed")
      yield* source.finish
      assert.strictEqual((yield* Effect.flip(Fiber.join(putting))).reason._tag, "Conflict")
      assert.strictEqual((yield* Effect.flip(store.size("removed"))).reason._tag, "Missing")
    })
  )

  it.live.each([100, 300 * KiB])("of %s bytes whose answer was lost is done, and no conflict with itself", (length) =>
    Effect.gen(function* () {
      const store = yield* openStore()
      let lost = 0
      proxy.hooks.onAnswer = ({ method, url }) => {
        const publishes = method === "PUT" && (url.includes("comp=blocklist") || !url.includes("comp="))
        return publishes && lost++ === 0
      }
      const whole = bytesOf(3, length)
      yield* store.put(`lost-${length}`, Bytes.fromArray(...chunked(whole, 10_000)))
      assert.isAbove(lost, 0)
      assert.strictEqual(digestOf(yield* store.get(`lost-${length}`)), digestOf(whole))
    })
  )

  it.live.each([100, 200 * KiB])(
    "of %s bytes that is said to have failed is never found, though the service had carried it out",
    (length) =>
      Effect.gen(function* () {
        const store = yield* openStore()
        const key = `uncertain-${length}`
        // Nothing is heard of the service from the moment on that it has the blob, until the write has failed.
        let isSilent = false
        let looks = 0
        proxy.hooks.onAnswer = ({ method, url }) => {
          const publishes = method === "PUT" && (url.includes("comp=blocklist") || !url.includes("comp="))
          if (publishes && looks === 0) isSilent = true
          else if (isSilent && method === "HEAD" && ++looks > 5) isSilent = false
          return isSilent
        }
        const { reason } = yield* Effect.flip(store.put(key, Bytes.fromArray(bytesOf(6, length))))
        assert.strictEqual(reason._tag, "Unavailable")
        assert.isAbove(looks, 5)
        proxy.hooks.onAnswer = () => false
        assert.strictEqual((yield* Effect.flip(store.size(key))).reason._tag, "Missing")
        assert.isFalse(yield* Effect.promise(() => blobOf(key).exists()))
      })
  )

  it.live("reads no further ahead of the service than the blocks that may be on their way", () =>
    Effect.gen(function* () {
      const store = yield* openStore({ concurrentBlocks: 2 })
      let release = (): void => {}
      const released = new Promise<void>((resolve) => (release = resolve))
      let waiting = 0
      let bothWait = (): void => {}
      const bothWaiting = new Promise<void>((resolve) => (bothWait = resolve))
      proxy.hooks.onRequest = async ({ url }) => {
        if (!url.includes("comp=block&")) return
        if (++waiting === 2) bothWait()
        await released
      }
      let pulled = 0
      const source: Bytes.Bytes = {
        async *[Symbol.asyncIterator]() {
          for (; pulled < 40; pulled++) yield bytesOf(pulled, 64 * KiB)
        }
      }
      const putting = yield* Effect.forkChild(store.put("slow", source))
      yield* Effect.promise(() => bothWaiting)
      assert.isAtMost(pulled, 4)
      assert.strictEqual(waiting, 2)
      release()
      yield* Fiber.join(putting)
      assert.strictEqual(yield* store.size("slow"), 40 * 64 * KiB)
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

describe("what a writer that died has left", () => {
  it.live("is nothing, leaves the key free, and goes when the key is removed", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      for (const length of [100, 200 * KiB]) {
        const key = `died-${length}`
        yield* stageOne(key)
        assert.strictEqual((yield* Effect.flip(store.size(key))).reason._tag, "Missing")
        assert.strictEqual((yield* Effect.flip(store.get(key))).reason._tag, "Missing")
        yield* store.put(key, Bytes.fromArray(bytesOf(4, length)))
        assert.strictEqual(digestOf(yield* store.get(key)), digestOf(bytesOf(4, length)))
        assert.strictEqual(yield* uncommitted(key), 0)
      }
      yield* stageOne("left")
      yield* store.remove("left")
      assert.strictEqual(yield* uncommitted("left"), 0)
      assert.isFalse(yield* Effect.promise(() => blobOf("left").exists()))
    })
  )

  it.live("as it dropped blocks is nothing either, and in nobody's way", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      yield* Effect.promise(() => blobOf("marked").commitBlockList([], { metadata: { omnifilewrite: "nothing" } }))
      assert.strictEqual((yield* Effect.flip(store.get("marked"))).reason._tag, "Missing")
      yield* store.put("marked", Bytes.fromArray(bytesOf(5, 100)))
      assert.strictEqual(yield* store.size("marked"), 100)
      yield* Effect.promise(() => Upload.dropBlocks(blobOf("marked")))
      assert.strictEqual(yield* store.size("marked"), 100)
    })
  )
})

describe("a service", () => {
  it.live("that breaks a download off has not sent all of it, and the reader knows", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      yield* store.put("broken", Bytes.fromArray(...chunked(bytesOf(6, 8 * KiB * KiB), 64 * KiB)))
      const reading = store.stream("broken").pipe(Stream.runForEach(() => Effect.sync(proxy.cut)))
      assert.strictEqual((yield* Effect.flip(reading)).reason._tag, "Unavailable")
    })
  )

  it.live("that refuses the signature, or has no such container, makes the store unavailable", () =>
    Effect.gen(function* () {
      const key = Redacted.make(Buffer.from("another").toString("base64"))
      for (const changes of [{ credential: { _tag: "AccountKey", key } }, { container: "none" }] as const) {
        const store = yield* openStore(changes)
        assert.strictEqual((yield* Effect.flip(store.put("a", Bytes.fromArray()))).reason._tag, "Unavailable")
        assert.strictEqual((yield* Effect.flip(store.get("a"))).reason._tag, "Unavailable")
      }
    })
  )
})
