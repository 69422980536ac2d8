import { assert, describe, it } from "@effect/vitest"
import { BlobStore, layerMemory } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as EncryptedBlobs from "@omnifile/core/EncryptedBlobs"
import { StorageError } from "@omnifile/core/StorageError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import * as BlobStoreSuite from "../src/BlobStoreSuite.ts"
import { bytesOf, chunked, digestOf } from "../src/suites/content.ts"

const key = (id: string, seed: number): EncryptedBlobs.EncryptionKey => ({
  id,
  secret: Redacted.make(bytesOf(seed, 32))
})
const first = key("2026-01", 1)
const second = key("2026-02", 2)

BlobStoreSuite.suite("memory, encrypted", EncryptedBlobs.layer({ keys: [first] }).pipe(Layer.provide(layerMemory)))

const headerSize = 52
const sealedSize = 64 * 1024 + 16

/** A store, and an encrypted view of it for each list of keys. */
const newStore = Effect.map(Layer.build(Layer.fresh(layerMemory)), (context) => {
  const inner = Context.get(context, BlobStore)
  const under = (...keys: EncryptedBlobs.Options["keys"]) =>
    Effect.map(
      Layer.build(Layer.fresh(EncryptedBlobs.layer({ keys })).pipe(Layer.provide(Layer.succeed(BlobStore, inner)))),
      (context) => Context.get(context, BlobStore)
    )
  return { inner, under }
})

/** Puts other bytes in the place of what is stored. */
const replace = Effect.fnUntraced(function* (inner: BlobStore["Service"], name: string, bytes: Uint8Array) {
  yield* inner.remove(name)
  yield* inner.put(name, Bytes.fromArray(bytes))
})

