/** Reading and removing do not get in each other's way, and leave nothing behind. */
import { assert } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { assertMissing, caseTimeout, freshKey, measureStored, reasonOf, type It } from "./blobCases.ts"
import { bytesOf, chunked, digestOf, failing } from "./content.ts"

const MiB = 1024 * 1024

const reading = (it: It): void => {
  it.effect(
    "finds nothing under a key that was never used",
    Effect.fnUntraced(function* () {
      yield* assertMissing(yield* BlobStore, yield* freshKey)
    }),
    caseTimeout
  )

  it.effect(
    "serves many readers at once",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      const whole = bytesOf(1, MiB / 2)
      yield* store.put(key, Bytes.fromArray(...chunked(whole, 100_000)))
      const offsets = Array.from({ length: 32 }, (_, index) => index * 16_000)
      yield* Effect.forEach(
        offsets,
        Effect.fnUntraced(function* (offset) {
          const { digest } = yield* measureStored(store, key, { offset })
          assert.strictEqual(digest, digestOf(whole.subarray(offset)))
        }),
        { concurrency: "unbounded" }
      )
    }),
    caseTimeout
  )

  it.effect(
    "frees what readers hold that stop early, or never start",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      const whole = bytesOf(2, MiB / 2)
      yield* store.put(key, Bytes.fromArray(whole))
      for (let round = 0; round < 150; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const bytes = yield* store.open(key)
            if (round % 3 === 0) return
            const iterator = bytes[Symbol.asyncIterator]()
            const first = yield* Effect.promise(() => iterator.next())
            assert.notStrictEqual(first.done, true)
            if (round % 3 === 1) yield* Effect.promise(async () => iterator.return?.())
          })
        )
      }
      assert.strictEqual((yield* measureStored(store, key)).digest, digestOf(whole))
    }),
    caseTimeout
  )
}

const removing = (it: It): void => {
  it.effect(
    "removes content, and does not mind when there is none",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      yield* store.remove(key)
      yield* store.put(key, Bytes.fromArray(bytesOf(3, 1_000)))
      yield* store.remove(key)
      yield* assertMissing(store, key)
      yield* store.remove(key)
    }),
    caseTimeout
  )

  it.effect(
    "lets a removed key be used again",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      for (let round = 0; round < 5; round++) {
        const whole = bytesOf(round, 10_000 + round)
        yield* store.put(key, Bytes.fromArray(whole))
        assert.strictEqual(digestOf(yield* store.get(key)), digestOf(whole))
        yield* store.remove(key)
      }
    }),
    caseTimeout
  )

  it.effect(
    "removes what a failed put left, if anything",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      const reason = yield* reasonOf(store.put(key, failing([bytesOf(4, MiB)], new Error("the client went away"))))
      assert.strictEqual(reason._tag, "SourceFailed")
      yield* store.remove(key)
      yield* assertMissing(store, key)
    }),
    caseTimeout
  )

  it.effect(
    "does not disturb who reads what is removed",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      const whole = bytesOf(5, 8 * MiB)
      yield* store.put(key, Bytes.fromArray(...chunked(whole, 64 * 1024)))
      const iterator = (yield* store.open(key))[Symbol.asyncIterator]()
      const hash = createHash("sha256")
      let next = yield* Effect.promise(() => iterator.next())
      yield* store.remove(key)
      yield* assertMissing(store, key)
      while (next.done !== true) {
        hash.update(next.value)
        next = yield* Effect.promise(() => iterator.next())
      }
      assert.strictEqual(hash.digest("hex"), digestOf(whole))
    }),
    caseTimeout
  )
}

export const register = (it: It): void => {
  reading(it)
  removing(it)
}
