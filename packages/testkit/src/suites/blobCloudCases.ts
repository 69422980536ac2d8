/** What a store promises that asks another machine to keep its content: requests and answers may be lost on the way. */
import { assert, it } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import { assertMissing, caseTimeout, reasonOf } from "./blobCases.ts"
import { bytesOf, chunked, digestOf, failing, paused } from "./content.ts"

/** A request as the service got it. `url` is path and query. */
export interface CloudRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

/** What can go wrong with a request; the cases set it. */
export interface CloudHooks {
  /** A status to answer with instead of carrying the request out, when it comes. */
  onRequest: (request: CloudRequest) => Promise<number | undefined>
  /** Called when the request is carried out; true cuts the connection instead of answering. */
  onAnswer: (request: CloudRequest) => boolean
}

/** What a request is for: to make content visible, to ask whose object there is, or to send a part of content. */
export type CloudPurpose = "publish" | "look" | "part" | "other"

/** A service, or an emulator of one, and a backend over it. */
export interface Cloud<E> {
  readonly hooks: CloudHooks
  readonly purposeOf: (request: CloudRequest) => CloudPurpose
  /** The backend. It tries requests again, without waiting long. */
  readonly store: Layer.Layer<BlobStore, E>
  /** The same with credentials that the service refuses. */
  readonly refused: Layer.Layer<BlobStore, E>
  /** The length of the parts of `store`, in bytes. */
  readonly partSize: number
  /** How many parts of one content `store` sends at once. */
  readonly concurrentParts: number
  /** How much the service keeps of this key that is no content: parts, sessions. */
  readonly unfinished: (key: string) => Promise<number>
  /** Whether there is anything under the key, content or not. */
  readonly isThere: (key: string) => Promise<boolean>
  /** Whether a removal ends the unfinished writes of its key. */
  readonly removalEndsWrites: boolean
  /** Cuts off all connections. */
  readonly cut: () => void
}

/** No request fails. */
export const resetHooks = (hooks: CloudHooks): void => {
  hooks.onRequest = async () => undefined
  hooks.onAnswer = () => false
}

const KiB = 1024

const openStore = <E>(layer: Layer.Layer<BlobStore, E>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, BlobStore))

const freshKey = () => `suite-${randomUUID()}`

const failedWrites = <E>(cloud: Cloud<E>): void => {
  const { hooks, partSize, purposeOf } = cloud
  const chunks = chunked(bytesOf(1, Math.floor(2.5 * partSize)), Math.floor(partSize / 3))

  const assertNothing = Effect.fnUntraced(function* (key: string) {
    assert.strictEqual(yield* Effect.promise(() => cloud.unfinished(key)), 0)
    assert.isFalse(yield* Effect.promise(() => cloud.isThere(key)))
  })

  /** A write that has sent a part, and waits for its source. */
  const begin = Effect.fnUntraced(function* (store: BlobStore["Service"], key: string) {
    const sent = yield* Deferred.make<void>()
    hooks.onAnswer = (request) => {
      if (purposeOf(request) === "part") Deferred.doneUnsafe(sent, Effect.void)
      return false
    }
    const source = yield* paused(chunks)
    const putting = yield* Effect.forkChild(store.put(key, source.bytes))
    yield* source.waiting
    yield* Deferred.await(sent)
    assert.isAbove(yield* Effect.promise(() => cloud.unfinished(key)), 0)
    return { putting, source }
  })

  it.live(
    "takes back what it has sent when the source fails, or nobody wants it any more",
    Effect.fnUntraced(function* () {
      const store = yield* openStore(cloud.store)
      const [failed, interrupted] = [freshKey(), freshKey()]
      const { _tag } = yield* reasonOf(store.put(failed, failing(chunks, new Error("the client went away"))))
      assert.strictEqual(_tag, "SourceFailed")
      yield* assertNothing(failed)
      const { putting } = yield* begin(store, interrupted)
      yield* Fiber.interrupt(putting)
      yield* assertNothing(interrupted)
    }),
    caseTimeout
  )

  it.live(
    cloud.removalEndsWrites ? "is ended by a removal of its key" : "is not disturbed by a removal of its key",
    Effect.fnUntraced(function* () {
      const store = yield* openStore(cloud.store)
      const key = freshKey()
      const { putting, source } = yield* begin(store, key)
      yield* store.remove(key)
      yield* source.finish
      if (cloud.removalEndsWrites) {
        assert.strictEqual((yield* reasonOf(Fiber.join(putting)))._tag, "Conflict")
        yield* assertMissing(store, key)
        yield* assertNothing(key)
      } else {
        yield* Fiber.join(putting)
        assert.strictEqual(yield* store.size(key), Math.floor(2.5 * partSize))
        yield* store.remove(key)
      }
    }),
    caseTimeout
  )

  it.live(
    "does not read its source when the key is taken",
    Effect.fnUntraced(function* () {
      const store = yield* openStore(cloud.store)
      const key = freshKey()
      yield* store.put(key, Bytes.fromArray())
      const reason = yield* reasonOf(store.put(key, failing([], new Error("it was read"))))
      assert.strictEqual(reason._tag, "Conflict")
      yield* store.remove(key)
    }),
    caseTimeout
  )
}

