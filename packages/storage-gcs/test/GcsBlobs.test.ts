/** The promises of a BlobStore; what the backend asks of the service, and what it makes of its answers. */
import { assert, describe, it } from "@effect/vitest"
import { CRC32C } from "@google-cloud/storage"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as BlobStoreSuite from "@omnifile/testkit/BlobStoreSuite"
import * as GcsServer from "@omnifile/testkit/servers/GcsServer"
import { bytesOf, chunked, digestOf } from "@omnifile/testkit/suites/content"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterAll } from "vitest"
import * as Crc32c from "../src/Crc32c.ts"
import * as GcsBlobs from "../src/GcsBlobs.ts"

const KiB = 1024
const server = await GcsServer.start({ crc32c: (bytes) => Crc32c.toText(Crc32c.update(0, bytes)) })
afterAll(() => server.stop())
const chunkSize = 256 * KiB
const options: GcsBlobs.Options = { ...server.options, chunkSize }
const kept = { ...server.options, chunkSize: KiB * KiB }

BlobStoreSuite.suite("gcs", GcsBlobs.layer(kept))
BlobStoreSuite.reopenSuite("gcs", () => GcsBlobs.layer(kept))
BlobStoreSuite.sharedSuite("gcs", () => GcsBlobs.layer(kept))
BlobStoreSuite.cloudSuite("gcs", {
  hooks: server.hooks,
  purposeOf: ({ headers, method, url }) => {
    if (method === "GET") return url.includes("alt=media") ? "other" : "look"
    if (method === "POST") return url.includes("uploadType=multipart") ? "publish" : "other"
    if (method !== "PUT") return "other"
    return String(headers["content-range"]).endsWith("/*") ? "part" : "publish"
  },
  store: GcsBlobs.layer(options),
  refused: Layer.tap(GcsBlobs.layer(options), () =>
    Effect.sync(() => {
      server.hooks.onRequest = async () => 403
    })
  ),
  partSize: chunkSize,
  concurrentParts: 1,
  unfinished: async (key) => [...server.sessions.values()].filter(({ name }) => name === `blobs/${key}`).length,
  isThere: async (key) => server.objects.has(`blobs/${key}`),
  removalEndsWrites: false,
  cut: server.cut
})

const store = Effect.map(Layer.build(GcsBlobs.layer(options)), (context) => Context.get(context, BlobStore))

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
  it.live("goes on after a chunk that the service could not take", () =>
    Effect.gen(function* () {
      const blobs = yield* store
      let refused = 0
      server.hooks.onRequest = async ({ headers }) =>
        String(headers["content-range"]).startsWith("bytes 262144-") && refused++ === 0 ? 503 : undefined
      const whole = bytesOf(3, 900 * KiB)
      yield* blobs.put("refused", Bytes.fromArray(...chunked(whole, 10_000)))
      assert.isAbove(refused, 0)
      assert.strictEqual(digestOf(yield* blobs.get("refused")), digestOf(whole))
    })
  )
})

describe("a service", () => {
  it.live("that sends something else than it has taken is not believed", () =>
    Effect.gen(function* () {
      const blobs = yield* store
      yield* blobs.put("damaged", Bytes.fromArray(bytesOf(7, 1_000)))
      server.objects.get("blobs/damaged")?.body.fill(0)
      assert.strictEqual((yield* Effect.flip(blobs.get("damaged"))).reason._tag, "Unavailable")
    })
  )
})
