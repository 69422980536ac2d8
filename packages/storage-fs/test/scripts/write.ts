/**
 * Stores one blob after the other. It prints `half KEY` when half of one was taken, `whole KEY` when it was
 * acknowledged, and never ends. The content of a blob is its key, over and over.
 */
import { BlobStore } from "@omnifile/core/BlobStore"
import type { Bytes } from "@omnifile/core/Bytes"
import * as Effect from "effect/Effect"
import { writeSync } from "node:fs"
import * as DiskBlobs from "../../src/DiskBlobs.ts"
import { contentOf } from "../contentOf.ts"

const [directory = "", name = ""] = process.argv.slice(2)

// Unlike the streams, this has reached the reader before the program goes on.
const say = (line: string): void => void writeSync(1, `${line}\n`)

const halting = (key: string): Bytes => ({
  async *[Symbol.asyncIterator]() {
    const whole = contentOf(key)
    for (let offset = 0; offset < whole.byteLength; offset += 64 * 1024) {
      yield whole.subarray(offset, offset + 64 * 1024)
      if (offset === whole.byteLength / 2) say(`half ${key}`)
    }
  }
})

const program = Effect.gen(function* () {
  const store = yield* BlobStore
  for (let number = 0; ; number++) {
    const key = `${name}-${number}`
    yield* store.put(key, halting(key))
    say(`whole ${key}`)
  }
})

await Effect.runPromise(Effect.provide(program, DiskBlobs.layer({ directory })))
