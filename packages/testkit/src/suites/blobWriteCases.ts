/** A put happens whole or not at all, and once for a key. */
import { assert } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { assertConflict, assertMissing, caseTimeout, freshKey, reasonOf, type It } from "./blobCases.ts"
import { bytesOf, chunked, digestOf, failing, paused } from "./content.ts"

const MiB = 1024 * 1024

const someChunks: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>]> = [
  ["before the first byte", []],
  ["after some bytes", [bytesOf(1, 1_000)]],
  ["after 12 MiB", chunked(bytesOf(2, 12 * MiB), 64 * 1024)]
]

/** The key can be used as if nothing had happened. */
const assertFree = Effect.fnUntraced(function* (store: BlobStore["Service"], key: string) {
  yield* assertMissing(store, key)
  const whole = bytesOf(3, 2_000)
  yield* store.put(key, Bytes.fromArray(whole))
  assert.strictEqual(digestOf(yield* store.get(key)), digestOf(whole))
})

/** A put that has taken these chunks, and waits for more. */
const begun = Effect.fnUntraced(function* (chunks: ReadonlyArray<Uint8Array>) {
  const store = yield* BlobStore
  const key = yield* freshKey
  const source = yield* paused(chunks)
  const putting = yield* Effect.forkChild(store.put(key, source.bytes))
  yield* source.waiting
  return { key, putting, source, store }
})

const failures = (it: It): void => {
  it.effect.each(someChunks)(
    "keeps nothing of a source that fails %s",
    ([, chunks]) =>
      Effect.gen(function* () {
        const store = yield* BlobStore
        const key = yield* freshKey
        const error = new Error("the client went away")
        const reason = yield* reasonOf(store.put(key, failing(chunks, error)))
        assert.strictEqual(reason._tag, "SourceFailed")
        if (reason._tag !== "SourceFailed") return
        assert.strictEqual(reason.cause, error)
        assert.strictEqual(reason.key, key)
        yield* assertFree(store, key)
      }),
    caseTimeout
  )

  it.effect(
    "tells a source that fails with a storage error of its own from a failure to store",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      const error = StorageError.of("another")("read", new StorageError.Missing({ key: "another" }))
      const reason = yield* reasonOf(store.put(key, failing([bytesOf(1, 10)], error)))
      assert.strictEqual(reason._tag, "SourceFailed")
      if (reason._tag === "SourceFailed") assert.strictEqual(reason.cause, error)
      yield* assertMissing(store, key)
    }),
    caseTimeout
  )

  it.effect.each(someChunks)(
    "keeps nothing when it is interrupted %s, and ends the source",
    ([, chunks]) =>
      Effect.gen(function* () {
        const { key, putting, source, store } = yield* begun(chunks)
        yield* Fiber.interrupt(putting)
        yield* source.ended
        yield* source.finish
        yield* assertFree(store, key)
      }),
    caseTimeout
  )
}

const visibility = (it: It): void => {
  it.effect.each(someChunks)(
    "shows nothing of content that is not complete, waiting %s",
    ([, chunks]) =>
      Effect.gen(function* () {
        const { key, putting, source, store } = yield* begun(chunks)
        yield* assertMissing(store, key)
        yield* source.finish
        yield* Fiber.join(putting)
        assert.strictEqual(digestOf(yield* store.get(key)), digestOf(Bytes.concat(chunks)))
      }),
    caseTimeout
  )
}

