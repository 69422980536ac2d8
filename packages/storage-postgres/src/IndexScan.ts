/**
 * Pages of an index. Each partition is a range read of the primary key of `entries` that stops at the limit, so
 * that a page costs what it holds and how many partitions it is of, however many records there are.
 *
 * The records of a page are read as a set: Postgres (since 17) then goes down their index once, and on from leaf to
 * leaf, where a join would go down once for each. They come back in the order of that index, beside the page's own.
 */
import type { Scan, ScannedRecord, StoredRecord } from "@omnifile/core/RegistryBackend"
import type { Client } from "./Database.ts"
import { query, type Statement } from "./Records.ts"

/** There are eight texts: two orders, with and without each bound. */
export const scanStatement = ({ after, collection, index, limit, order, partitions, until }: Scan): Statement => {
  const [beyond, within, direction] = order === "asc" ? [">", "<=", "ASC"] : ["<", ">=", "DESC"]
  const parameters: Array<string | number> = [collection, index, JSON.stringify([...new Set(partitions)]), limit]
  const parameter = (value: string): string => `$${parameters.push(value)}`
  const bounds = [
    after === undefined ? "" : `AND (e.sort, e.key) ${beyond} (${parameter(after.sort)}, ${parameter(after.key)})`,
    until === undefined ? "" : `AND e.sort ${within} ${parameter(until)}`
  ]
  const text = `
    WITH page AS MATERIALIZED (
      SELECT DISTINCT range.sort, range.key
      FROM json_array_elements_text($3::text::json) AS wanted(partition)
      CROSS JOIN LATERAL (
        SELECT e.sort, e.key FROM entries AS e
        WHERE e.collection = $1 AND e."index" = $2 AND e.partition = wanted.partition ${bounds.join(" ")}
        ORDER BY e.sort ${direction}, e.key ${direction}
        LIMIT $4
      ) AS range
      ORDER BY range.sort ${direction}, range.key ${direction}
      LIMIT $4
    )
    SELECT NULL AS key, NULL AS version, (SELECT json_agg(json_build_array(page.key, page.sort)) FROM page)::text AS value
    UNION ALL
    SELECT key, version::float8 AS version, value FROM records
    WHERE collection = $1 AND key = ANY (ARRAY(SELECT page.key FROM page))`
  return { text, parameters }
}

/** A record, or without a key the page itself: its places in order, as JSON; null if it is empty. */
type Row = StoredRecord | { readonly key: null; readonly value: string | null }

export const scan = async (client: Client, page: Scan): Promise<ReadonlyArray<ScannedRecord>> => {
  if (page.partitions.length === 0) return []
  const rows = await query<Row>(client, scanStatement(page))
  const records = new Map(rows.flatMap((row) => (row.key === null ? [] : [[row.key, row] as const])))
  const places = JSON.parse(rows.find(({ key }) => key === null)?.value ?? "[]") as ReadonlyArray<[string, string]>
  return places.flatMap(([key, sort]) => {
    const record = records.get(key)
    return record === undefined ? [] : [{ ...record, sort }]
  })
}