const lostAnswers = <E>(cloud: Cloud<E>): void => {
  const { hooks, partSize, purposeOf } = cloud
  const kinds = [
    ["in one request", 100],
    ["in parts", Math.floor(1.2 * partSize)]
  ] as const

  it.live.each(kinds)(
    "%s whose answer was lost is done, and no conflict with itself",
    ([, length]) =>
      Effect.gen(function* () {
        const store = yield* openStore(cloud.store)
        const key = freshKey()
        let lost = 0
        hooks.onAnswer = (request) => purposeOf(request) === "publish" && lost++ === 0
        const whole = bytesOf(2, length)
        yield* store.put(key, Bytes.fromArray(...chunked(whole, 100_000)))
        assert.isAbove(lost, 0)
        assert.strictEqual(digestOf(yield* store.get(key)), digestOf(whole))
        yield* store.remove(key)
      }),
    caseTimeout
  )

  it.live.each(kinds)(
    "%s that is said to have failed is never found, though the service had carried it out",
    ([, length]) =>
      Effect.gen(function* () {
        const store = yield* openStore(cloud.store)
        const key = freshKey()
        // The service has the object, says so to nobody, and refuses all that is asked until the write has looked at it.
        let isPublished = false
        let looks = 0
        hooks.onAnswer = (request) => {
          const isLost = !isPublished && purposeOf(request) === "publish"
          isPublished ||= isLost
          return isLost
        }
        hooks.onRequest = async (request) => {
          if (!isPublished) return undefined
          const refusal = looks === 0 ? 403 : undefined
          if (purposeOf(request) === "look") looks += 1
          return refusal
        }
        const reason = yield* reasonOf(store.put(key, Bytes.fromArray(bytesOf(3, length))))
        assert.strictEqual(reason._tag, "Unavailable")
        assert.isAbove(looks, 1)
        resetHooks(hooks)
        yield* assertMissing(store, key)
        assert.isFalse(yield* Effect.promise(() => cloud.isThere(key)))
        yield* store.put(key, Bytes.fromArray(bytesOf(4, 10)))
        yield* store.remove(key)
      }),
    caseTimeout
  )
}

const slowService = <E>(cloud: Cloud<E>): void => {
  it.live(
    "reads no further ahead of the service than a few parts",
    Effect.fnUntraced(function* () {
      const { concurrentParts, hooks, partSize, purposeOf } = cloud
      const store = yield* openStore(cloud.store)
      let refuse = (_status: number): void => {}
      const refusal = new Promise<number>((resolve) => (refuse = resolve))
      const busy = yield* Deferred.make<void>()
      let waiting = 0
      hooks.onRequest = async (request) => {
        if (purposeOf(request) !== "part") return undefined
        if (++waiting === concurrentParts) Deferred.doneUnsafe(busy, Effect.void)
        return refusal
      }
      let pulled = 0
      const piece = bytesOf(5, partSize / 4)
      const source: Bytes.Bytes = {
        async *[Symbol.asyncIterator]() {
          for (; ; pulled++) yield piece
        }
      }
      const putting = yield* Effect.forkChild(store.put(freshKey(), source))
      yield* Deferred.await(busy)
      // Of the parts beside those that are sent, one is held back, and one is being read.
      assert.isAtMost(pulled / 4, concurrentParts + 3)
      assert.strictEqual(waiting, concurrentParts)
      refuse(400)
      assert.strictEqual((yield* reasonOf(Fiber.join(putting)))._tag, "Unavailable")
    }),
    caseTimeout
  )
}

/** Cases about a write. */
export const registerWrites = <E>(cloud: Cloud<E>): void => {
  failedWrites(cloud)
  lostAnswers(cloud)
  slowService(cloud)
}

/** Cases about whoever reads, or is not allowed to. */
export const registerAnswers = <E>(cloud: Cloud<E>): void => {
  it.live(
    "that breaks a download off has not sent all of it, and the reader knows",
    Effect.fnUntraced(function* () {
      const store = yield* openStore(cloud.store)
      const key = freshKey()
      yield* store.put(key, Bytes.fromArray(...chunked(bytesOf(6, 8 * KiB * KiB), 64 * KiB)))
      for (const range of [undefined, { offset: 1 }]) {
        const reading = store.stream(key, range).pipe(Stream.runForEach(() => Effect.sync(cloud.cut)))
        assert.strictEqual((yield* reasonOf(reading))._tag, "Unavailable")
      }
      yield* store.remove(key)
    }),
    caseTimeout
  )

  it.live(
    "that refuses the credentials makes the store unavailable",
    Effect.fnUntraced(function* () {
      const store = yield* openStore(cloud.refused)
      assert.strictEqual((yield* reasonOf(store.put("a", Bytes.fromArray())))._tag, "Unavailable")
      assert.strictEqual((yield* reasonOf(store.get("a")))._tag, "Unavailable")
      assert.strictEqual((yield* reasonOf(store.size("a")))._tag, "Unavailable")
    }),
    caseTimeout
  )
}