const conflicts = (it: It): void => {
  it.effect.each([0, 1, 100_000])(
    "refuses a key that holds %s bytes, and leaves them",
    (length) =>
      Effect.gen(function* () {
        const store = yield* BlobStore
        const key = yield* freshKey
        const first = bytesOf(4, length)
        yield* store.put(key, Bytes.fromArray(first))
        yield* assertConflict(store, key, Bytes.fromArray(bytesOf(5, 50_000)))
        yield* assertConflict(store, key, Bytes.fromArray())
        yield* assertConflict(store, key, Bytes.fromArray(first))
        assert.strictEqual(digestOf(yield* store.get(key)), digestOf(first))
      }),
    caseTimeout
  )

  it.effect(
    "lets one of many puts at once have the key, and keeps its content whole",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const key = yield* freshKey
      const contents = Array.from({ length: 8 }, (_, index) => bytesOf(index, 400_000 + index))
      const results = yield* Effect.forEach(
        contents,
        (content) => Effect.result(store.put(key, Bytes.fromArray(...chunked(content, 50_000)))),
        { concurrency: "unbounded" }
      )
      const winners = contents.flatMap((content, index) => {
        const result = results[index]
        return result !== undefined && Result.isSuccess(result) ? [digestOf(content)] : []
      })
      const reasons = results.filter(Result.isFailure).map(({ failure }) => failure.reason._tag)
      assert.deepStrictEqual(
        reasons,
        Array.from({ length: 7 }, () => "Conflict" as const)
      )
      assert.deepStrictEqual(winners, [digestOf(yield* store.get(key))])
    }),
    caseTimeout
  )

  it.effect(
    "lets a put that was overtaken fail, and keeps what overtook it",
    Effect.fnUntraced(function* () {
      const { key, putting, source: slow, store } = yield* begun([bytesOf(6, 500_000)])
      const quick = bytesOf(7, 1_000)
      const overtaken = yield* Effect.result(store.put(key, Bytes.fromArray(quick)))
      yield* slow.finish
      const finished = yield* Effect.result(Fiber.join(putting))
      const winners = [overtaken, finished].filter(Result.isSuccess)
      const reasons = [overtaken, finished].filter(Result.isFailure).map(({ failure }) => failure.reason._tag)
      assert.strictEqual(winners.length, 1)
      assert.deepStrictEqual(reasons, ["Conflict"])
      const expected = Result.isSuccess(overtaken) ? quick : bytesOf(6, 500_000)
      assert.strictEqual(digestOf(yield* store.get(key)), digestOf(expected))
    }),
    caseTimeout
  )
}

const keys = (it: It): void => {
  const malformed = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "/a",
    "A",
    "a b",
    "é",
    "-a",
    ".a",
    "_a",
    "a\n",
    "a\0",
    "a%2f"
  ]

  it.effect(
    "refuses malformed keys",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      for (const key of [...malformed, "k".repeat(129)]) {
        const refusals: Record<string, Effect.Effect<unknown, StorageError.StorageError>> = {
          put: store.put(key, Bytes.fromArray(bytesOf(1, 1))),
          open: Effect.scoped(store.open(key)),
          get: store.get(key),
          size: store.size(key),
          remove: store.remove(key)
        }
        for (const [method, refusal] of Object.entries(refusals)) {
          assert.strictEqual((yield* reasonOf(refusal))._tag, "Corrupt", `${method} of ${JSON.stringify(key)}`)
        }
      }
    }),
    caseTimeout
  )

  it.effect(
    "keeps keys apart that resemble each other",
    Effect.fnUntraced(function* () {
      const store = yield* BlobStore
      const base = yield* freshKey
      const endings = ["", "0", ".", "..", "-", "_", ".part", ".tmp", ".part.0", "a"]
      const similar = [...endings.map((ending) => base + ending), base.padEnd(127, "x"), base.padEnd(128, "x")]
      for (const key of similar) yield* Effect.addFinalizer(() => Effect.ignore(store.remove(key)))
      for (const [index, key] of similar.entries()) yield* store.put(key, Bytes.fromArray(bytesOf(index, 100 + index)))
      yield* store.remove(base)
      yield* assertMissing(store, base)
      for (const [index, key] of similar.entries()) {
        if (key === base) continue
        assert.strictEqual(digestOf(yield* store.get(key)), digestOf(bytesOf(index, 100 + index)), key)
      }
    }),
    caseTimeout
  )
}

export const register = (it: It): void => {
  failures(it)
  visibility(it)
  conflicts(it)
  keys(it)
}
