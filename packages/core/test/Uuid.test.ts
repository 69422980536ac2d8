import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { vi } from "vitest"
import * as Uuid from "../src/Uuid.ts"

const versionSeven = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const known = "0192b3c4-5678-7abc-8def-0123456789ab"
const knownBytes = Uint8Array.of(
  1,
  0x92,
  0xb3,
  0xc4,
  0x56,
  0x78,
  0x7a,
  0xbc,
  0x8d,
  0xef,
  1,
  0x23,
  0x45,
  0x67,
  0x89,
  0xab
)

const withBytes = (byte: number) =>
  Effect.provideService(
    Uuid.Uuids,
    Uuid.makeGenerator((size) => new Uint8Array(size).fill(byte))
  )

const assertIncreasing = (uuids: ReadonlyArray<string>) => {
  for (let index = 1; index < uuids.length; index++) assert.isTrue(uuids[index - 1]! < uuids[index]!)
}

describe("make", () => {
  it.effect("writes the clock's milliseconds and random bits as version 7", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 10, 22))
      const uuid = yield* Uuid.make
      assert.match(uuid, versionSeven)
      assert.strictEqual(uuid, "01a2008d-7400-77ff-bfff-ffffffffffff")
      assert.deepStrictEqual(Uuid.timestampMillis(uuid), Option.some(Date.UTC(2026, 10, 22)))
    }).pipe(withBytes(0xff))
  )

  it.effect("increases within one millisecond, however random bytes fall", () =>
    Effect.gen(function* () {
      for (const byte of [0, 0x80, 0xff]) {
        const uuids = yield* Effect.replicateEffect(Uuid.make, 10_000).pipe(withBytes(byte))
        assertIncreasing(uuids)
      }
    })
  )

  it.effect("increases when the clock moves back, and follows it again later", () =>
    Effect.gen(function* () {
      const uuids: Array<string> = []
      for (const time of [5000, 5000, 4000, 0, 4999, 5001, 9000, 8999]) {
        yield* TestClock.setTime(time)
        uuids.push(yield* Uuid.make)
      }
      assertIncreasing(uuids)
      assert.deepStrictEqual(
        uuids.map((uuid) => Option.getOrThrow(Uuid.timestampMillis(uuid))),
        [5000, 5000, 5000, 5000, 5000, 5001, 9000, 9000]
      )
    }).pipe(withBytes(0xff))
  )

  it.live("needs nothing provided and never repeats", () =>
    Effect.gen(function* () {
      const before = Date.now()
      // The module itself remembers the latest time, which other tests have set ahead.
      vi.resetModules()
      const { make } = yield* Effect.promise(() => import("../src/Uuid.ts"))
      const uuids = yield* Effect.replicateEffect(make, 5000)
      assertIncreasing(uuids)
      for (const uuid of uuids) assert.match(uuid, versionSeven)
      const made = Option.getOrThrow(Uuid.timestampMillis(uuids[0]!))
      assert.isAtLeast(made, before)
      assert.isAtMost(made, Date.now())
    })
  )
})

describe("bytes and text", () => {
  it("are the same UUID", () => {
    assert.deepStrictEqual(Uuid.toBytes(known), Option.some(knownBytes))
    assert.deepStrictEqual(Uuid.fromBytes(knownBytes), Option.some(known))
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const text = Option.getOrThrow(Uuid.fromBytes(bytes))
        assert.strictEqual(text.length, 36)
        assert.deepStrictEqual(Uuid.toBytes(text), Option.some(bytes))
      })
    )
  })

  it("refuse every other form and length", () => {
    const wrong = [
      "",
      known.toUpperCase(),
      `${known} `,
      `${known}\n`,
      known.replaceAll("-", ""),
      known.slice(1),
      `{${known}}`
    ]
    for (const text of wrong) assert.isTrue(Option.isNone(Uuid.toBytes(text)), text)
    for (const length of [0, 15, 17]) assert.isTrue(Option.isNone(Uuid.fromBytes(new Uint8Array(length))))
  })
})

describe("timestampMillis", () => {
  it("is the first 48 bits of a version 7 UUID", () => {
    assert.deepStrictEqual(Uuid.timestampMillis(known), Option.some(0x0192b3c45678))
    assert.deepStrictEqual(Uuid.timestampMillis("ffffffff-ffff-7000-8000-000000000000"), Option.some(2 ** 48 - 1))
  })

  it("is none for other versions and other text", () => {
    for (const text of ["fc7f2ea5-0f50-49f6-89c1-7e6a54b12138", "", "7", known.toUpperCase(), `${known}0`]) {
      assert.isTrue(Option.isNone(Uuid.timestampMillis(text)), text)
    }
  })
})
