import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import { Account, defaultPolicy } from "../src/Account.ts"

const account = new Account({
  id: "main",
  provider: "openai",
  baseUrl: "https://api.openai.com/v1",
  apiKey: Redacted.make("sk-secret"),
  headers: { "x-gateway-token": "secret-token" },
  exclusive: false,
  policy: defaultPolicy
})

describe("an account that is written out", () => {
  const written: Readonly<Record<string, (value: unknown) => string>> = {
    "as JSON": (value) => JSON.stringify({ value }),
    "by the console": (value) => inspect({ value }, { depth: 9 }),
    "as a text": (value) => String(value)
  }
  for (const [how, write] of Object.entries(written)) {
    it(`${how} shows its ID, and neither its key nor the values of its headers`, () => {
      const text = write(account)
      assert.include(text, "main")
      assert.include(text, "x-gateway-token")
      assert.notInclude(text, "sk-secret")
      assert.notInclude(text, "secret-token")
    })
  }

  it.effect("is as silent in a log", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.formatJson, (line) => void lines.push(line))
      yield* Effect.provide(
        Effect.andThen(Effect.log("opened", account), Effect.annotateLogs(Effect.log("annotated"), { account })),
        Logger.layer([logger])
      )
      assert.lengthOf(lines, 2)
      for (const line of lines) assert.notInclude(line, "secret-token")
    })
  )

  it("still has them", () => {
    assert.strictEqual(account.headers["x-gateway-token"], "secret-token")
    assert.deepStrictEqual(new Account({ ...account, id: "other" }).headers, account.headers)
  })
})
