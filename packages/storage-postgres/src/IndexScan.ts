/**
 * Pages of an index. Each partition is a range read of the primary key of `entries` that stops at the limit, so
 * that a page costs what it holds and how many partitions it is of, however many records there are.
 */
import type { Scan, ScannedRecord } from "@omnifile/core/RegistryBackend"
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
    SELECT page.key, found.version, found.value, page.sort
    FROM (
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
    ) AS page
    CROSS JOIN LATERAL (
      SELECT version::float8 AS version, value FROM records
      WHERE collection = $1 AND records.key = page.key
      LIMIT 1
    ) AS found
    ORDER BY page.sort ${direction}, page.key ${direction}`
  return { text, parameters }
}

export const scan = async (client: Client, page: Scan): Promise<ReadonlyArray<ScannedRecord>> =>
  page.partitions.length === 0 ? [] : query<ScannedRecord>(client, scanStatement(page))
