/** Stores a blob, and waits in the middle of it until it is told to go on. Prints `stored`, or why it is not. */
import { BlobStore } from "@omnifile/core/BlobStore"
import type { Bytes } from "@omnifile/core/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { once } from "node:events"
import * as DiskBlobs from "../../src/DiskBlobs.ts"
import { contentOf } from "../contentOf.ts"

const [directory = "", key = ""] = process.argv.slice(2)

const pausing: Bytes = {
  async *[Symbol.asyncIterator]() {
    const whole = contentOf(key)
    yield whole.subarray(0, whole.byteLength / 2)
    console.log("half")
    await once(process.stdin, "data")
    yield whole.subarray(whole.byteLength / 2)
  }
}

const program = Effect.gen(function* () {
  const store = yield* BlobStore
  const result = yield* Effect.result(store.put(key, pausing))
  console.log(Result.isSuccess(result) ? "stored" : result.failure.reason._tag)
})

await Effect.runPromise(Effect.provide(program, DiskBlobs.layer({ directory })))
process.stdin.destroy()
