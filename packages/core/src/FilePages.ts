/** Ready files, a page at a time, for whoever looks at all of them. */
import * as Effect from "effect/Effect"
import type * as Access from "./Access.ts"
import type { ManagedFile } from "./ManagedFile.ts"
import type { Registry } from "./Registry.ts"
import { listPosition } from "./RegistryIndexes.ts"
import type { StorageError } from "./StorageError.ts"

/** Rows of one scan. */
const pageSize = 500

export interface Chosen {
  readonly scopes: ReadonlyArray<Access.Scope>
  /** Files made at this moment or before, in epoch milliseconds. Default: all. */
  readonly until?: number | undefined
}

/**
 * Visits the files that are chosen, the oldest first. A page is read when the one before has been visited, so that a
 * visit may remove its files; `isLast` says that none comes after it.
 */
export const forEach = Effect.fnUntraced(function* <E, R>(
  registry: Registry["Service"],
  { scopes, until }: Chosen,
  visit: (page: ReadonlyArray<ManagedFile>, isLast: boolean) => Effect.Effect<void, E, R>
): Effect.fn.Return<void, E | StorageError, R> {
  let after: ReturnType<typeof listPosition> | undefined
  for (;;) {
    const query = { scopes, purpose: null, order: "asc", after, limit: pageSize } as const
    const page = yield* registry.listFiles(until === undefined ? query : { ...query, until })
    const last = page.at(-1)
    if (last === undefined) return
    const isLast = page.length < pageSize
    yield* visit(page, isLast)
    if (isLast) return
    after = listPosition(last)
  }
})
