/** Content comes back as it went in, whole or in part. */
import { assert } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { Readable } from "node:stream"
import { ReadableStream } from "node:stream/web"
import { caseTimeout, freshKey, measureStored, type It } from "./blobCases.ts"
import { bytesOf, chunked, digestOf, generated } from "./content.ts"

const MiB = 1024 * 1024
const empty = new Uint8Array(0)

const chunkings: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>]> = [
  ["no chunk at all", []],
  ["an empty chunk", [empty]],
  ["one byte", [bytesOf(1, 1)]],
  ["empty chunks between others", [empty, bytesOf(2, 100), empty, empty, bytesOf(3, 50), empty]],
  ["a thousand chunks of one byte", chunked(bytesOf(4, 1_000), 1)],
  ["views into a larger buffer", [bytesOf(5, 10_000).subarray(17, 4_321), bytesOf(5, 10_000).subarray(9_000)]],
  ["chunks that fit no block size", chunked(bytesOf(6, 300_001), 65_537)],
  ["5 MiB", [bytesOf(7, 5 * MiB)]],
  ["5 MiB and a byte", [bytesOf(8, 5 * MiB), bytesOf(9, 1)]],
  ["10 MiB less a byte in odd chunks", chunked(bytesOf(10, 10 * MiB - 1), 777_777)]
]

const sources: ReadonlyArray<readonly [string, (chunks: ReadonlyArray<Uint8Array>) => Bytes.Bytes]> = [
  ["a Node stream", (chunks) => Readable.from(chunks)],
  ["a web stream", (chunks) => ReadableStream.from(chunks)],
  ["Node buffers", (chunks) => Bytes.fromArray(...chunks.map((chunk) => Buffer.from(chunk)))]
]

const roundTrips = (it: It): void => {
  it.effect.each(chunkings)(
    "gives back %s",
    ([, chunks]) =>
      Effect.gen(function* () {
        const store = yield* BlobStore
        const key = yield* freshKey
        const whole = Bytes.concat(chunks)
        yield* store.put(key, Bytes.fromArray(...chunks))
        assert.strictEqual(yield* store.size(key), whole.byteLength)
        assert.deepStrictEqual(yield* measureStored(store, key), {
          length: whole.byteLength,
          digest: digestOf(whole)
        })
        assert.strictEqual(digestOf(yield* store.get(key)), digestOf(whole))
      }),
    caseTimeout
  )

  it.effect.each(sources)(
    "takes %s",
    ([, toBytes]) =>
      Effect.gen(function* () {
        const store = yield* BlobStore
        const key = yield* freshKey
        const whole = bytesOf(11, 200_000)
        yield* store.put(key, toBytes(chunked(whole, 30_000)))
        assert.strictEqual(digestOf(yield* store.get(key)), digestOf(whole))
      }),
    caseTimeout
  )

  it.effect.prop(
    "gives back chunks of any sizes",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 })))],
    ([sizes]) =>
      Effect.scoped(
        Effect.gen(function* () {
          const store = yield* BlobStore
          const key = yield* freshKey
          const chunks = sizes.map((size, index) => bytesOf(index, size))
          yield* store.put(key, Bytes.fromArray(...chunks))
          assert.strictEqual(digestOf(yield* store.get(key)), digestOf(Bytes.concat(chunks)))
        })
      ),
    { timeout: caseTimeout, arbitrary: { runs: 20 } }
  )

  it.effect(
    "streams 20 MiB in and out",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      const hash = createHash("sha256")
      yield* store.put(key, generated(320, 64 * 1024, hash))
      assert.deepStrictEqual(yield* measureStored(store, key), { length: 20 * MiB, digest: hash.digest("hex") })
      assert.strictEqual(yield* store.size(key), 20 * MiB)
    }),
    caseTimeout
  )

  it.effect(
    "gives the same content as an Effect stream",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      const whole = bytesOf(12, 300_000)
      yield* store.put(key, Bytes.fromArray(whole))
      const all = yield* Stream.runCollect(store.stream(key))
      assert.strictEqual(digestOf(Bytes.concat(all)), digestOf(whole))
      const some = yield* Stream.runCollect(store.stream(key, { offset: 1_000, length: 70_000 }))
      assert.strictEqual(digestOf(Bytes.concat(some)), digestOf(whole.subarray(1_000, 71_000)))
      const error = yield* Effect.flip(Stream.runDrain(store.stream(`${key}-2`)))
      assert.strictEqual(error.reason._tag, "Missing")
    }),
    caseTimeout
  )

  it.effect(
    "keeps content apart from the arrays of its callers",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      const given = bytesOf(13, 1_000)
      const digest = digestOf(given)
      yield* store.put(key, Bytes.fromArray(given))
      given.fill(0)
      const first = yield* store.get(key)
      assert.strictEqual(digestOf(first), digest)
      first.fill(0)
      assert.strictEqual(digestOf(yield* store.get(key)), digest)
    }),
    caseTimeout
  )
}

const ranges = (it: It): void => {
  const length = 300_001
  const cases: ReadonlyArray<Bytes.ByteRange> = [
    { offset: 0 },
    { offset: 0, length: 1 },
    { offset: 0, length },
    { offset: 0, length: length + 1 },
    { offset: 1, length: undefined },
    { offset: 5, length: 0 },
    { offset: 65_535, length: 3 },
    { offset: length - 1 },
    { offset: length - 1, length: 1 },
    { offset: length - 1, length: 1_000 },
    { offset: length },
    { offset: length, length: 1 },
    { offset: length, length: 0 },
    { offset: length + 1_000_000 },
    { offset: length + 1_000_000, length: 7 }
  ]

  it.effect(
    "reads ranges, and nothing past the end",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      const whole = bytesOf(14, length)
      yield* store.put(key, Bytes.fromArray(...chunked(whole, 70_000)))
      for (const range of cases) {
        const part = whole.subarray(range.offset, range.length === undefined ? undefined : range.offset + range.length)
        const expected = { length: part.byteLength, digest: digestOf(part) }
        assert.deepStrictEqual(yield* measureStored(store, key, range), expected, JSON.stringify(range))
      }
    }),
    caseTimeout
  )

  it.effect(
    "reads nothing from any range of empty content",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      yield* store.put(key, Bytes.fromArray())
      for (const range of [{ offset: 0 }, { offset: 0, length: 0 }, { offset: 0, length: 1 }, { offset: 9 }]) {
        assert.strictEqual((yield* measureStored(store, key, range)).length, 0, JSON.stringify(range))
      }
    }),
    caseTimeout
  )
}

export const register = (it: It): void => {
  roundTrips(it)
  ranges(it)
}
