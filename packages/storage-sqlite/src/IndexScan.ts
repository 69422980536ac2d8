/**
 * Pages of an index. Each shape of a scan is one SQL statement, prepared once and kept. In it, each partition
 * is a range read of the primary key of `entries`, and SQLite merges the ranges in order and stops at the
 * limit, so that a page costs what it holds, however many records there are.
 */
import { comparePositions, type Scan, type ScannedRecord } from "@omnifile/core/RegistryBackend"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"

/** What one statement reads. SQLite merges at most 500 ranges, and each number of them is a statement to keep. */
const maxPartitions = 100

const toSql = ({ after, order, partitions, until }: Scan): string => {
  const [beyond, within, direction] = order === "asc" ? [">", "<=", "ASC"] : ["<", ">=", "DESC"]
  const range =
    `SELECT sort, key, record FROM entries WHERE collection = ? AND "index" = ? AND partition = ?` +
    (after === undefined ? "" : ` AND (sort, key) ${beyond} (?, ?)`) +
    (until === undefined ? "" : ` AND sort ${within} ?`)
  return `
    SELECT page.key, records.version, records.value, page.sort
    FROM (${partitions.map(() => range).join(" UNION ")} ORDER BY sort ${direction}, key ${direction} LIMIT ?) AS page
    CROSS JOIN records ON records.id = page.record
    ORDER BY page.sort ${direction}, page.key ${direction}`
}

const toParameters = ({ after, collection, index, limit, partitions, until }: Scan): ReadonlyArray<SQLInputValue> => {
  const bounds = [...(after === undefined ? [] : [after.sort, after.key]), ...(until === undefined ? [] : [until])]
  return [...partitions.flatMap((partition) => [collection, index, partition, ...bounds]), limit]
}

/** Pages in order as one page: each record once, and no more than the limit. */
const merge = (
  { limit, order }: Scan,
  pages: ReadonlyArray<ReadonlyArray<ScannedRecord>>
): ReadonlyArray<ScannedRecord> => {
  const sign = order === "asc" ? 1 : -1
  const records = new Map(pages.flat().map((record) => [record.key, record]))
  return [...records.values()].sort((a, b) => sign * comparePositions(a, b)).slice(0, limit)
}

/** The reader of a database's pages. A scan of very many partitions is not a snapshot. */
export const make = (db: Pick<DatabaseSync, "prepare">): ((scan: Scan) => ReadonlyArray<ScannedRecord>) => {
  const statements = new Map<string, StatementSync>()
  const prepare = (scan: Scan): StatementSync => {
    const shape = `${scan.order} ${scan.after === undefined} ${scan.until === undefined} ${scan.partitions.length}`
    const known = statements.get(shape)
    if (known !== undefined) return known
    const prepared = db.prepare(toSql(scan))
    statements.set(shape, prepared)
    return prepared
  }
  const readPage = (scan: Scan): ReadonlyArray<ScannedRecord> =>
    scan.partitions.length === 0
      ? []
      : // The columns of the statement are the fields of a ScannedRecord.
        (prepare(scan).all(...toParameters(scan)) as unknown as ReadonlyArray<ScannedRecord>)
  return (scan) => {
    if (scan.partitions.length <= maxPartitions) return readPage(scan)
    const pages: Array<ReadonlyArray<ScannedRecord>> = []
    for (let start = 0; start < scan.partitions.length; start += maxPartitions) {
      pages.push(readPage({ ...scan, partitions: scan.partitions.slice(start, start + maxPartitions) }))
    }
    return merge(scan, pages)
  }
}
