import { assert, describe, it } from "@effect/vitest"
import * as RegistrySuite from "@omnifile/testkit/RegistrySuite"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { isContinued } from "../src/ChangeFeed.ts"
import * as PostgresRegistry from "../src/PostgresRegistry.ts"
import { connectionOf, describePostgres, newOptions, openClient } from "./support/database.ts"

const shared = newOptions()

describePostgres("Postgres", () => {
  RegistrySuite.suite("postgres", PostgresRegistry.layer(newOptions()))
  RegistrySuite.reopenSuite("postgres", () => PostgresRegistry.layer(shared))
  RegistrySuite.sharedSuite("postgres", () => PostgresRegistry.layer(shared))
})

const insertion = (key: string) => [{ collection: "c", key, expected: 0, record: { value: "1", entries: [] } }]

describePostgres("a record", () => {
  it.live("has the longest key, partition and sort text that there may be, and none can be compressed", () =>
    Effect.gen(function* () {
      const backend = yield* PostgresRegistry.make(newOptions())
      const text = (length: number) => randomBytes(length).toString("base64url").slice(0, length)
      const entry = { index: text(512), partitions: [text(512)], sort: text(512) }
      const [key, long] = [text(1_024), text(8 * 1_024)]
      yield* backend.commit([
        { collection: "files", key, expected: 0, record: { value: "1", entries: [entry] } },
        { collection: "files", key: long, expected: 0, record: { value: "2", entries: [] } },
        { collection: "files", key: `${long.slice(0, -1)}.`, expected: 0, record: { value: "3", entries: [] } }
      ])
      const scan = { collection: "files", index: entry.index, order: "asc" as const, limit: 2 }
      const page = yield* backend.scan({ ...scan, partitions: entry.partitions })
      assert.deepStrictEqual(
        page.map((record) => [record.key, record.sort]),
        [[key, entry.sort]]
      )
      const found = yield* backend.read("files", [long, `${long.slice(0, -1)}.`, long.slice(0, 1_024)])
      assert.deepStrictEqual(
        found.map((record) => record?.value),
        ["2", "3", undefined]
      )
    })
  )
})

describePostgres("drainInvalidations", () => {
  it.live("reports the keys of others' commits, once, and none of its own", () =>
    Effect.gen(function* () {
      const options = newOptions()
      const one = yield* PostgresRegistry.make(options)
      const other = yield* PostgresRegistry.make(options)
      yield* one.commit(insertion("a"))
      yield* other.commit(insertion("b"))
      const seen = yield* one.drainInvalidations.pipe(
        Effect.tap(() => Effect.sleep("2 millis")),
        Effect.repeat({ until: ({ _tag }) => _tag !== "Nothing" })
      )
      assert.deepStrictEqual(seen, { _tag: "Keys", keys: [{ collection: "c", key: "b" }] })
      assert.strictEqual((yield* one.drainInvalidations)._tag, "Nothing")
    })
  )

  it.live("misses no commit of a transaction that began before others and ended after them", () =>
    Effect.gen(function* () {
      const options = newOptions()
      const url = Redacted.value(options.url)
      const backend = yield* PostgresRegistry.make(options)
      const client = yield* openClient(url)
      const insert = (sql: typeof client, key: string) =>
        sql`INSERT INTO commits (id, writer, keys)
          VALUES (gen_random_uuid(), gen_random_uuid(), ${JSON.stringify([["c", key]])})`
      let finish = () => {}
      const finished = new Promise<void>((resolve) => (finish = resolve))
      let started = () => {}
      const hasStarted = new Promise<void>((resolve) => (started = resolve))
      const slow = client.begin(async (sql) => {
        await insert(sql as unknown as typeof client, "slow")
        started()
        await finished
      })
      yield* Effect.promise(() => hasStarted)
      yield* Effect.promise(() => insert(client, "quick"))
      const nextKeys = backend.drainInvalidations.pipe(
        Effect.tap(() => Effect.sleep("2 millis")),
        Effect.repeat({ until: ({ _tag }) => _tag !== "Nothing" })
      )
      assert.deepStrictEqual(yield* nextKeys, { _tag: "Keys", keys: [{ collection: "c", key: "quick" }] })
      finish()
      yield* Effect.promise(() => slow)
      assert.deepStrictEqual(yield* nextKeys, { _tag: "Keys", keys: [{ collection: "c", key: "slow" }] })
    })
  )
})

