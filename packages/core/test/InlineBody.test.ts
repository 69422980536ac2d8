import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Bytes from "../src/Bytes.ts"
import type { FilePlacement } from "../src/ChatTranslator.ts"
import * as InlineBody from "../src/InlineBody.ts"
import { decode, encode } from "./support/FakeProvider.ts"

const inline = (id: string, sentinel: string, content: string): readonly [string, FilePlacement] => [
  id,
  {
    id,
    contentType: "application/pdf",
    filename: "a.pdf",
    as: {
      _tag: "Inline",
      sentinel,
      length: content.length,
      open: Effect.sync(() => Bytes.fromArray(encode(content)))
    }
  }
]

const files = new Map([inline("file-a", "aaaa1111", "first"), inline("file-b", "bbbb2222", "second")])

describe("a translated body", () => {
  it.effect("has the content wherever a sentinel stands, and says how long it is", () =>
    Effect.gen(function* () {
      const body = encode('{"ü":["bbbb2222","aaaa1111",{"x":"bbbb2222"}]}')
      const filled = yield* InlineBody.fill(body, files)
      assert(filled !== null && !(filled instanceof Uint8Array))
      const bytes = yield* Effect.promise(() => Bytes.collect(filled.bytes))
      assert.strictEqual(decode(bytes), '{"ü":["c2Vjb25k","Zmlyc3Q=",{"x":"c2Vjb25k"}]}')
      assert.strictEqual(bytes.length, filled.length)
    }).pipe(Effect.scoped)
  )

  it.effect("is refused if it has no place for the content of a file", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(InlineBody.fill(encode('{"x":"aaaa1111"}'), files))
      assert.strictEqual(error._tag, "InvalidRequest")
      assert.include(error.message, "file-b")
    }).pipe(Effect.scoped)
  )

  it.effect("stays as it is without such files", () =>
    Effect.gen(function* () {
      const body = encode('{"x":"aaaa1111"}')
      assert.strictEqual(yield* InlineBody.fill(body, new Map()), body)
    }).pipe(Effect.scoped)
  )
})
