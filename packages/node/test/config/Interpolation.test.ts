import { assert, describe, it } from "@effect/vitest"
import { interpolate } from "@omnifile/node/config/Interpolation"
import * as Result from "effect/Result"
import * as FastCheck from "fast-check"

const env = { NAME: "value", EMPTY: "", NESTED: "${NAME}", _lower1: "x" }

describe("interpolate", () => {
  for (const [text, expected] of [
    ["plain", "plain"],
    ["${NAME}", "value"],
    ["a ${NAME} b ${_lower1}", "a value b x"],
    ["${NAME:-other}", "value"],
    ["${UNSET:-other}", "other"],
    ["${UNSET:-}", ""],
    ["${UNSET:-:-$ a{b}", ":-$ a{b"],
    ["${EMPTY}", ""],
    ["${EMPTY:-other}", "other"],
    ["${NESTED}", "${NAME}"],
    ["$${NAME}", "${NAME}"],
    ["$$${NAME}", "$${NAME}"],
    ["$NAME $$ $", "$NAME $$ $"]
  ] as const) {
    it(`makes ${JSON.stringify(expected)} of ${text}`, () => {
      assert.deepStrictEqual(interpolate(text, env), Result.succeed(expected))
    })
  }

  it("names each variable that is not set", () => {
    assert.deepStrictEqual(
      interpolate("${A}${NAME}${B}", env),
      Result.fail(["A", "B"].map((name) => `the environment variable ${name} is not set, and there is no default`))
    )
  })

  for (const text of ["${}", "${", "${NAME", "${1A}", "${A-b}", "${A:b}", "${ A }", "${__proto__}", "${constructor}"]) {
    it(`refuses ${text}`, () => {
      assert.isTrue(Result.isFailure(interpolate(text, env)))
    })
  }

  it("puts the value in as it is, wherever the reference stands", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string(), FastCheck.string(), FastCheck.string(), (before, value, after) => {
        const [left, right] = [before.replaceAll("$", ""), after.replaceAll("$", "")]
        assert.deepStrictEqual(
          interpolate(`${left}\${VALUE}${right}`, { VALUE: value }),
          Result.succeed(`${left}${value}${right}`)
        )
      })
    )
  })
})
