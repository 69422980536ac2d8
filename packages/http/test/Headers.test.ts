import { assert, describe, it } from "@effect/vitest"
import type { RangeRequest } from "@omnifile/core/Bytes"
import * as Effect from "effect/Effect"
import * as ContentDisposition from "../src/ContentDisposition.ts"
import * as QueryParams from "../src/QueryParams.ts"
import * as RangeHeader from "../src/RangeHeader.ts"

describe("RangeHeader", () => {
  const table: ReadonlyArray<readonly [header: string | undefined, RangeRequest | null]> = [
    [undefined, null],
    ["bytes=0-4", { _tag: "Between", first: 0, last: 4 }],
    ["bytes=5-", { _tag: "Between", first: 5, last: null }],
    ["bytes=-5", { _tag: "Last", count: 5 }],
    ["bytes= 0 - 4", { _tag: "Between", first: 0, last: 4 }],
    ["bytes=4-0", null],
    ["bytes=-", null],
    ["bytes=0-1,3-4", null],
    ["lines=0-4", null],
    ["bytes=a-b", null]
  ]
  for (const [header, expected] of table) {
    it(String(header), () => assert.deepStrictEqual(RangeHeader.parse(header), expected))
  }
})

describe("ContentDisposition", () => {
  const table: ReadonlyArray<readonly [filename: string, expected: string]> = [
    ["a b.pdf", 'attachment; filename="a b.pdf"'],
    ['a"b.txt', `attachment; filename="a_b.txt"; filename*=UTF-8''a%22b.txt`],
    ["ü.txt", `attachment; filename="_.txt"; filename*=UTF-8''%C3%BC.txt`],
    ["a\r\nx: y", `attachment; filename="a__x: y"; filename*=UTF-8''a%0D%0Ax%3A%20y`],
    ["it's (1)*.txt", `attachment; filename="it's (1)*.txt"`],
    ["\ud800.txt", `attachment; filename="_.txt"; filename*=UTF-8''%EF%BF%BD.txt`]
  ]
  for (const [filename, expected] of table) {
    it(JSON.stringify(filename), () => assert.strictEqual(ContentDisposition.attachment(filename), expected))
  }
})

describe("QueryParams", () => {
  const bounds = { min: 1, max: 100, default: 20 }

  it.effect("reads numbers within their bounds", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* QueryParams.integer(QueryParams.parse("/x"), "limit", bounds), 20)
      assert.strictEqual(yield* QueryParams.integer(QueryParams.parse("/x?limit=100"), "limit", bounds), 100)
      for (const text of ["0", "101", "-1", "1.5", "", "ten", "1e1", "99999999999999999999"]) {
        const params = QueryParams.parse(`/x?limit=${text}`)
        assert.strictEqual((yield* Effect.flip(QueryParams.integer(params, "limit", bounds))).param, "limit")
      }
    })
  )

  it.effect("reads words and texts, and names what is wrong", () =>
    Effect.gen(function* () {
      const params = QueryParams.parse("/x?order=asc&after=&before=b")
      assert.strictEqual(yield* QueryParams.oneOf(params, "order", ["asc", "desc"]), "asc")
      assert.isNull(yield* QueryParams.oneOf(params, "purpose", ["batch"]))
      assert.strictEqual((yield* Effect.flip(QueryParams.oneOf(params, "order", ["desc"]))).param, "order")
      assert.strictEqual((yield* Effect.flip(QueryParams.text(params, "after"))).param, "after")
      assert.strictEqual(yield* QueryParams.text(params, "before"), "b")
    })
  )
})
