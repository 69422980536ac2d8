import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as WebhookSchedule from "../src/WebhookSchedule.ts"

/** All tries of an event that nobody ever accepts. */
const tries = (retryAfter: number | null, jitter: number): ReadonlyArray<number> => {
  const times = [0]
  for (;;) {
    const next = WebhookSchedule.next({ createdAt: 0, attempts: times.length, retryAfter, jitter }, times.at(-1) ?? 0)
    if (next === null) return times
    times.push(next)
  }
}

const hour = 3_600_000

describe("webhooks that are not accepted", () => {
  it("are tried at growing intervals for three days", () => {
    assert.deepStrictEqual(
      tries(null, 0).map((at) => at / 1000),
      [0, 5, 305, 2_105, 9_305, 27_305, 63_305, 113_705, 164_105, 214_505]
    )
  })

  it("never wait less than asked, nor more than a day, and always come to an end", () => {
    fc.assert(
      fc.property(fc.option(fc.nat(100 * hour)), fc.double({ min: 0, max: 1, noNaN: true }), (retryAfter, jitter) => {
        const times = tries(retryAfter, jitter)
        assert.isAtMost(times.at(-1) ?? 0, WebhookSchedule.patience)
        times.slice(1).forEach((at, index) => {
          const pause = at - (times[index] ?? 0)
          assert.isAtLeast(pause, Math.min(retryAfter ?? 0, 24 * hour))
          assert.isAtMost(pause, 24 * hour)
        })
      })
    )
  })
})
