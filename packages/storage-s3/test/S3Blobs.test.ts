/** The promises of a BlobStore; what the backend asks of a server, and what it makes of its answers. */
import { assert, describe, it } from "@effect/vitest"
import { CreateMultipartUploadCommand } from "@aws-sdk/client-s3"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as BlobStoreSuite from "@omnifile/testkit/BlobStoreSuite"
import { bytesOf, failing } from "@omnifile/testkit/suites/content"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Bucket from "../src/Bucket.ts"
import * as S3Blobs from "../src/S3Blobs.ts"
import * as UnfinishedUploads from "../src/UnfinishedUploads.ts"
import * as S3Server from "./S3Server.ts"

const MiB = 1024 * 1024
const server = await S3Server.start({ complete: true })

BlobStoreSuite.suite("s3", S3Blobs.layer(server.options))
BlobStoreSuite.reopenSuite("s3", () => S3Blobs.layer(server.options))
BlobStoreSuite.sharedSuite("s3", () => S3Blobs.layer(server.options))
BlobStoreSuite.cloudSuite("s3", {
  hooks: server.hooks,
  purposeOf: ({ headers, method, url }) => {
    if (headers["if-none-match"] === "*") return "publish"
    if (method === "HEAD") return "look"
    return url.includes("partNumber=") ? "part" : "other"
  },
  store: S3Blobs.layer({ ...server.options, concurrentParts: 2 }),
  refused: S3Blobs.layer({
    ...server.options,
    credentials: { accessKeyId: "S3RVER", secretAccessKey: Redacted.make("another") }
  }),
  partSize: 5 * MiB,
  concurrentParts: 2,
  unfinished: async (key) => server.unfinished().filter((each) => each === `blobs/${key}`).length,
  isThere: server.isThere,
  removalEndsWrites: true,
  cut: server.cut
})

const openStore = (options: Partial<S3Blobs.Options> = {}) =>
  Effect.map(Layer.build(Layer.fresh(S3Blobs.layer({ ...server.options, ...options }))), (context) =>
    Context.get(context, BlobStore)
  )

const sent = (method: string, part: string) =>
  server.requests.filter((request) => request.method === method && request.url.includes(part))

describe("a write", () => {
  it.live("says how content is to be encrypted, and its checksum", () =>
    Effect.gen(function* () {
      const store = yield* openStore({ encryption: { _tag: "Kms", keyId: "key-1" }, checksum: "SHA256" })
      yield* store.put("a", Bytes.fromArray(bytesOf(1, 100)))
      const [put] = sent("PUT", "/blobs/a")
      assert.strictEqual(put?.headers["x-amz-server-side-encryption"], "aws:kms")
      assert.strictEqual(put?.headers["x-amz-server-side-encryption-aws-kms-key-id"], "key-1")
      assert.strictEqual(put?.headers["if-none-match"], "*")
      assert.isDefined(put?.headers["x-amz-checksum-sha256"])
      yield* store.put("b", Bytes.fromArray(bytesOf(2, 6 * MiB)))
      const [create] = sent("POST", "/blobs/b?uploads")
      assert.strictEqual(create?.headers["x-amz-server-side-encryption"], "aws:kms")
      assert.strictEqual(sent("PUT", "/blobs/b?").length, 2)
    })
  )

  it.live("that fails where objects may not be looked at fails for its own reason", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      let written = false
      server.hooks.onRequest = async ({ headers, method }) => {
        if (headers["if-none-match"] === "*") {
          written = true
          return 500
        }
        return written && method === "HEAD" ? 403 : undefined
      }
      const { reason } = yield* Effect.flip(store.put("unseen", Bytes.fromArray(bytesOf(8, 10))))
      assert.ok(reason._tag === "Unavailable")
      assert.include(String(reason.cause), "InternalError")

      server.hooks.onRequest = async ({ method }) => (method === "HEAD" ? 403 : undefined)
      const refused = yield* Effect.flip(store.put("unseen", failing([], new Error("it was read"))))
      assert.strictEqual(refused.reason._tag, "Unavailable")
    })
  )
})

describe("unfinished uploads", () => {
  it.live("are aborted when they are old, and under the prefix only", () =>
    Effect.gen(function* () {
      const bucket = Bucket.open(server.options)
      yield* Effect.addFinalizer(() => Effect.sync(() => bucket.client.destroy()))
      for (const Key of ["blobs/old", "others/old"]) {
        yield* Effect.promise(() => bucket.client.send(new CreateMultipartUploadCommand({ Bucket: bucket.name, Key })))
      }
      assert.strictEqual(yield* Effect.promise(() => UnfinishedUploads.abort(bucket, "blobs/", () => false)), 0)
      assert.strictEqual(server.unfinished().length, 2)
      assert.strictEqual(yield* Effect.promise(() => UnfinishedUploads.abort(bucket, "blobs/", () => true)), 1)
      assert.strictEqual(server.unfinished().length, 1)
    })
  )
})
