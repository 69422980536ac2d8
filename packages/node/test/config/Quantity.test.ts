import { assert, describe, it } from "@effect/vitest"
import { parseDuration, parseSize } from "@omnifile/node/config/Quantity"

describe("parseSize", () => {
  for (const [input, bytes] of [
    [1024, 1024],
    ["1024", 1024],
    ["1B", 1],
    ["1kB", 1000],
    ["512MB", 512_000_000],
    ["512 mb", 512_000_000],
    ["64MiB", 67_108_864],
    ["1.5GB", 1_500_000_000],
    ["1GiB", 1_073_741_824],
    ["2TB", 2_000_000_000_000]
  ] as const) {
    it(`takes ${input} for ${bytes} bytes`, () => {
      assert.strictEqual(parseSize(input), bytes)
    })
  }

  for (const input of ["", "MB", "-1MB", "1MBit", "1  MB", "1e3", "0x10", "99999999TB", Infinity, NaN, -1, null, {}]) {
    it(`does not understand ${String(input)}`, () => {
      assert.isUndefined(parseSize(input))
    })
  }
})

describe("parseDuration", () => {
  for (const [input, milliseconds] of [
    ["500ms", 500],
    ["30s", 30_000],
    ["1.5s", 1500],
    ["5m", 300_000],
    ["24h", 86_400_000],
    ["7d", 604_800_000]
  ] as const) {
    it(`takes ${input} for ${milliseconds} milliseconds`, () => {
      assert.strictEqual(parseDuration(input), milliseconds)
    })
  }

  for (const input of [30, "30", "", "s", "-1s", "1w", "1h30m"]) {
    it(`does not understand ${String(input)}`, () => {
      assert.isUndefined(parseDuration(input))
    })
  }
})
