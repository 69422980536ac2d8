import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fc from "fast-check"

import * as binary from "../../src/internal/binary.ts"
import * as identityLayout from "../../src/internal/identityLayout.ts"

const head = [1, ...new Uint8Array(16)]
const text = (value: string) => [...binary.text(value)]
const read = (kind: "file" | "batch", bytes: ReadonlyArray<number>) => identityLayout.read(kind, Uint8Array.from(bytes))

describe("identityLayout", () => {
  it("accepts only the bytes that it writes itself", () => {
    const valid = [...head, ...text("deployment"), ...text("provider id")]
    const mutations = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => [...head, ...bytes]),
      fc.tuple(fc.nat(valid.length - 1), fc.nat(255)).map(([index, byte]) => valid.with(index, byte)),
      fc.uint8Array({ maxLength: 60 }).map((bytes) => [...bytes])
    )
    fc.assert(
      fc.property(fc.constantFrom("file" as const, "batch" as const), mutations, (kind, bytes) => {
        const identity = read(kind, bytes)
        if (Option.isNone(identity)) return
        assert.deepStrictEqual(identityLayout.write(identity.value), Option.some(Uint8Array.from(bytes)))
      }),
      { numRuns: 5000 }
    )
  })

  it("refuses what is not canonical or not complete", () => {
    const valid = [...head, ...text("d"), ...text("p")]
    assert.isTrue(Option.isSome(read("batch", valid)))
    const refused = {
      empty: [],
      "unknown version": valid.with(0, 2),
      "trailing byte": [...valid, 0],
      "missing field": [...head, ...text("d")],
      "cut field": valid.slice(0, -1),
      "long varint": [...head, 0x81, 0x00, 100, ...text("p")],
      "endless varint": [...head, 0x80, 0x80, 0x80, 0x80, 0x80],
      "length beyond the end": [...head, 0xff, 0xff, 0xff, 0x7f],
      "ill-formed UTF-8": [...head, 1, 0xff, ...text("p")],
      "overlong UTF-8": [...head, 2, 0xc0, 0x80, ...text("p")],
      "surrogate in UTF-8": [...head, 3, 0xed, 0xa0, 0x80, ...text("p")]
    }
    for (const [why, bytes] of Object.entries(refused)) assert.isTrue(Option.isNone(read("batch", bytes)), why)
    const modelsBeyondTheEnd = [...head, ...text("t"), 0xff, 0xff, 0xff, 0x7f, 0, 0, 0]
    assert.isTrue(Option.isNone(read("file", modelsBeyondTheEnd)))
  })
})
