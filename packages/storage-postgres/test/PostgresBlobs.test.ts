import { assert, it } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import type { StorageError } from "@omnifile/core/StorageError"
import * as BlobStoreSuite from "@omnifile/testkit/BlobStoreSuite"
import { bytesOf, chunked, digestOf, paused } from "@omnifile/testkit/suites/content"
import * as ScriptProcess from "@omnifile/testkit/suites/ScriptProcess"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Blobs from "../src/Blobs.ts"
import * as PostgresBlobs from "../src/PostgresBlobs.ts"
import * as PostgresRegistry from "../src/PostgresRegistry.ts"
import { describePostgres, newOptions, openClient } from "./support/database.ts"

const MiB = 1024 * 1024
const shared = newOptions()

describePostgres("content in Postgres", () => {
  BlobStoreSuite.suite("postgres", PostgresBlobs.layer(newOptions()))
  BlobStoreSuite.reopenSuite("postgres", () => PostgresBlobs.layer(shared))
  BlobStoreSuite.sharedSuite("postgres", () => PostgresBlobs.layer(shared))
})

/** A store with tables of its own, and a look at them. */
const setUp = Effect.gen(function* () {
  const options = newOptions()
  const store = Context.get(yield* Layer.build(PostgresBlobs.layer(options)), BlobStore)
  const url = Redacted.value(options.url)
  const client = yield* openClient(url)
  const stored = Effect.promise(async () => {
    const [row] = await client<ReadonlyArray<{ readonly bytes: number; readonly uploads: number }>>`
      SELECT (SELECT coalesce(sum(octet_length(bytes)), 0) FROM blob_chunks)::float8 AS bytes,
        (SELECT count(*) FROM blob_uploads)::float8 AS uploads`
    return { bytes: row?.bytes, uploads: row?.uploads }
  })
  return { client, options, store, stored, url }
})

const reasonOf = <A>(effect: Effect.Effect<A, StorageError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

describePostgres("a blob in Postgres", () => {
  it.live("is in the database as far as it was read from its source, but for the chunk that is being filled", () =>
    Effect.gen(function* () {
      const { store, stored } = yield* setUp
      const source = yield* paused(chunked(bytesOf(1, 8 * MiB + 1_000), 100_000))
      const putting = yield* Effect.forkChild(store.put("a", source.bytes))
      yield* source.waiting
      assert.deepStrictEqual(yield* stored, { bytes: 8 * MiB, uploads: 1 })
      yield* source.finish
      yield* Fiber.join(putting)
      assert.deepStrictEqual(yield* stored, { bytes: 8 * MiB + 1_000, uploads: 0 })
    })
  )

  it.live("that was interrupted, or that lost its key to another, leaves nothing in the database", () =>
    Effect.gen(function* () {
      const { store, stored } = yield* setUp
      const interrupted = yield* paused(chunked(bytesOf(1, 3 * MiB), 100_000))
      const first = yield* Effect.forkChild(store.put("a", interrupted.bytes))
      yield* interrupted.waiting
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(yield* stored, { bytes: 0, uploads: 0 })

      const slow = yield* paused([bytesOf(2, MiB)])
      const second = yield* Effect.forkChild(store.put("a", slow.bytes))
      yield* slow.waiting
      yield* store.put("a", Bytes.fromArray(bytesOf(3, 10)))
      yield* slow.finish
      assert.strictEqual(yield* reasonOf(Fiber.join(second)), "Conflict")
      assert.deepStrictEqual(yield* stored, { bytes: 10, uploads: 0 })
    })
  )

  it.live("whose writer is killed is not there, and what it left goes with its key, or is swept", () =>
    Effect.gen(function* () {
      const { client, store, stored, url } = yield* setUp
      const killWriter = (key: string) =>
        Effect.promise(async () => {
          const writer = ScriptProcess.start(new URL("./scripts/putHalf.ts", import.meta.url), url, key)
          assert.strictEqual(await writer.readLine(), "half")
          await writer.kill()
        })
      yield* Effect.all([killWriter("a"), killWriter("b")], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* stored, { bytes: 2 * MiB, uploads: 2 })
      assert.strictEqual(yield* reasonOf(store.size("a")), "Missing")

      yield* store.put("a", Bytes.fromArray(bytesOf(1, 100)))
      assert.strictEqual(digestOf(yield* store.get("a")), digestOf(bytesOf(1, 100)))
      yield* store.remove("a")
      assert.strictEqual(yield* reasonOf(store.size("a")), "Missing")
      // The content of `a` stays for those who are reading it; what the killed writer left of `b`, until it is old.
      assert.deepStrictEqual(yield* stored, { bytes: MiB + 100, uploads: 2 })
      assert.strictEqual(yield* Effect.promise(() => Blobs.sweep(client, 60_000)), 0)
      assert.strictEqual(yield* Effect.promise(() => Blobs.sweep(client, 0)), 2)
      assert.deepStrictEqual(yield* stored, { bytes: 0, uploads: 0 })
    })
  )

  it.live("is not swept while it is written", () =>
    Effect.gen(function* () {
      const { client } = yield* setUp
      const [old, live] = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"]
      yield* Effect.promise(async () => {
        await Blobs.begin(client, old, "a")
        await Blobs.begin(client, live, "b")
        await client`UPDATE blob_uploads SET touched_at = now() - interval '2 hours'`
        await Blobs.touch(client, [live])
        assert.strictEqual(await Blobs.sweep(client, 60 * 60 * 1000), 1)
        assert.isFalse(await Blobs.add(client, old, 0, bytesOf(1, 10)))
        assert.isTrue(await Blobs.add(client, live, 0, bytesOf(1, 10)))
      })
    })
  )

  it.live("is stored once, however often each step is tried, and not with a chunk missing", () =>
    Effect.gen(function* () {
      const { client, store, stored } = yield* setUp
      const upload = "00000000-0000-4000-8000-000000000003"
      const blob = { upload, size: 20, chunkSize: 10 }
      yield* Effect.promise(async () => {
        await Blobs.begin(client, upload, "a")
        await Blobs.begin(client, upload, "a")
        await Blobs.add(client, upload, 1, bytesOf(2, 10))
        await Blobs.add(client, upload, 1, bytesOf(2, 10))
        assert.strictEqual(await Blobs.publish(client, "a", blob), "incomplete")
        await Blobs.add(client, upload, 0, bytesOf(1, 10))
        assert.strictEqual(await Blobs.publish(client, "a", blob), "published")
        assert.strictEqual(await Blobs.publish(client, "a", blob), "published")
      })
      const whole = Bytes.concat([bytesOf(1, 10), bytesOf(2, 10)])
      assert.strictEqual(digestOf(yield* store.get("a")), digestOf(whole))
      assert.deepStrictEqual(yield* stored, { bytes: 20, uploads: 0 })
    })
  )

  it.live("lies beside the records of the same database", () =>
    Effect.gen(function* () {
      const { options, store } = yield* setUp
      const registry = yield* PostgresRegistry.make(options)
      yield* store.put("a", Bytes.fromArray(bytesOf(1, 10)))
      yield* registry.commit([{ collection: "c", key: "a", expected: 0, record: { value: "1", entries: [] } }])
      assert.strictEqual((yield* registry.read("c", ["a"]))[0]?.value, "1")
      assert.strictEqual(yield* store.size("a"), 10)
    })
  )
})
