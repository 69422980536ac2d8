/** Registries that each break one promise, and the case of the suite that has to notice. */
import type { RegistryBackend } from "@omnifile/core/RegistryBackend"
import * as Effect from "effect/Effect"

type Backend = RegistryBackend["Service"]

export interface Mutant {
  readonly name: string
  /** The beginning of the names of cases; one of them fails at least. */
  readonly rejectedBy: string
  readonly mutate: (sound: Backend) => Partial<Backend>
}

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: "does not compare versions",
    rejectedBy: "refuses a change whose expectation does not hold",
    mutate: ({ commit, read }) => ({
      commit: (changes) =>
        Effect.flatMap(
          Effect.forEach(changes, (change) =>
            Effect.map(read(change.collection, [change.key]), ([found]) => ({
              ...change,
              expected: found?.version ?? 0
            }))
          ),
          commit
        )
    })
  },
  {
    name: "commits one change after the other",
    rejectedBy: "applies nothing of a commit",
    mutate: ({ commit }) => ({
      commit: (changes) => Effect.forEach(changes, (change) => commit([change]), { discard: true })
    })
  },
  {
    name: "reads before it takes turns",
    rejectedBy: "lets one of many commits",
    mutate: ({ commit, read }) => ({
      commit: (changes) =>
        Effect.gen(function* () {
          const [first] = changes
          if (first === undefined) return
          const [found] = yield* read(first.collection, [first.key])
          yield* Effect.yieldNow
          const isExpected = (found?.version ?? 0) === first.expected
          const [now] = yield* read(first.collection, [first.key])
          yield* commit(isExpected ? [{ ...first, expected: now?.version ?? 0 }, ...changes.slice(1)] : changes)
        })
    })
  },
  {
    name: "reads without the gaps",
    rejectedBy: "reads in the order of the keys",
    mutate: ({ read }) => ({
      read: (collection, keys) =>
        Effect.map(read(collection, keys), (found) => found.filter((record) => record !== undefined))
    })
  },
  {
    name: "mixes collections",
    rejectedBy: "keeps collections apart",
    mutate: ({ commit, read, scan }) => ({
      read: (_, keys) => read("all", keys),
      commit: (changes) => commit(changes.map((change) => ({ ...change, collection: "all" }))),
      scan: (page) => scan({ ...page, collection: "all" })
    })
  },
  {
    name: "trims values",
    rejectedBy: "keeps values as they are",
    mutate: ({ read }) => ({
      read: (collection, keys) =>
        Effect.map(read(collection, keys), (found) =>
          found.map((record) =>
            record === undefined ? undefined : { ...record, value: record.value.trim().normalize() }
          )
        )
    })
  },
  {
    name: "lists by the key alone",
    rejectedBy: "orders by the bytes of the sort text",
    mutate: ({ scan }) => ({
      scan: (page) => Effect.map(scan(page), (found) => found.toSorted((a, b) => (a.key < b.key ? -1 : 1)))
    })
  },
  {
    name: "takes no notice of the order",
    rejectedBy: "orders by the bytes of the sort text",
    mutate: ({ scan }) => ({ scan: (page) => scan({ ...page, order: "asc" }) })
  },
  {
    name: "begins at the place instead of after it",
    rejectedBy: "begins after a place",
    mutate: ({ scan }) => ({
      scan: ({ after, ...page }) =>
        Effect.map(scan({ ...page, limit: 1_000_000 }), (found) => {
          const start = after === undefined ? 0 : found.findIndex(({ key }) => key === after.key)
          return found.slice(Math.max(start, 0)).slice(0, page.limit)
        })
    })
  },
  {
    name: "leaves out the last sort text",
    rejectedBy: "ends with a sort text",
    mutate: ({ scan }) => ({
      scan: (page) => Effect.map(scan(page), (found) => found.filter(({ sort }) => sort !== page.until))
    })
  },
  {
    name: "gives one more than the limit",
    rejectedBy: "holds no more records than the limit",
    mutate: ({ scan }) => ({ scan: (page) => scan({ ...page, limit: page.limit + 1 }) })
  },
  {
    name: "lists a record for each partition",
    rejectedBy: "lists a record once",
    mutate: ({ scan }) => ({
      scan: (page) =>
        Effect.map(
          Effect.forEach(page.partitions, (partition) => scan({ ...page, partitions: [partition] })),
          (pages) => pages.flat().slice(0, page.limit)
        )
    })
  },
  {
    name: "keeps old index entries",
    rejectedBy: "finds a record under its newest entries only",
    mutate: ({ commit }) => {
      const known = new Map<string, ReadonlyArray<{ index: string; partitions: ReadonlyArray<string>; sort: string }>>()
      return {
        commit: (changes) =>
          commit(
            changes.map((change) => {
              const name = `${change.collection} ${change.key}`
              const old = known.get(name) ?? []
              if (change.record === null) return change
              const entries = [...old, ...change.record.entries]
              known.set(name, entries)
              return { ...change, record: { ...change.record, entries } }
            })
          )
      }
    }
  },
  {
    name: "keeps the version of what was removed",
    rejectedBy: "removes a record",
    mutate: ({ read }) => ({
      read: (collection, keys) =>
        Effect.map(read(collection, keys), (found) =>
          found.map((record) => (record === undefined ? undefined : { ...record, version: record.version + 1 }))
        )
    })
  }
]
