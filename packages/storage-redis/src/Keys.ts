/**
 * How records and indexes are laid out in Redis. A record is a hash; each partition of an index is a sorted set whose
 * members all have one score, so that Redis orders them by their bytes: the sort text, a zero byte, and the record's
 * key. No printable character is below the zero byte, so this is the order by sort text and then by key.
 */
import type { IndexEntry, Scan } from "@omnifile/core/RegistryBackend"

export interface Keys {
  /** What the keys of a collection's records begin with. */
  readonly records: (collection: string) => string
  readonly partition: (collection: string, index: string, partition: string) => string
  /** Where it stands that a commit was applied. */
  readonly commit: (id: string) => string
  /** A record's entries: a sorted set, the member of it, and so on. */
  readonly entries: (collection: string, key: string, entries: ReadonlyArray<IndexEntry>) => ReadonlyArray<string>
}

const separator = "\0"

/** The length comes first, so that no two lists of texts are written alike. */
const sized = (text: string): string => `${text.length}:${text}`

const memberOf = (sort: string, key: string): string => sort + separator + key

export const make = (prefix: string): Keys => {
  const partition: Keys["partition"] = (collection, index, name) =>
    `${prefix}index:${sized(collection)}:${sized(index)}:${name}`
  return {
    records: (collection) => `${prefix}record:${sized(collection)}:`,
    partition,
    commit: (id) => `${prefix}commit:${id}`,
    entries: (collection, key, entries) =>
      entries.flatMap(({ index, partitions, sort }) =>
        [...new Set(partitions)].flatMap((name) => [partition(collection, index, name), memberOf(sort, key)])
      )
  }
}

/** The sort text in a member of a sorted set, and the key. */
export const placeOf = (member: string): { readonly sort: string; readonly key: string } => {
  const end = member.indexOf(separator)
  return { sort: member.slice(0, end), key: member.slice(end + 1) }
}

/** The bounds of a page, as `ZRANGEBYLEX` takes them: the lowest and the highest. */
export const boundsOf = ({ after, order, until }: Scan): readonly [string, string] => {
  const beyond = after === undefined ? undefined : `(${memberOf(after.sort, after.key)}`
  // A member of the same sort text goes on with a zero byte, and one of a longer text with a greater one.
  return order === "asc"
    ? [beyond ?? "-", until === undefined ? "+" : `(${until}\u0001`]
    : [until === undefined ? "-" : `[${memberOf(until, "")}`, beyond ?? "+"]
}