const reasonOf = <A>(effect: Effect.Effect<A, { readonly reason: { readonly _tag: string } }>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

describe("encrypted content", () => {
  it.effect("is read back in any range, however it came in", () =>
    Effect.gen(function* () {
      const { under } = yield* newStore
      const store = yield* under(first)
      const context = yield* Effect.context<never>()
      const run = Effect.runPromiseWith(context)
      const sizes = fc.oneof(
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 65_530, max: 65_540 }),
        fc.integer({ min: 131_070, max: 131_075 }),
        fc.integer({ min: 0, max: 300_000 })
      )
      let count = 0
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(sizes, fc.integer({ min: 100, max: 100_000 }), sizes, sizes, (size, chunk, offset, length) =>
            run(
              Effect.gen(function* () {
                const whole = bytesOf(size, size)
                const name = `content-${count++}`
                yield* store.put(name, new Bytes.InMemory(chunked(whole, chunk)))
                assert.strictEqual(yield* store.size(name), size)
                const range = yield* Effect.scoped(
                  Effect.flatMap(store.open(name, { offset, length }), (bytes) =>
                    Effect.promise(() => Bytes.collect(bytes))
                  )
                )
                assert.strictEqual(digestOf(range), digestOf(whole.subarray(offset, offset + length)))
              })
            )
          ),
          { numRuns: 60 }
        )
      )
    })
  )

  it.effect("does not contain what was put, and is another one each time", () =>
    Effect.gen(function* () {
      const { inner, under } = yield* newStore
      const store = yield* under(first)
      const text = new TextEncoder().encode("a secret that is long enough to be found")
      yield* store.put("a", Bytes.fromArray(text))
      yield* store.put("b", Bytes.fromArray(text))
      const [a, b] = [Buffer.from(yield* inner.get("a")), Buffer.from(yield* inner.get("b"))]
      assert.isFalse(a.includes("secret"))
      assert.isFalse(a.subarray(20).equals(b.subarray(20)))
    })
  )

  it.effect("whose bytes were changed anywhere is not read", () =>
    Effect.gen(function* () {
      const { inner, under } = yield* newStore
      const store = yield* under(first)
      yield* store.put("a", Bytes.fromArray(bytesOf(1, 150_000)))
      const stored = yield* inner.get("a")
      for (const position of [0, 3, 5, 19, 20, 51, 52, 60_000, headerSize + sealedSize, stored.byteLength - 1]) {
        const changed = stored.slice()
        changed[position] = (changed[position] ?? 0) ^ 1
        yield* replace(inner, "a", changed)
        assert.strictEqual(yield* reasonOf(store.get("a")), "Corrupt", String(position))
      }
    })
  )

  it.effect("that was cut off anywhere has no size, and is not read to its end", () =>
    Effect.gen(function* () {
      const { inner, under } = yield* newStore
      const store = yield* under(first)
      yield* store.put("a", Bytes.fromArray(bytesOf(1, 200_000)))
      const stored = yield* inner.get("a")
      const lengths = [0, 10, headerSize, headerSize + 15, headerSize + 16, headerSize + sealedSize]
      for (const length of [...lengths, headerSize + 2 * sealedSize, stored.byteLength - 1]) {
        yield* replace(inner, "a", stored.subarray(0, length))
        assert.strictEqual(yield* reasonOf(store.size("a")), "Corrupt", `size of ${length}`)
        assert.strictEqual(yield* reasonOf(store.get("a")), "Corrupt", `all of ${length}`)
        const pastEnd = Effect.scoped(
          Effect.flatMap(store.open("a", { offset: 199_000 }), (bytes) =>
            Effect.tryPromise({
              try: () => Bytes.collect(bytes),
              catch: (cause) => (cause instanceof StorageError ? cause : assert.fail(String(cause)))
            })
          )
        )
        assert.strictEqual(yield* reasonOf(pastEnd), "Corrupt", `past the end of ${length}`)
      }
    })
  )

  it.effect("whose chunks are in another order, or twice, is not read", () =>
    Effect.gen(function* () {
      const { inner, under } = yield* newStore
      const store = yield* under(first)
      yield* store.put("a", Bytes.fromArray(bytesOf(1, 4 * 64 * 1024)))
      const stored = yield* inner.get("a")
      const [header, ...chunks] = [stored.subarray(0, headerSize), ...chunked(stored.subarray(headerSize), sealedSize)]
      for (const order of [
        [1, 0, 2, 3],
        [0, 1, 1, 3],
        [0, 1, 2, 2],
        [0, 2, 3],
        [0, 1, 2, 3, 3]
      ]) {
        const other = Bytes.concat([header ?? assert.fail(), ...order.map((index) => chunks[index] ?? assert.fail())])
        yield* replace(inner, "a", other)
        assert.strictEqual(yield* reasonOf(store.get("a")), "Corrupt", order.join())
      }
    })
  )

  it.effect("that was copied to another name is not read", () =>
    Effect.gen(function* () {
      const { inner, under } = yield* newStore
      const store = yield* under(first)
      yield* store.put("a", Bytes.fromArray(bytesOf(1, 1_000)))
      yield* inner.put("b", Bytes.fromArray(yield* inner.get("a")))
      assert.strictEqual(yield* reasonOf(store.get("b")), "Corrupt")
    })
  )

  it.effect("stays readable under a key that is not the current one any more, and under no other", () =>
    Effect.gen(function* () {
      const { under } = yield* newStore
      const [before, after, without, impostor] = [
        yield* under(first),
        yield* under(second, first),
        yield* under(second),
        yield* under(key(first.id, 3))
      ]
      yield* before.put("old", Bytes.fromArray(bytesOf(1, 100_000)))
      yield* after.put("new", Bytes.fromArray(bytesOf(2, 100_000)))
      assert.strictEqual(digestOf(yield* after.get("old")), digestOf(bytesOf(1, 100_000)))
      assert.strictEqual(digestOf(yield* without.get("new")), digestOf(bytesOf(2, 100_000)))
      assert.strictEqual(yield* reasonOf(without.get("old")), "Corrupt")
      assert.strictEqual(yield* reasonOf(before.get("new")), "Corrupt")
      assert.strictEqual(yield* reasonOf(impostor.get("old")), "Corrupt")
    })
  )
})
