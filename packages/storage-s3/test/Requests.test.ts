/** What the backend asks of a server, and what it makes of its answers. */
import { assert, describe, it } from "@effect/vitest"
import { CreateMultipartUploadCommand } from "@aws-sdk/client-s3"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import { bytesOf, chunked, digestOf, failing, paused } from "@omnifile/testkit/suites/content"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { beforeEach } from "vitest"
import * as Bucket from "../src/Bucket.ts"
import * as S3Blobs from "../src/S3Blobs.ts"
import * as UnfinishedUploads from "../src/UnfinishedUploads.ts"
import * as S3Server from "./S3Server.ts"

const MiB = 1024 * 1024
const server = await S3Server.start({ complete: true })

beforeEach(() => {
  server.requests.length = 0
  server.hooks.onAnswer = () => {}
  server.hooks.refuse = () => undefined
})

const openStore = (options: Partial<S3Blobs.Options> = {}) =>
  Effect.map(Layer.build(Layer.fresh(S3Blobs.layer({ ...server.options, ...options }))), (context) =>
    Context.get(context, BlobStore)
  )

const sent = (method: string, part: string) =>
  server.requests.filter((request) => request.method === method && request.path.includes(part))

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

  it.live("aborts its upload, however it fails", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      const chunks = chunked(bytesOf(3, 12 * MiB), MiB)
      yield* Effect.flip(store.put("failed", failing(chunks, new Error("the client went away"))))
      assert.deepStrictEqual(server.unfinished(), [])

      const source = yield* paused(chunks)
      const putting = yield* Effect.forkChild(store.put("interrupted", source.bytes))
      yield* source.waiting
      assert.strictEqual(server.unfinished().length, 1)
      yield* Fiber.interrupt(putting)
      assert.deepStrictEqual(server.unfinished(), [])
    })
  )

  it.live("whose upload is removed meanwhile fails, and leaves nothing", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      const source = yield* paused(chunked(bytesOf(4, 12 * MiB), MiB))
      const putting = yield* Effect.forkChild(store.put("removed", source.bytes))
      yield* source.waiting
      yield* store.remove("removed")
      yield* source.finish
      assert.strictEqual((yield* Effect.flip(Fiber.join(putting))).reason._tag, "Conflict")
      assert.strictEqual((yield* Effect.flip(store.size("removed"))).reason._tag, "Missing")
    })
  )

  it.live.each([100, 12 * MiB])("of %s bytes whose answer was lost is done, and no conflict with itself", (length) =>
    Effect.gen(function* () {
      const store = yield* openStore()
      let lost = 0
      server.hooks.onAnswer = ({ headers }, cut) => {
        if (headers["if-none-match"] !== "*" || lost > 0) return
        lost += 1
        cut()
      }
      const whole = bytesOf(5, length)
      const key = `lost-${length}`
      yield* store.put(key, Bytes.fromArray(whole))
      assert.strictEqual(lost, 1)
      assert.strictEqual(digestOf(yield* store.get(key)), digestOf(whole))
    })
  )

  it.live.each([100, 6 * MiB])(
    "of %s bytes that is said to have failed is never found, though the server had carried it out",
    (length) =>
      Effect.gen(function* () {
        const store = yield* openStore()
        const key = `uncertain-${length}`
        // Nothing is heard of the server from the moment on that it has the object, until the write has failed.
        let isSilent = false
        let looks = 0
        server.hooks.onAnswer = ({ headers, method }, cut) => {
          if (headers["if-none-match"] === "*") isSilent = true
          else if (method !== "HEAD" || ++looks > 5) isSilent = false
          if (isSilent) cut()
        }
        const { reason } = yield* Effect.flip(store.put(key, Bytes.fromArray(bytesOf(6, length))))
        assert.strictEqual(reason._tag, "Unavailable")
        assert.isAbove(looks, 5)
        server.hooks.onAnswer = () => {}
        assert.strictEqual((yield* Effect.flip(store.size(key))).reason._tag, "Missing")
        yield* store.put(key, Bytes.fromArray(bytesOf(7, 10)))
      })
  )

  it.live("that fails where objects may not be looked at fails for its own reason", () =>
    Effect.gen(function* () {
      const store = yield* openStore()
      let written = false
      server.hooks.refuse = ({ headers, method }) => {
        if (headers["if-none-match"] === "*") {
          written = true
          return 500
        }
        return written && method === "HEAD" ? 403 : undefined
      }
      const { reason } = yield* Effect.flip(store.put("unseen", Bytes.fromArray(bytesOf(8, 10))))
      assert.ok(reason._tag === "Unavailable")
      assert.include(String(reason.cause), "InternalError")

      server.hooks.refuse = ({ method }) => (method === "HEAD" ? 403 : undefined)
      const refused = yield* Effect.flip(store.put("unseen", failing([], new Error("it was read"))))
      assert.strictEqual(refused.reason._tag, "Unavailable")
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

describe("a server", () => {
  it.live("that refuses the signature makes the store unavailable", () =>
    Effect.gen(function* () {
      const store = yield* openStore({
        credentials: { accessKeyId: "S3RVER", secretAccessKey: Redacted.make("another") }
      })
      assert.strictEqual((yield* Effect.flip(store.put("a", Bytes.fromArray()))).reason._tag, "Unavailable")
      assert.strictEqual((yield* Effect.flip(store.get("a"))).reason._tag, "Unavailable")
    })
  )
})
