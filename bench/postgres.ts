/**
 * Pages and records in Postgres at two sizes of the registry, by turns, with their plans. See docs/performance.md.
 *
 * ```sh
 * node bench/postgres.ts                   # 1,000,000 files with 5 replicas each, in a Postgres of its own
 * node bench/postgres.ts 100000 2          # fewer
 * ```
 */
import * as ConnectionUrl from "@omnifile/storage-postgres/ConnectionUrl"
import * as Database from "@omnifile/storage-postgres/Database"
import { scanStatement } from "@omnifile/storage-postgres/IndexScan"
import * as Migrations from "@omnifile/storage-postgres/Migrations"
import { readStatement, type Statement } from "@omnifile/storage-postgres/Records"
import * as PostgresServer from "@omnifile/testkit/servers/PostgresServer"
import * as Result from "effect/Result"
import { createHash } from "node:crypto"

const [files = 1_000_000, replicas = 5] = process.argv.slice(2).map(Number)
const sizes = [1_000, files]
const rounds = 600

const firstMillis = 1_700_000_000_000

/** About what a replica adds to the JSON of its file's record. */
const replicaBytes = 260

/** The UUID of version 7 that a file of the n-th millisecond would have. */
const keyOf =
  `lpad(to_hex(${firstMillis} + n), 12, '0') || '-7' || substr(md5(n::text), 1, 3) || '-8' || ` +
  `substr(md5(n::text), 4, 3) || '-' || substr(md5(n::text), 7, 12)`

const sortOf = (n: number): string => String(firstMillis + n).padStart(15, "0")

/** As files with a user and a team are listed, and found by each of their copies. */
const seed = async (client: Database.Client, count: number): Promise<void> => {
  const value = JSON.stringify({ file: "x".repeat(700), replicas: "x".repeat(replicaBytes * replicas) })
  const statements = [
    "SET maintenance_work_mem = '512MB'",
    "ALTER TABLE records DROP CONSTRAINT records_pkey",
    "ALTER TABLE entries DROP CONSTRAINT entries_pkey",
    `INSERT INTO records (collection, key, version, value, entries)
     SELECT 'files', ${keyOf}, 1, '${value}', '[]' FROM generate_series(1, ${count}) AS n`,
    `INSERT INTO entries (collection, "index", partition, sort, key)
     SELECT 'files', 'list', partition, lpad((${firstMillis} + n)::text, 15, '0'), ${keyOf}
     FROM generate_series(1, ${count}) AS n, unnest(ARRAY['user:alice', 'team:research']) AS partition`,
    `INSERT INTO entries (collection, "index", partition, sort, key)
     SELECT 'files', 'remote', 'account-' || r || '/file-' || md5(n || '/' || r), '', ${keyOf}
     FROM generate_series(1, ${count}) AS n, generate_series(1, ${replicas}) AS r`,
    "ALTER TABLE records ADD PRIMARY KEY (collection, key)",
    'ALTER TABLE entries ADD PRIMARY KEY (collection, "index", partition, sort, key)',
    "VACUUM ANALYZE records",
    "VACUUM ANALYZE entries",
    "CHECKPOINT"
  ]
  for (const statement of statements) await client.unsafe(statement)
}

const statementsOf = (count: number): Readonly<Record<string, Statement>> => {
  const page = { collection: "files", index: "list", partitions: ["user:alice", "team:research"], limit: 100 }
  const middle = Math.floor(count / 2)
  const copy = `account-1/file-${createHash("md5").update(`${middle}/1`).digest("hex")}`
  return {
    "first page of 100": scanStatement({ ...page, order: "desc" }),
    "page of 100 from the middle": scanStatement({ ...page, order: "desc", after: { sort: sortOf(middle), key: "" } }),
    "the file of a copy": scanStatement({ ...page, index: "remote", partitions: [copy], order: "asc", limit: 1 }),
    "one record by its key": readStatement("files", ["018bcfe5-687b-7000-8000-000000000000"])
  }
}

const time = async (client: Database.Client, { parameters, text }: Statement): Promise<number> => {
  const begun = performance.now()
  await client.unsafe(text, [...parameters], { prepare: true })
  return performance.now() - begun
}

const median = (times: ReadonlyArray<number>): number => times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0

const planOf = (client: Database.Client, { parameters, text }: Statement): Promise<string> =>
  client.begin(async (sql) => {
    await sql`SET LOCAL plan_cache_mode = force_generic_plan`
    const options = "ANALYZE, BUFFERS, COSTS OFF, TIMING OFF"
    const rows = await sql.unsafe(`EXPLAIN (${options}) ${text}`, [...parameters], { prepare: true })
    return rows.map((row) => String(row["QUERY PLAN"])).join("\n")
  })

const server = await PostgresServer.start()
try {
  const clients: Array<{ readonly count: number; readonly client: Database.Client }> = []
  for (const count of sizes) {
    const url = `${server.url}?schema=files_${count}&statement_timeout=3600000`
    const client = Database.open(Result.getOrThrow(ConnectionUrl.parse(url)), 1)
    await Migrations.migrate(client, `files_${count}`)
    await seed(client, count)
    clients.push({ count, client })
  }
  for (const name of Object.keys(statementsOf(1_000))) {
    const times = clients.map(() => [] as Array<number>)
    for (let round = 0; round < rounds; round++) {
      for (const [index, { client, count }] of clients.entries()) {
        const statement = statementsOf(count)[name]
        if (statement !== undefined) times[index]?.push(await time(client, statement))
      }
    }
    const medians = times.map(median)
    const ratio = (medians[1] ?? 0) / (medians[0] ?? 1)
    console.log(`| ${name} | ${medians.map((value) => value.toFixed(2)).join(" | ")} | ${ratio.toFixed(2)} |`)
  }
  const largest = clients.at(-1)
  if (largest !== undefined) {
    const statements = Object.entries(statementsOf(largest.count))
    for (const [name, statement] of statements) console.log(`\n${name}\n${await planOf(largest.client, statement)}`)
    const [size] = await largest.client`
      SELECT pg_size_pretty(pg_total_relation_size('records')) AS records, pg_size_pretty(pg_total_relation_size('entries')) AS entries`
    console.log(size)
  }
  for (const { client } of clients) await Database.close(client)
} finally {
  await server.stop()
}
