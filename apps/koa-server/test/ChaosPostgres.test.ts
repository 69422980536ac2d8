/** A short campaign of `pnpm chaos`: a server is killed, Postgres crashes, providers fail, and nothing is lost. */
import { assert, describe, inject, it } from "vitest"
import * as Campaign from "./chaos/Campaign.ts"
import { type Disturbance, disturbanceAt } from "./chaos/Schedule.ts"

const seed = 7

const disturbances = new Map<number, Disturbance>([
  [15, { _tag: "Kill", server: 0 }],
  [30, { _tag: "RestartPostgres", how: "immediate" }],
  [45, { _tag: "FlushRedis" }]
])

describe.skipIf("missing" in inject("postgres"))("a campaign", () => {
  it("ends with books that agree", { timeout: 180_000 }, async () => {
    const { differences, operations } = await Campaign.run({
      seed,
      operations: 60,
      servers: 2,
      concurrency: 6,
      disturbances: (number) => {
        const drawn = disturbanceAt(seed, number)
        return disturbances.get(number) ?? (drawn?._tag === "Provider" ? drawn : undefined)
      },
      say: () => {}
    })
    assert.deepStrictEqual(differences, [])
    assert.isAbove(operations.get("Upload answered") ?? 0, 10)
    assert.isAbove(operations.get("Delete answered") ?? 0, 0)
    assert.isAbove(operations.get("Batch answered") ?? 0, 0)
  })
})
