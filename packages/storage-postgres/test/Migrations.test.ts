import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { migrate, migrations, type Step } from "../src/Migrations.ts"
import type { Client } from "../src/Database.ts"
import * as PostgresRegistry from "../src/PostgresRegistry.ts"
import { connectionOf, describePostgres, newUrl, openClient } from "./support/database.ts"
import * as Redacted from "effect/Redacted"

const steps: ReadonlyArray<Step> = [
  { sql: "CREATE TABLE one (a int)", servesFrom: 1 },
  { sql: "CREATE TABLE two (a int); INSERT INTO one VALUES (2)", servesFrom: 1 },
  { sql: "CREATE TABLE three (a int)", servesFrom: 2 }
]

const tables = async (client: Client, schema: string): Promise<ReadonlyArray<unknown>> =>
  (await client`SELECT tablename FROM pg_tables WHERE schemaname = ${schema} ORDER BY tablename`).map(
    (row) => row["tablename"]
  )

const setUp = Effect.gen(function* () {
  const url = newUrl()
  const client = yield* openClient(url)
  const { schema } = connectionOf(url)
  return { url, client, schema, migrateTo: (count: number) => migrate(client, schema, steps.slice(0, count)) }
})

describePostgres("migrate", () => {
  it.live.each([0, 1, 2, 3])("brings a schema of version %s up to date, each step once", (version) =>
    Effect.gen(function* () {
      const { client, migrateTo, schema } = yield* setUp
      yield* Effect.promise(async () => {
        if (version > 0) await migrateTo(version)
        await migrateTo(3)
        await migrateTo(3)
        assert.deepStrictEqual(await tables(client, schema), ["one", "schema_versions", "three", "two"])
        assert.strictEqual((await client`SELECT a FROM one`).length, 1)
      })
    })
  )

  it.live("applies nothing of a release whose last step fails", () =>
    Effect.gen(function* () {
      const { client, migrateTo, schema } = yield* setUp
      yield* Effect.promise(async () => {
        await migrateTo(1)
        const broken = [...steps.slice(0, 2), { sql: "CREATE TABLE one (a int)", servesFrom: 1 }]
        const error = await migrate(client, schema, broken).then(
          () => undefined,
          (cause: unknown) => cause
        )
        assert.match(String(error), /already exists/)
        assert.deepStrictEqual(await tables(client, schema), ["one", "schema_versions"])
        await migrateTo(3)
      })
    })
  )

  it.live("lets an earlier release work on a schema that still serves it, and no other", () =>
    Effect.gen(function* () {
      const { client, migrateTo, schema } = yield* setUp
      yield* Effect.promise(async () => {
        await migrateTo(3)
        await migrateTo(2)
        const error = await migrateTo(1).catch((cause: unknown) => cause)
        assert.match(String(error), /version 3.*up to 1/)
        assert.include(await tables(client, schema), "three")
      })
    })
  )

  it.live("refuses a schema of another application", () =>
    Effect.gen(function* () {
      const { client, schema, url } = yield* setUp
      yield* Effect.promise(() => client.unsafe(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.theirs (a int)`))
      const { reason } = yield* Effect.flip(PostgresRegistry.make({ url: Redacted.make(url) }))
      assert.strictEqual(reason._tag, "Corrupt")
      assert.deepStrictEqual(yield* Effect.promise(() => tables(client, schema)), ["theirs"])
    })
  )

  it.live("by many instances at once succeeds for all, and is done once", () =>
    Effect.gen(function* () {
      const { client, schema, url } = yield* setUp
      const instances = yield* Effect.forEach(
        Array.from({ length: 8 }),
        () => PostgresRegistry.make({ url: Redacted.make(`${url}&max_connections=1`) }),
        { concurrency: "unbounded" }
      )
      yield* Effect.forEach(instances, (backend, index) =>
        backend.commit([{ collection: "c", key: `k${index}`, expected: 0, record: { value: "1", entries: [] } }])
      )
      yield* Effect.promise(async () => {
        assert.strictEqual((await client`SELECT FROM schema_versions`).length, 2)
        assert.deepStrictEqual(await tables(client, schema), [
          "blob_chunks",
          "blob_uploads",
          "blobs",
          "commits",
          "entries",
          "records",
          "schema_versions"
        ])
      })
    })
  )
})

/** What a later release may do to the tables that this one uses. */
const later: Step = {
  sql: `
    ALTER TABLE records ADD COLUMN noted_at timestamptz NOT NULL DEFAULT now();
    ALTER TABLE commits ADD COLUMN note text;
    CREATE INDEX records_noted_at ON records (noted_at);
    CREATE TABLE notes (key text PRIMARY KEY)`,
  servesFrom: 1
}

const put = (key: string, expected: number) => [
  { collection: "c", key, expected, record: { value: String(expected + 1), entries: [] } }
]

describePostgres("while an installation is brought up to date", () => {
  it.live.each(migrations.map((_, index) => index))("what was written at version %s is still there", (version) =>
    Effect.gen(function* () {
      const { client, schema, url } = yield* setUp
      yield* Effect.promise(() => migrate(client, schema, migrations.slice(0, version)))
      if (version > 0) {
        yield* Effect.promise(
          () => client`INSERT INTO records (collection, key, version, value, entries) VALUES ('c', 'a', 7, '7', '[]')`
        )
      }
      const backend = yield* PostgresRegistry.make({ url: Redacted.make(url) })
      yield* backend.commit(put("a", version > 0 ? 7 : 0))
      assert.strictEqual((yield* backend.read("c", ["a"]))[0]?.version, version > 0 ? 8 : 1)
    })
  )

  it.live("an instance of the release before goes on, and can be started again", () =>
    Effect.gen(function* () {
      const { client, schema, url } = yield* setUp
      const before = yield* PostgresRegistry.make({ url: Redacted.make(url) })
      yield* before.commit(put("a", 0))
      // Its statements are prepared on connections that it keeps.
      yield* before.read("c", ["a"])
      yield* Effect.promise(() => migrate(client, schema, [...migrations, later]))
      assert.strictEqual((yield* before.read("c", ["a"]))[0]?.version, 1)
      yield* before.commit(put("a", 1))
      yield* before.commit(put("b", 0))
      yield* before.drainInvalidations
      const startedAgain = yield* PostgresRegistry.make({ url: Redacted.make(url) })
      yield* startedAgain.commit(put("a", 2))
      assert.strictEqual((yield* before.read("c", ["a"]))[0]?.version, 3)
      const seen = yield* before.drainInvalidations.pipe(
        Effect.tap(() => Effect.sleep("2 millis")),
        Effect.repeat({ until: ({ _tag }) => _tag !== "Nothing" })
      )
      assert.deepStrictEqual(seen, { _tag: "Keys", keys: [{ collection: "c", key: "a" }] })
    })
  )
})
