import { assert, describe, it, onTestFinished } from "@effect/vitest"
import * as ScriptProcess from "@omnifile/testkit/suites/ScriptProcess"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as SqliteRegistry from "../src/SqliteRegistry.ts"
import { temporaryDirectory } from "./temporary.ts"

const directory = temporaryDirectory()

const start = (script: string, ...args: ReadonlyArray<string>): ScriptProcess.ScriptProcess => {
  const started = ScriptProcess.start(new URL(`./scripts/${script}.ts`, import.meta.url), ...args)
  onTestFinished(started.kill)
  return started
}

const assertIntact = (filename: string): void => {
  const db = new DatabaseSync(filename, { readOnly: true })
  assert.deepStrictEqual({ ...db.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" })
  const orphans =
    "SELECT count(*) AS count FROM entries LEFT JOIN records ON records.id = record WHERE records.id IS NULL"
  assert.deepStrictEqual({ ...db.prepare(orphans).get() }, { count: 0 })
  db.close()
}

const keysOf = Effect.fnUntraced(function* (filename: string, collection: string, partition: string) {
  const backend = yield* SqliteRegistry.make({ filename })
  const scan = { collection, index: collection, partitions: [partition], order: "asc" as const, limit: 1_000_000 }
  return (yield* backend.scan(scan)).map(({ key }) => key)
})

describe("two processes that commit to one database", () => {
  it("lose nothing and see no error but conflicts", { timeout: 60_000 }, async () => {
    const filename = join(directory, "shared.db")
    const processes = ["one", "two"].map((name) => start("increment", filename, name))
    for (const { readLine } of processes) assert.strictEqual(await readLine(), "ready")
    for (const { writeLine } of processes) writeLine("go")
    const conflicts = await Promise.all(processes.map(({ readLine }) => readLine()))
    assert.deepStrictEqual(await Promise.all(processes.map(({ exitCode }) => exitCode)), [0, 0])
    assert.isAbove(
      conflicts.reduce((sum, count) => sum + Number(count), 0),
      0,
      "the processes did not meet"
    )

    const [counter, all, one] = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const backend = yield* SqliteRegistry.make({ filename })
          const [counter] = yield* backend.read("counters", ["counter"])
          return [counter, yield* keysOf(filename, "steps", "all"), yield* keysOf(filename, "steps", "one")]
        })
      )
    )
    assert.deepStrictEqual({ ...counter }, { key: "counter", version: 1_000, value: "1000" })
    assert.strictEqual(new Set(all).size, 1_000)
    assert.strictEqual(new Set(one).size, 500)
    assertIntact(filename)
  })
})

describe("a process that is killed while it commits", () => {
  it("has kept every commit that was acknowledged, and each as a whole", { timeout: 60_000 }, async () => {
    const filename = join(directory, "killed.db")
    for (const commits of [1, 7, 40, 150, 3]) {
      const writer = start("append", filename)
      let acknowledged = 0
      for (let line = 0; line < commits; line++) acknowledged = Number(await writer.readLine())
      await writer.kill()
      // What it had still written before it was killed.
      for (let line = await writer.readLine(); line !== undefined; line = await writer.readLine()) {
        acknowledged = Number(line)
      }

      const [last, parts] = await Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const backend = yield* SqliteRegistry.make({ filename })
            const [last] = yield* backend.read("steps", ["last"])
            return [Number(last?.value), yield* keysOf(filename, "parts", "all")]
          })
        )
      )
      assert.include([acknowledged, acknowledged + 1], last)
      const expected = Array.from({ length: last }, (_, step) => ["a", "b", "c"].map((part) => `${part}-${step + 1}`))
      assert.deepStrictEqual(parts.toSorted(), expected.flat().toSorted())
      assertIntact(filename)
    }
  })
})
