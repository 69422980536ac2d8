/** Statements that read and commit records. Each is one round trip, and sees one state of the database. */
import type { Change, IndexEntry, StoredRecord } from "@omnifile/core/RegistryBackend"
import { createHash } from "node:crypto"
import type { Client } from "./Database.ts"

/** A statement and what it is given: text that Postgres prepares once for a connection. */
export interface Statement {
  readonly text: string
  readonly parameters: ReadonlyArray<string | number | null>
}

/** The longest key that is stored as it is: what an index of Postgres takes has an end. */
const maxKeyLength = 1_024

/** A key as it is stored. Longer ones have no index entries, so they never have to be told from what is stored. */
const toStoredKey = (key: string): string =>
  key.length <= maxKeyLength
    ? key
    : `${key.slice(0, maxKeyLength)}${createHash("sha256").update(key).digest("base64url")}`

/** Rows of a statement. Those of a type are what its columns are. */
export const query = async <Row>(client: Client, { parameters, text }: Statement): Promise<ReadonlyArray<Row>> =>
  (await client.unsafe(text, [...parameters], { prepare: true })) as unknown as ReadonlyArray<Row>

// float8 comes back as a number, and is exact up to 2^53.
export const readStatement = (collection: string, keys: ReadonlyArray<string>): Statement =>
  keys.length === 1
    ? {
        text: "SELECT key, version::float8 AS version, value FROM records WHERE collection = $1 AND key = $2",
        parameters: [collection, toStoredKey(keys[0] ?? "")]
      }
    : {
        text: `
          SELECT key, version::float8 AS version, value FROM records
          WHERE collection = $1 AND key = ANY (ARRAY(SELECT json_array_elements_text($2::text::json)))`,
        parameters: [collection, JSON.stringify([...new Set(keys.map(toStoredKey))])]
      }

/** The records with these keys, in their order. */
export const read = async (
  client: Client,
  collection: string,
  keys: ReadonlyArray<string>
): Promise<ReadonlyArray<StoredRecord | undefined>> => {
  if (keys.length === 0) return []
  const rows = await query<StoredRecord>(client, readStatement(collection, keys))
  const found = new Map(rows.map((row) => [row.key, row]))
  return keys.map((key) => {
    const row = found.get(toStoredKey(key))
    return row && { key, version: row.version, value: row.value }
  })
}

/** One line for each partition of each entry, always in the same order, so that equal entries are equal text. */
const flatten = (entries: ReadonlyArray<IndexEntry>): string =>
  JSON.stringify(
    entries
      .toSorted((a, b) => (a.index < b.index ? -1 : 1))
      .flatMap(({ index, partitions, sort }) =>
        [...new Set(partitions)].toSorted().map((partition) => [index, partition, sort])
      )
  )

/** A commit of more changes is told to other instances as one of everything. */
const maxToldKeys = 1_000

/** One attempt at a commit; further ones have the same `id`. */
export interface Commit {
  readonly id: string
  readonly writer: string
  readonly changes: ReadonlyArray<Change>
}

export const commitStatement = ({ changes, id, writer }: Commit): Statement => ({
  text: "SELECT apply_commit($1::uuid, $2::uuid, $3::text, $4::text::json) AS stale",
  parameters: [
    id,
    writer,
    changes.length > maxToldKeys ? null : JSON.stringify(changes.map(({ collection, key }) => [collection, key])),
    JSON.stringify(
      changes.map(({ collection, expected, key, record }, place) => ({
        place,
        collection,
        key: toStoredKey(key),
        expected,
        value: record?.value ?? null,
        entries: record === null ? null : flatten(record.entries)
      }))
    )
  ]
})

/** The change that does not hold, if any: then none was applied. */
export const commit = async (client: Client, attempt: Commit): Promise<Change | undefined> => {
  const [row] = await query<{ readonly stale: number | null }>(client, commitStatement(attempt))
  return attempt.changes[row?.stale ?? -1]
}

/** Instances that do this at the same time take different ones. */
export const forgetStatement = (retention: string, limit: number): Statement => ({
  text: `
    WITH forgotten AS (
      DELETE FROM commits WHERE id = ANY (ARRAY(
        SELECT id FROM commits WHERE committed_at < now() - $1::text::interval
        ORDER BY committed_at LIMIT $2 FOR UPDATE SKIP LOCKED
      )) RETURNING id
    )
    SELECT count(*)::float8 AS count FROM forgotten`,
  parameters: [retention, limit]
})

/** Forgets the oldest commits before the retention, at most so many. Returns how many those were. */
export const forgetCommits = async (client: Client, retention: string, limit: number): Promise<number> => {
  const [row] = await query<{ readonly count: number }>(client, forgetStatement(retention, limit))
  return row?.count ?? 0
}
