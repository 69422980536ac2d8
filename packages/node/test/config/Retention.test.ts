import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { itTells, parse, text } from "./support.ts"

describe("retention in a configuration", () => {
  it.effect("is told for each team", () =>
    Effect.gen(function* () {
      const configuration = yield* parse(
        text({ key: "key: client-1, team: research", more: "retention: { teams: { research: 30d } }\n" })
      )
      assert.deepStrictEqual(configuration.files, { retention: new Map([["research", 30 * 24 * 60 * 60 * 1_000]]) })
    })
  )

  itTells({
    title: "is told when it is wrong",
    yaml: text({ key: "key: client-1", more: "retention: { teams: { research: long, blue: 0d } }\n" }),
    problems: [
      "7:33 retention.teams.research: must be a duration such as 30m, 24h or 7d, up to 3650d",
      "7:45 retention.teams.blue: must be a duration such as 30m, 24h or 7d, up to 3650d"
    ]
  })
})
