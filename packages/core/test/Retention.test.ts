import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { job, reading } from "./support/jobs.ts"
import { alice, aliceInRed, daveInBlue, robotOfRed } from "./support/principals.ts"
import { advance } from "./support/time.ts"
import * as World from "./support/World.ts"

const hour = 3_600_000

const world = (teams: ReadonlyArray<readonly [string, number]>) =>
  World.make({ settings: { maintenanceInterval: 60_000, instanceTtl: 600_000, retention: new Map(teams) } })

describe("retention", () => {
  it.effect("takes files of a team that are too old, with their copies, and no others", () =>
    Effect.gen(function* () {
      const { provider, start } = yield* world([["red", hour]])
      const instance = yield* start()
      const old = yield* instance.upload({ principal: aliceInRed })
      yield* instance.upload({ principal: robotOfRed })
      const kept = [yield* instance.upload({ principal: alice }), yield* instance.upload({ principal: daveInBlue })]
      yield* advance(hour - 120_000, 60_000)
      const young = yield* instance.upload({ principal: aliceInRed })
      assert.strictEqual(provider.files().length, 10)
      yield* advance(240_000, 60_000)
      assert.strictEqual(provider.files().length, 6)
      const gone = yield* Effect.flip(instance.retrieve(old.id ?? "", aliceInRed))
      assert.strictEqual(gone._tag, "NotFound")
      for (const [file, principal] of [
        [young, aliceInRed],
        [kept[0], alice],
        [kept[1], daveInBlue]
      ] as const) {
        assert.strictEqual((yield* instance.retrieve(file?.id ?? "", principal)).id, file?.id)
      }
    })
  )

  it.effect("leaves what a job reads until the job is over", () =>
    Effect.gen(function* () {
      const { provider, start } = yield* world([["red", hour]])
      const instance = yield* start()
      const file = yield* instance.upload({ principal: aliceInRed })
      const reader = job("j", { reads: [reading(file.key)], dueAt: null })
      yield* instance.registry.commit([instance.registry.jobs.change(0, reader)])
      yield* advance(2 * hour, 300_000)
      assert.strictEqual(provider.files().length, 2)
      yield* instance.registry.commit([instance.registry.jobs.removal(1, "j")])
      yield* advance(300_000, 60_000)
      assert.deepStrictEqual(provider.files(), [])
    })
  )

  it.effect("reads nothing but what is too old", () =>
    Effect.gen(function* () {
      const { start } = yield* world([["red", hour]])
      const instance = yield* start()
      for (let count = 0; count < 5; count++) yield* instance.upload({ principal: aliceInRed })
      const found = yield* instance.registry.listFiles({
        scopes: ["team:red"],
        purpose: null,
        order: "asc",
        after: undefined,
        until: 0,
        limit: 100
      })
      assert.deepStrictEqual(found, [])
    })
  )
})
