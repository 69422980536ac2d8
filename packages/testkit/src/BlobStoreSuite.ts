/**
 * The promises of `@omnifile/core/BlobStore`, as tests. Call a suite in a test file of the backend:
 *
 * ```ts
 * BlobStoreSuite.suite("disk", DiskBlobs.layer({ directory }))
 * ```
 *
 * A backend passes the whole of it; nothing can be switched off. The cases use keys of their own and remove
 * what they have stored.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { randomUUID } from "node:crypto"
import { beforeEach } from "vitest"
import { assertConflict, assertMissing, caseTimeout } from "./suites/blobCases.ts"
import * as blobCloudCases from "./suites/blobCloudCases.ts"
import * as blobContentCases from "./suites/blobContentCases.ts"
import * as blobReadCases from "./suites/blobReadCases.ts"
import * as blobWriteCases from "./suites/blobWriteCases.ts"
import { bytesOf, chunked, digestOf } from "./suites/content.ts"

export type { Cloud, CloudHooks, CloudPurpose, CloudRequest } from "./suites/blobCloudCases.ts"

/** What every backend promises. */
export const suite = <E>(name: string, backend: Layer.Layer<BlobStore, E>): void => {
  layer(backend, { timeout: caseTimeout, excludeTestServices: true })(`BlobStore (${name})`, (it) => {
    blobContentCases.register(it)
    blobWriteCases.register(it)
    blobReadCases.register(it)
  })
}

/** A store that is open until the scope closes. */
const openStore = <E>(open: () => Layer.Layer<BlobStore, E>) =>
  Effect.map(Layer.build(Layer.fresh(open())), (context) => Context.get(context, BlobStore))

/** What a backend promises besides whose content outlives it. Each call of `open` opens the same content. */
export const reopenSuite = <E>(name: string, open: () => Layer.Layer<BlobStore, E>): void => {
  describe(`BlobStore (${name}), opened again`, () => {
    it.live(
      "has kept content, and removed what was removed",
      Effect.fnUntraced(function* () {
        const [kept, removed] = [`suite-${randomUUID()}`, `suite-${randomUUID()}`]
        const whole = bytesOf(1, 3_000_000)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* openStore(open)
            yield* store.put(kept, Bytes.fromArray(...chunked(whole, 100_000)))
            yield* store.put(removed, Bytes.fromArray(whole))
            yield* store.remove(removed)
          })
        )
        const store = yield* openStore(open)
        assert.strictEqual(digestOf(yield* store.get(kept)), digestOf(whole))
        assert.strictEqual(yield* store.size(kept), whole.byteLength)
        yield* assertMissing(store, removed)
        yield* assertConflict(store, kept, Bytes.fromArray())
        yield* store.remove(kept)
      }),
      caseTimeout
    )
  })
}

/** What a backend promises besides that several processes use at once. Each call of `open` opens the same content. */
export const sharedSuite = <E>(name: string, open: () => Layer.Layer<BlobStore, E>): void => {
  describe(`BlobStore (${name}), opened twice`, () => {
    it.live(
      "shows content and removals to both",
      Effect.fnUntraced(function* () {
        const [one, other] = [yield* openStore(open), yield* openStore(open)]
        const key = `suite-${randomUUID()}`
        const whole = bytesOf(2, 300_000)
        yield* assertMissing(other, key)
        yield* one.put(key, Bytes.fromArray(whole))
        assert.strictEqual(digestOf(yield* other.get(key)), digestOf(whole))
        yield* assertConflict(other, key, Bytes.fromArray())
        yield* other.remove(key)
        yield* assertMissing(one, key)
      }),
      caseTimeout
    )

    it.live(
      "gives a key to one writer of both",
      Effect.fnUntraced(function* () {
        const [one, other] = [yield* openStore(open), yield* openStore(open)]
        for (let round = 0; round < 10; round++) {
          const key = `suite-${randomUUID()}`
          const contents = [bytesOf(2 * round, 200_000), bytesOf(2 * round + 1, 200_000)] as const
          const results = yield* Effect.all(
            [
              Effect.result(one.put(key, Bytes.fromArray(...chunked(contents[0], 50_000)))),
              Effect.result(other.put(key, Bytes.fromArray(...chunked(contents[1], 50_000))))
            ],
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            results.filter(Result.isFailure).map(({ failure }) => failure.reason._tag),
            ["Conflict"]
          )
          const winner = Result.isSuccess(results[0]) ? contents[0] : contents[1]
          assert.strictEqual(digestOf(yield* one.get(key)), digestOf(winner))
          yield* one.remove(key)
        }
      }),
      caseTimeout
    )
  })
}

/**
 * What a backend promises besides that keeps content on a service: a lost request or answer is no lost content. The hooks
 * are reset before every case of the file.
 */
export const cloudSuite = <E>(name: string, cloud: blobCloudCases.Cloud<E>): void => {
  beforeEach(() => blobCloudCases.resetHooks(cloud.hooks))
  describe(`BlobStore (${name}), a write`, () => blobCloudCases.registerWrites(cloud))
  describe(`BlobStore (${name}), a service`, () => blobCloudCases.registerAnswers(cloud))
}
