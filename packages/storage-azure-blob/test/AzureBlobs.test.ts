/** The promises of a BlobStore; what the backend asks of the service, and what it makes of its answers. */
import { assert, describe, it } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import type { StorageError } from "@omnifile/core/StorageError"
import * as BlobStoreSuite from "@omnifile/testkit/BlobStoreSuite"
import { bytesOf, chunked, digestOf, paused } from "@omnifile/testkit/suites/content"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomUUID } from "node:crypto"
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

/** How many blocks under the key are not committed. */
const uncommitted = (key: string) =>
  blobOf(key)
    .getBlockList("uncommitted")
    .then(
      ({ uncommittedBlocks }) => uncommittedBlocks?.length ?? 0,
      () => 0
    )

const cloudPartSize = 256 * KiB

BlobStoreSuite.suite("azure-blob", AzureBlobs.layer(kept))
BlobStoreSuite.reopenSuite("azure-blob", () => AzureBlobs.layer(kept))
BlobStoreSuite.sharedSuite("azure-blob", () => AzureBlobs.layer(kept))
BlobStoreSuite.cloudSuite("azure-blob", {
  hooks: proxy.hooks,
  purposeOf: ({ method, url }) => {
    if (method === "HEAD") return "look"
    if (method !== "PUT") return "other"
    return url.includes("comp=block&") ? "part" : "publish"
  },
  store: AzureBlobs.layer({ ...options, blockSize: cloudPartSize, concurrentBlocks: 2 }),
  refused: AzureBlobs.layer({
    ...options,
    credential: { _tag: "AccountKey", key: Redacted.make(Buffer.from("another").toString("base64")) }
  }),
  partSize: cloudPartSize,
  concurrentParts: 2,
  unfinished: uncommitted,
  isThere: (key) => blobOf(key).exists(),
  removalEndsWrites: true,
  cut: proxy.cut
})

const openStore = (changes: Partial<AzureBlobs.Options> = {}) =>
  Effect.map(Layer.build(Layer.fresh(AzureBlobs.layer({ ...options, ...changes }))), (context) =>
    Context.get(context, BlobStore)
  )

/** A writer that died: its blocks are there, and nobody will commit them. */
const stageOne = (key: string) =>
  Effect.promise(() =>
    blobOf(key).stageBlock(Buffer.from(`${randomUUID()}.00000`).toString("base64"), bytesOf(9, 100), 100)
  )

describe("a write", () => {
  it.live("is nothing at any moment of taking its blocks back", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      const source = yield* paused(chunked(bytesOf(1, 300 * KiB), 10_000))
      const putting = yield* Effect.forkChild(store.put("interrupted", source.bytes))
      yield* source.waiting
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
      proxy.hooks.onRequest = async ({ method }) => {
        if (method === "DELETE") await looking
        return undefined
      }
      yield* Fiber.interrupt(putting)
      assert.deepStrictEqual(seen, ["Missing", "Missing"])
      assert.isFalse(yield* Effect.promise(() => blobOf("interrupted").exists()))
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
        assert.strictEqual(yield* Effect.promise(() => uncommitted(key)), 0)
      }
      yield* stageOne("left")
      yield* store.remove("left")
      assert.strictEqual(yield* Effect.promise(() => uncommitted("left")), 0)
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
  it.live("that has no such container makes the store unavailable", () =>
    Effect.gen(function* () {
      const store = yield* openStore({ container: "none" })
      assert.strictEqual((yield* Effect.flip(store.put("a", Bytes.fromArray()))).reason._tag, "Unavailable")
      assert.strictEqual((yield* Effect.flip(store.get("a"))).reason._tag, "Unavailable")
    })
  )
})
