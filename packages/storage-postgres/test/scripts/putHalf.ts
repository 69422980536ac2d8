/** Stores the first half of a blob, says so, and waits until it is killed. */
import { BlobStore } from "@omnifile/core/BlobStore"
import type { Bytes } from "@omnifile/core/Bytes"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { once } from "node:events"
import * as PostgresBlobs from "../../src/PostgresBlobs.ts"

const [url = "", key = ""] = process.argv.slice(2)

const pausing: Bytes = {
  async *[Symbol.asyncIterator]() {
    yield new Uint8Array(1024 * 1024)
    console.log("half")
    await once(process.stdin, "data")
  }
}

await Effect.runPromise(
  Effect.provide(
    Effect.flatMap(BlobStore, (store) => store.put(key, pausing)),
    PostgresBlobs.layer({ url: Redacted.make(url) })
  )
)