describePostgres("statements", () => {
  it.live("are ended by the server when they take too long, and the backend is unavailable", () =>
    Effect.gen(function* () {
      const options = newOptions()
      const url = Redacted.value(options.url)
      const backend = yield* PostgresRegistry.make({ url: Redacted.make(`${url}&statement_timeout=100`) })
      yield* backend.commit(insertion("a"))
      const client = yield* openClient(url)
      const change = [{ collection: "c", key: "a", expected: 1, record: { value: "2", entries: [] } }]
      yield* Effect.promise(() =>
        client.begin(async (sql) => {
          await sql`SELECT FROM records WHERE collection = 'c' AND key = 'a' FOR UPDATE`
          const { reason } = await Effect.runPromise(Effect.flip(backend.commit(change)))
          assert.strictEqual(reason._tag, "Unavailable")
          if (reason._tag === "Unavailable") assert.match(String(reason.cause), /statement timeout/)
        })
      )
      yield* backend.commit(change)
    })
  )

  it.live("run on no more connections than were asked for, and two that follow the others", () =>
    Effect.gen(function* () {
      const url = `${Redacted.value(newOptions().url)}&max_connections=3`
      const name = connectionOf(url).schema
      const backend = yield* PostgresRegistry.make({ url: Redacted.make(`${url}&application_name=${name}`) })
      yield* Effect.forEach(Array.from({ length: 50 }), (_, index) => backend.commit(insertion(String(index))), {
        concurrency: "unbounded"
      })
      const client = yield* openClient(url)
      const [row] = yield* Effect.promise(
        () => client`SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = ${name}`
      )
      assert.strictEqual(row?.["count"], 5)
    })
  )
})

describePostgres("old commits", () => {
  it.live("are forgotten in batches, the oldest first, and no others", () =>
    Effect.gen(function* () {
      const options = newOptions()
      yield* PostgresRegistry.make(options)
      const client = yield* openClient(Redacted.value(options.url))
      const { forgetCommits } = yield* Effect.promise(() => import("../src/Records.ts"))
      yield* Effect.promise(async () => {
        await client`
          INSERT INTO commits (id, writer, keys, committed_at)
          SELECT gen_random_uuid(), gen_random_uuid(), age::text, now() - age * interval '1 minute'
          FROM generate_series(5, 15) AS age`
        assert.strictEqual(await forgetCommits(client, "10 minutes", 3), 3)
        const left = async () =>
          (await client`SELECT keys FROM commits ORDER BY committed_at`).map((row) => row["keys"])
        assert.deepStrictEqual(await left(), ["12", "11", "10", "9", "8", "7", "6", "5"])
        assert.strictEqual(await forgetCommits(client, "10 minutes", 5), 3)
        assert.strictEqual(await forgetCommits(client, "10 minutes", 5), 0)
        assert.deepStrictEqual(await left(), ["9", "8", "7", "6", "5"])
      })
    })
  )
})

describe("a look at what has changed", () => {
  const seen = { snapshot: "100:120:100,110", origin: "7/1" }
  it.each([
    ["goes on with later transactions", { snapshot: "118:1000:", origin: "7/1" }, true],
    ["goes on where nothing has happened", seen, true],
    [
      "does not go on in a database whose transactions are earlier ones",
      { snapshot: "90:119:90", origin: "7/1" },
      false
    ],
    ["does not go on in another database", { snapshot: "200:300:", origin: "8/1" }, false],
    ["does not go on in another history of the same", { snapshot: "200:300:", origin: "7/2" }, false],
    ["compares numbers of any length", { snapshot: "99999999999999999999:99999999999999999999:", origin: "7/1" }, true]
  ])("%s", (_, now, expected) => {
    assert.strictEqual(isContinued(seen, now), expected)
  })
})

describePostgres("the backend", () => {
  it.live("applies a commit once, however often it is tried", () =>
    Effect.gen(function* () {
      const options = newOptions()
      yield* PostgresRegistry.make(options)
      const client = yield* openClient(Redacted.value(options.url))
      const { commit, read } = yield* Effect.promise(() => import("../src/Records.ts"))
      const attempt = (id: string, expected: number, value: string | null) =>
        Effect.promise(() =>
          commit(client, {
            id,
            writer: "00000000-0000-4000-8000-000000000000",
            changes: [{ collection: "c", key: "a", expected, record: value === null ? null : { value, entries: [] } }]
          })
        )
      const [first, second] = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"]
      assert.isUndefined(yield* attempt(first, 0, "1"))
      assert.isUndefined(yield* attempt(first, 0, "1"))
      assert.isUndefined(yield* attempt(second, 1, null))
      // The record is as it was before the first commit, which must not be made again for that.
      assert.isUndefined(yield* attempt(first, 0, "1"))
      assert.deepStrictEqual(yield* Effect.promise(() => read(client, "c", ["a"])), [undefined])
      assert.isUndefined(yield* attempt(second, 1, null))
    })
  )

  it.live("says what is wrong with a URL, and not what is in it", () =>
    Effect.gen(function* () {
      const url = Redacted.make("postgres://user:hunter2@host/db?sslmod=verify-full")
      const error = yield* Effect.flip(PostgresRegistry.make({ url }))
      assert.strictEqual(error.reason._tag, "Unavailable")
      if (error.reason._tag === "Unavailable") {
        assert.match(String(error.reason.cause), /has a parameter that is none of sslmode/)
        assert.notInclude(String(error.reason.cause), "hunter2")
      }
    })
  )
})
