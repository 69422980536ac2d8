/** What the cases of the BlobStore suite share. */
import { assert, type Vitest } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import type { Bytes, ByteRange } from "@omnifile/core/Bytes"
import type * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { measure } from "./content.ts"

/** Where the cases of one backend are registered. */
export type It = Vitest.MethodsNonLive<BlobStore>

/** Long enough for a store on another machine. */
export const caseTimeout = 60_000

type Store = BlobStore["Service"]

/** A key that nobody has used. What is stored under it is removed after the case. */
export const freshKey: Effect.Effect<string, never, BlobStore | Scope.Scope> = Effect.gen(function* () {
  const store = yield* BlobStore
  const key = `suite-${randomUUID()}`
  yield* Effect.addFinalizer(() => Effect.ignore(store.remove(key)))
  return key
})

/** Length and digest of what is stored. */
export const measureStored = (store: Store, key: string, range?: ByteRange) =>
  Effect.scoped(Effect.flatMap(store.open(key, range), (bytes) => Effect.promise(() => measure(bytes))))

/** The reason for which an effect fails. */
export const reasonOf = <A, R>(
  effect: Effect.Effect<A, StorageError.StorageError, R>
): Effect.Effect<StorageError.Reason, A, R> => Effect.map(Effect.flip(effect), ({ reason }) => reason)

/** There is nothing under the key, whichever way it is asked for. */
export const assertMissing = Effect.fnUntraced(function* (store: Store, key: string) {
  const questions: Record<string, Effect.Effect<unknown, StorageError.StorageError>> = {
    size: store.size(key),
    get: store.get(key),
    open: Effect.scoped(store.open(key)),
    "open of a range": Effect.scoped(store.open(key, { offset: 1, length: 1 }))
  }
  for (const [name, question] of Object.entries(questions)) {
    const reason = yield* reasonOf(question)
    assert.strictEqual(reason._tag, "Missing", name)
    if (reason._tag === "Missing") assert.strictEqual(reason.key, key, name)
  }
})

/** Puts bytes, and expects a `Conflict` about the key. */
export const assertConflict = Effect.fnUntraced(function* (store: Store, key: string, bytes: Bytes) {
  const reason = yield* reasonOf(store.put(key, bytes))
  assert.strictEqual(reason._tag, "Conflict")
  if (reason._tag === "Conflict") assert.strictEqual(reason.key, key)
})
