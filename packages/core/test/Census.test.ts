import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Census from "../src/Census.ts"
import { type Replica, update } from "../src/ManagedFile.ts"
import * as Registry from "../src/Registry.ts"
import * as Backend from "../src/RegistryBackend.ts"
import { replica, row } from "./support/rows.ts"
import { advance } from "./support/time.ts"

const copy = (state: (typeof Replica.Type)["state"]): Replica => replica({ state })

/** What the gauge says of copies in a state. */
const counted = (state: string) =>
  Effect.map(Metric.snapshot, (metrics) => {
    const found = metrics.find(({ attributes, id }) => id === "omnifile_replicas" && attributes?.["state"] === state)
    return found?.type === "Gauge" ? Number(found.state.value) : undefined
  })

describe("the census", () => {
  it.effect("counts the copies of many files page by page, while nobody waits for long", () =>
    Effect.gen(function* () {
      let scans = 0
      const memory = Backend.makeMemory()
      const backend = Layer.succeed(Backend.RegistryBackend, {
        ...memory,
        scan: (scan) => {
          if (scan.index === "list") scans++
          return memory.scan(scan)
        }
      })
      const context = yield* Layer.build(Layer.provide(Registry.layer, backend))
      yield* Effect.gen(function* () {
        const registry = yield* Registry.Registry
        const rows = Array.from({ length: 1_100 }, (_, index) =>
          update(row(`file-${index}`), { state: "ready", replicas: [copy(index < 100 ? "expired" : "ready")] })
        )
        yield* registry.commit(rows.map((file) => registry.fileChange(0, file)))
        const take = yield* Census.make
        const look = yield* Effect.forkChild(take)
        yield* advance(100)
        assert.strictEqual(scans, 1)
        yield* advance(1_000)
        yield* Fiber.join(look)
        assert.strictEqual(scans, 3)
        assert.strictEqual(yield* counted("ready"), 1_000)
        assert.strictEqual(yield* counted("expired"), 100)
        // It was done just now.
        yield* take
        assert.strictEqual(scans, 3)
      }).pipe(Effect.provideContext(context))
    })
  )
})
