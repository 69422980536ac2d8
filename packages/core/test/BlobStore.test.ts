import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as BlobStore from "../src/BlobStore.ts"
import * as StorageError from "../src/StorageError.ts"

/** A store whose content breaks off with what is given. */
const breakingOff = (cause: unknown): BlobStore.BlobStore["Service"] =>
  BlobStore.make({
    ...BlobStore.makeMemory(),
    name: "fragile",
    read: () =>
      Effect.succeed({
        async *[Symbol.asyncIterator]() {
          yield Uint8Array.of(1)
          throw cause
        }
      })
  })

const corrupt = new StorageError.StorageError({
  backend: "fragile",
  method: "read",
  reason: new StorageError.Corrupt({ key: "key", cause: "a wrong checksum" })
})

describe("content that breaks off while it is read", () => {
  const failures: ReadonlyArray<readonly [what: string, cause: unknown, tag: StorageError.Reason["_tag"]]> = [
    ["an error of the device", new Error("EIO"), "Unavailable"],
    ["an error that the backend has named", corrupt, "Corrupt"]
  ]
  for (const [what, cause, tag] of failures) {
    it.effect(`by ${what} fails so, as a stream and as a whole`, () =>
      Effect.gen(function* () {
        const store = breakingOff(cause)
        const streamed = yield* Effect.flip(Stream.runDrain(store.stream("key")))
        const whole = yield* Effect.flip(store.get("key"))
        assert.deepStrictEqual([streamed.reason._tag, whole.reason._tag], [tag, tag])
      })
    )
  }
})
