import { assert, describe, it } from "@effect/vitest"
import * as ScriptProcess from "@omnifile/testkit/suites/ScriptProcess"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Database from "../src/Database.ts"
import { migrate } from "../src/Migrations.ts"
import * as SqliteRegistry from "../src/SqliteRegistry.ts"
import { temporaryDirectory } from "./temporary.ts"

const directory = temporaryDirectory()

const tables = (db: DatabaseSync): ReadonlyArray<unknown> =>
  db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all()
    .map(({ name }) => name)

const userVersion = (db: DatabaseSync): unknown => db.prepare("PRAGMA user_version").get()?.["user_version"]

describe("migrate", () => {
  const steps = ["CREATE TABLE one (a)", "CREATE TABLE two (a); INSERT INTO one VALUES (2)", "CREATE TABLE three (a)"]

  it("applies the steps that are missing, once and in order", () => {
    const db = new DatabaseSync(":memory:")
    migrate(db, steps.slice(0, 1))
    assert.deepStrictEqual(tables(db), ["one"])
    migrate(db, steps)
    migrate(db, steps)
    assert.deepStrictEqual(tables(db), ["one", "three", "two"])
    assert.deepStrictEqual(db.prepare("SELECT a FROM one").all().length, 1)
    assert.strictEqual(userVersion(db), 3)
  })

  it("applies nothing of a release whose last step fails", () => {
    const db = new DatabaseSync(":memory:")
    migrate(db, steps.slice(0, 1))
    assert.throws(() => migrate(db, [...steps, "CREATE TABLE one (a)"]), /already exists/)
    assert.deepStrictEqual(tables(db), ["one"])
    assert.strictEqual(userVersion(db), 1)
    assert.isFalse(db.isTransaction)
    migrate(db, steps)
    assert.strictEqual(userVersion(db), 3)
  })

  it("refuses a database of a later release", () => {
    const db = new DatabaseSync(":memory:")
    migrate(db, steps)
    assert.throws(() => migrate(db, steps.slice(0, 2)), /schema version 3.*up to 2/)
  })

  it("refuses a database of another application", () => {
    const db = new DatabaseSync(":memory:")
    db.exec("CREATE TABLE theirs (a)")
    assert.throws(() => migrate(db, steps), /another application/)
    assert.deepStrictEqual(tables(db), ["theirs"])
  })
})

describe("opening", () => {
  it.effect("a database of a later release fails, and says why", () =>
    Effect.gen(function* () {
      const filename = join(directory, "later.db")
      const db = Database.open({ filename })
      db.exec("PRAGMA user_version = 99")
      db.close()
      const { reason } = yield* Effect.flip(SqliteRegistry.make({ filename }))
      assert.strictEqual(reason._tag, "Corrupt")
      if (reason._tag === "Corrupt") assert.match(String(reason.cause), /schema version 99/)
    })
  )

  it("makes commits durable unless it is told otherwise", () => {
    const synchronous = (options: Partial<Database.Options>): unknown => {
      const db = Database.open({ filename: join(directory, "durable.db"), ...options })
      const level = db.prepare("PRAGMA synchronous").get()?.["synchronous"]
      db.close()
      return level
    }
    const [normal, full] = [1, 2]
    assert.strictEqual(synchronous({}), full)
    assert.strictEqual(synchronous({ synchronous: "full" }), full)
    assert.strictEqual(synchronous({ synchronous: "normal" }), normal)
  })

  it("a new database by many processes at once succeeds for all", async () => {
    const filename = join(directory, "fresh.db")
    const script = new URL("./scripts/open.ts", import.meta.url)
    const processes = Array.from({ length: 4 }, () => ScriptProcess.start(script, filename))
    for (const { readLine } of processes) assert.strictEqual(await readLine(), "ready")
    for (const { writeLine } of processes) writeLine("open")
    const exitCodes = await Promise.all(processes.map(({ exitCode }) => exitCode))
    assert.deepStrictEqual(exitCodes, [0, 0, 0, 0])
    const db = Database.open({ filename })
    assert.deepStrictEqual(tables(db), ["entries", "records"])
    db.close()
  })
})
