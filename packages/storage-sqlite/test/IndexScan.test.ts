import { assert, describe, it } from "@effect/vitest"
import type { Scan } from "@omnifile/core/RegistryBackend"
import { DatabaseSync } from "node:sqlite"
import * as IndexScan from "../src/IndexScan.ts"
import { migrate } from "../src/Migrations.ts"

/** How SQLite carries out the statements of a scan. */
const plansOf = (scan: Scan): ReadonlyArray<string> => {
  const db = new DatabaseSync(":memory:")
  migrate(db)
  const plans: Array<string> = []
  const explaining: Pick<DatabaseSync, "prepare"> = {
    prepare: (sql) => {
      const parameters = Array.from({ length: sql.split("?").length - 1 }, () => 1)
      for (const { detail } of db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters)) plans.push(String(detail))
      return db.prepare(sql)
    }
  }
  IndexScan.make(explaining)(scan)
  return plans
}

const after = { sort: "1", key: "a" }
const scans = (["asc", "desc"] as const).flatMap((order) =>
  [["p"], ["p", "q"], ["p", "q", "r", "s", "t"]].flatMap((partitions) =>
    [{}, { after }, { until: "2" }, { after, until: "2" }].map((bounds) => ({
      collection: "c",
      index: "i",
      limit: 100,
      order,
      partitions,
      ...bounds
    }))
  )
)

describe("a scan", () => {
  it.each(scans)("reads ranges of the index in order: $order $partitions $after $until", (scan) => {
    const plans = plansOf(scan)
    assert.isNotEmpty(plans)
    const searches = plans.filter((plan) => plan.startsWith("SEARCH entries USING PRIMARY KEY"))
    assert.strictEqual(searches.length, scan.partitions.length)
    const bound = "after" in scan ? /\(sort,key\)[<>]\(\?,\?\)/ : "until" in scan ? /sort[<>]\?/ : /partition=\?/
    for (const search of searches) assert.match(search, bound)
    // A sort would read the whole range before the first record.
    assert.notInclude(plans.join("\n"), "TEMP B-TREE")
    assert.notMatch(plans.join("\n"), /SCAN (entries|records)/)
  })

  it("prepares one statement for each shape", () => {
    const db = new DatabaseSync(":memory:")
    migrate(db)
    let prepared = 0
    const scan = IndexScan.make({
      prepare: (sql) => {
        prepared++
        return db.prepare(sql)
      }
    })
    for (const limit of [1, 2, 3]) {
      for (const partition of ["p", "q"]) {
        scan({ collection: "c", index: "i", partitions: [partition], order: "asc", limit })
        scan({ collection: "c", index: "i", partitions: [partition], order: "asc", limit, after })
      }
    }
    assert.strictEqual(prepared, 2)
  })
})
