/** Adds 500 to a counter that other processes count up too, one at a time, each with a record of its own. */
import { RegistryBackend } from "@omnifile/core/RegistryBackend"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import * as SqliteRegistry from "../../src/SqliteRegistry.ts"

const [filename = "", name = ""] = process.argv.slice(2)

const increment = Effect.fnUntraced(function* (step: number) {
  const backend = yield* RegistryBackend
  const [counter] = yield* backend.read("counters", ["counter"])
  yield* backend.commit([
    {
      collection: "counters",
      key: "counter",
      expected: counter?.version ?? 0,
      record: { value: String(Number(counter?.value ?? 0) + 1), entries: [] }
    },
    {
      collection: "steps",
      key: `${name}-${step}`,
      expected: 0,
      record: { value: "0", entries: [{ index: "steps", partitions: [name, "all"], sort: String(step) }] }
    }
  ])
})

const program = Effect.gen(function* () {
  console.log("ready")
  yield* Effect.promise(() => once(process.stdin, "data"))
  let conflicts = 0
  for (let step = 0; step < 500; step++) {
    yield* Effect.retry(increment(step), {
      while: (error) => {
        if (error.reason._tag !== "Conflict") return false
        conflicts++
        return true
      }
    })
  }
  console.log(conflicts)
  process.stdin.destroy()
})

await Effect.runPromise(Effect.provide(program, SqliteRegistry.layer({ filename })))
