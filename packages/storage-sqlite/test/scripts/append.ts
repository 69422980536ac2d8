/** Commits one step after the other, prints each as soon as it is acknowledged, and never ends. */
import { RegistryBackend } from "@omnifile/core/RegistryBackend"
import * as Effect from "effect/Effect"
import { writeSync } from "node:fs"
import * as SqliteRegistry from "../../src/SqliteRegistry.ts"

const [filename = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const backend = yield* RegistryBackend
  for (;;) {
    const [last] = yield* backend.read("steps", ["last"])
    const step = Number(last?.value ?? 0) + 1
    yield* backend.commit([
      { collection: "steps", key: "last", expected: last?.version ?? 0, record: { value: String(step), entries: [] } },
      ...["a", "b", "c"].map((part) => ({
        collection: "parts",
        key: `${part}-${step}`,
        expected: 0,
        record: {
          value: `"${"x".repeat(5_000)}"`,
          entries: [{ index: "parts", partitions: ["all"], sort: String(step) }]
        }
      }))
    ])
    // Unlike the streams, this has reached the reader before the next step begins.
    writeSync(1, `${step}\n`)
  }
})

await Effect.runPromise(Effect.provide(program, SqliteRegistry.layer({ filename })))
