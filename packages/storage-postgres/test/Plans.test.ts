import { assert, it } from "@effect/vitest"
import type { Scan } from "@omnifile/core/RegistryBackend"
import * as Effect from "effect/Effect"
import { changesStatement } from "../src/ChangeFeed.ts"
import type { Client } from "../src/Database.ts"
import { scanStatement } from "../src/IndexScan.ts"
import * as PostgresRegistry from "../src/PostgresRegistry.ts"
import { forgetStatement, readStatement, type Statement } from "../src/Records.ts"
import { describePostgres, newOptions, openClient } from "./support/database.ts"
import * as Redacted from "effect/Redacted"

const options = newOptions()

/** How the server carries out a statement that it plans for any parameters, as it does for a prepared one. */
const planOf = async (client: Client, { parameters, text }: Statement): Promise<string> =>
  client.begin(async (sql) => {
    await sql`SET LOCAL plan_cache_mode = force_generic_plan`
    const rows = await sql.unsafe(`EXPLAIN (ANALYZE, BUFFERS) ${text}`, [...parameters], { prepare: true })
    return rows.map((row) => String(row["QUERY PLAN"])).join("\n")
  })

const files = 20_000

const writer = "00000000-0000-4000-8000-000000000000"

const filled = Effect.gen(function* () {
  yield* PostgresRegistry.make(options)
  const client = yield* openClient(Redacted.value(options.url), 1)
  yield* Effect.promise(
    () => client`
      WITH made AS (
        INSERT INTO records (collection, key, version, value, entries)
        SELECT 'files', 'file-' || n, 1, '{}', '[]' FROM generate_series(1, ${files}::int) AS n
        ON CONFLICT DO NOTHING RETURNING key
      )
      INSERT INTO entries (collection, "index", partition, sort, key)
      SELECT 'files', 'list', partition, lpad(substr(key, 6), 9, '0'), key
      FROM made, unnest(ARRAY['user:alice', 'team:research']) AS partition`
  )
  return client
})

const after = { sort: "000010000", key: "file-10000" }
const scans = (["asc", "desc"] as const).flatMap((order) =>
  [["user:alice"], ["user:alice", "team:research", "none"]].flatMap((partitions) =>
    [{}, { after }, { until: "000015000" }, { after, until: "000015000" }].map((bounds): Scan => ({
      collection: "files",
      index: "list",
      limit: 100,
      order,
      partitions,
      ...bounds
    }))
  )
)

/** Reads a table from its begin to its end, or sorts more than a page. */
const isSlow = /Seq Scan|Bitmap|external|Rows Removed by (Filter|Join Filter): \d{4}/

describePostgres("the plans", () => {
  it.live("of pages read ranges of the index, and no more rows than the pages hold", () =>
    Effect.gen(function* () {
      const client = yield* filled
      for (const scan of scans) {
        const plan = yield* Effect.promise(() => planOf(client, scanStatement(scan)))
        assert.match(plan, /Index (Only )?Scan (Backward )?using entries_pkey/, plan)
        assert.match(plan, /Index Scan using records_pkey/, plan)
        assert.notMatch(plan, isSlow, plan)
        // Not a way down the index for each record.
        assert.isAtMost(Number(/Buffers: shared hit=(\d+)/.exec(plan)?.[1]), 120, plan)
        for (const [, rows] of plan.matchAll(/actual time=\S+ rows=(\d+)/g)) assert.isAtMost(Number(rows), 300, plan)
      }
    })
  )

  it.live("of reads and of the feed of changes use indexes", () =>
    Effect.gen(function* () {
      const client = yield* filled
      const statements = [
        [readStatement("files", ["file-1"]), /Index Scan using records_pkey/],
        [readStatement("files", ["file-1", "file-2", "none"]), /Index Scan using records_pkey/],
        [changesStatement({ snapshot: "10:10:", origin: null }, writer), /Index Scan using commits_transaction/],
        [changesStatement({ snapshot: "10:10:", origin: "known" }, writer), /Index Scan using commits_transaction/],
        [forgetStatement("10 minutes", 5_000), /Index Scan using commits_committed_at/]
      ] as const
      for (const [statement, index] of statements) {
        const plan = yield* Effect.promise(() => planOf(client, statement))
        assert.match(plan, index, plan)
        assert.notMatch(plan, isSlow, plan)
      }
    })
  )
})
