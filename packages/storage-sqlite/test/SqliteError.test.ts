import { assert, describe, it } from "@effect/vitest"
import * as StorageError from "@omnifile/core/StorageError"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { isBusy, toReason } from "../src/SqliteError.ts"
import { temporaryDirectory } from "./temporary.ts"

const directory = temporaryDirectory()

const thrownBy = (run: () => unknown): unknown => {
  try {
    run()
  } catch (cause) {
    return cause
  }
  return assert.fail("it did not throw")
}

const rows = `
  CREATE TABLE t (a TEXT);
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
  INSERT INTO t SELECT hex(randomblob(1000)) FROM n`

describe("toReason", () => {
  it("calls a full disk unavailable", () => {
    const db = new DatabaseSync(":memory:")
    db.exec("PRAGMA max_page_count = 3")
    const cause = thrownBy(() => db.exec(rows))
    assert.match(String(cause), /full/)
    const reason = toReason("a", cause)
    assert.strictEqual(reason._tag, "Unavailable")
    if (reason._tag === "Unavailable") assert.strictEqual(reason.cause, cause)
  })

  it("calls a closed database unavailable", () => {
    const db = new DatabaseSync(":memory:")
    const statement = db.prepare("SELECT 1")
    db.close()
    assert.strictEqual(
      toReason(
        "a",
        thrownBy(() => statement.get())
      )._tag,
      "Unavailable"
    )
    assert.strictEqual(
      toReason(
        "a",
        thrownBy(() => db.prepare("SELECT 1"))
      )._tag,
      "Unavailable"
    )
  })

  it("calls damaged pages and missing tables corrupt, and names the key", () => {
    const filename = join(directory, "damaged.db")
    const whole = new DatabaseSync(filename)
    whole.exec(rows)
    whole.close()
    writeFileSync(filename, readFileSync(filename).fill(0x55, 4_096))
    const damaged = new DatabaseSync(filename)
    for (const sql of ["SELECT * FROM t", "SELECT * FROM missing"]) {
      const reason = toReason(
        "a",
        thrownBy(() => damaged.prepare(sql).all())
      )
      assert.strictEqual(reason._tag, "Corrupt", sql)
      if (reason._tag === "Corrupt") assert.strictEqual(reason.key, "a")
    }
    damaged.close()
  })
})

describe("isBusy", () => {
  const fail = StorageError.of("sqlite")

  it("is true of a lock that another connection holds, and of nothing else", () => {
    const filename = join(directory, "locked.db")
    const [one, other] = [new DatabaseSync(filename), new DatabaseSync(filename)]
    one.exec("BEGIN IMMEDIATE")
    assert.isTrue(
      isBusy(
        fail(
          "commit",
          toReason(
            "a",
            thrownBy(() => other.exec("BEGIN IMMEDIATE"))
          )
        )
      )
    )
    one.close()
    assert.isFalse(
      isBusy(
        fail(
          "commit",
          toReason(
            "a",
            thrownBy(() => one.exec("BEGIN"))
          )
        )
      )
    )
    assert.isFalse(
      isBusy(
        fail(
          "commit",
          toReason(
            "a",
            thrownBy(() => other.exec("SELECT * FROM missing"))
          )
        )
      )
    )
    assert.isFalse(isBusy(fail("commit", new StorageError.Conflict({ key: "a" }))))
    other.close()
  })
})
