/**
 * Room in accounts. Where a provider says that an account is full, or the operator has said how much it holds, copies
 * that nobody has used for a while are deleted: they are made again when they are needed.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { Catalog } from "./Catalog.ts"
import * as CopyMetrics from "./CopyMetrics.ts"
import { CopyUses } from "./CopyUses.ts"
import { Jobs } from "./Jobs.ts"
import { LostUploads } from "./LostUploads.ts"
import { findReplica, LostUpload, type ManagedFile, openUploads, Replica, update, withReplica } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import { usePosition } from "./RegistryIndexes.ts"
import type { StorageError } from "./StorageError.ts"

export interface Room {
  readonly bytes: number
  readonly files: number
}

export class Quota extends Context.Service<
  Quota,
  {
    /**
     * Deletes copies in the account, those that have been idle longest first, until there is so much more room. Never
     * those that a call has named within the last hour or that a job still reads. True if any could be deleted.
     */
    readonly makeRoom: (account: string, room: Room) => Effect.Effect<boolean, StorageError>
    /** Looks at all accounts that have a quota, and makes room in those that are nearly full. */
    readonly check: Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/Quota") {}

/** A copy that has been named within the hour may not say so yet. Milliseconds. */
const idle = 2 * 60 * 60 * 1000

const pageSize = 200

/** How many pages are looked at for one upload: what is idle and read by jobs is not found again and again without end. */
const mostPages = 5

/** An account is nearly full from one share of its quota on, and is emptied down to the other. */
const high = 0.95
const low = 0.9

const checkInterval = Duration.minutes(10)

/** Whether the copy can be deleted and made again: of a batch's input those for a deployment, too. */
const isEvictable = ({ kept, state }: ManagedFile, copy: Replica): boolean =>
  state === "ready" && kept && copy.state === "ready" && copy.remoteId !== null && copy.container === null

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const jobs = yield* Jobs
  const lostUploads = yield* LostUploads
  const registry = yield* Registry
  const uses = yield* CopyUses
  const limited = [...catalog.accounts.values()].filter(({ account }) => account.quota !== null)
  const permits = new Map<string, Semaphore.Semaphore>()
  for (const id of catalog.accounts.keys()) permits.set(id, yield* Semaphore.make(1))

  /**
   * Takes the copy out of the row and from the account. `InUse` if it is needed after all, `Left` if the account still
   * has it, which is tried again later.
   */
  const evict = Effect.fnUntraced(function* (key: string, { account, variant }: Replica, before: number) {
    const now = yield* Clock.currentTimeMillis
    let lost: LostUpload | undefined
    const row = yield* registry.modifyFileWith(key, ({ value: file }) =>
      Effect.gen(function* () {
        lost = undefined
        const copy = findReplica(file, account, variant)
        if (copy === undefined || !isEvictable(file, copy) || uses.last(copy) > before) return undefined
        // A job that comes after this look changes the file's row, so that the change below conflicts with it.
        if ((yield* jobs.unfinishedReaders(key, 1)).length > 0) return undefined
        const { bytes, createdAt, remoteId } = copy
        lost = new LostUpload({ account, variant, bytes, remoteId, startedAt: createdAt, endedAt: now })
        const gone = { state: "expired", remoteId: null, updatedAt: now, error: "made room in the account" } as const
        const without = withReplica(file, new Replica({ ...copy, ...gone }))
        return { file: update(without, { lostUploads: [...file.lostUploads, lost], dueAt: now }) }
      })
    )
    const removed: LostUpload | undefined = lost
    if (row === undefined || removed === undefined) return "InUse"
    yield* CopyMetrics.countEviction(account)
    if ((yield* lostUploads.settle(row, removed, now)) !== "Settled") return "Left"
    yield* registry.modifyFile(key, (current) => update(current, { lostUploads: openUploads(current, [removed]) }))
    return "Gone"
  })

  /** The copies in the account that look idle, those that have been it longest first. */
  const candidates = (account: string, files: ReadonlyArray<ManagedFile>, before: number) =>
    files
      .flatMap((file) =>
        file.replicas
          .filter((copy) => copy.account === account && isEvictable(file, copy))
          .map((copy) => ({ copy, file, use: uses.last(copy) }))
      )
      .filter(({ use }) => use <= before)
      .sort((a, b) => a.use - b.use)

  const clear = Effect.fnUntraced(function* (account: string, { bytes, files }: Room) {
    const before = (yield* Clock.currentTimeMillis) - idle
    let freed = 0
    let count = 0
    let after: ReturnType<typeof usePosition> | undefined
    const isEnough = () => count > 0 && freed >= bytes && count >= files
    const takeFrom = Effect.fnUntraced(function* (page: ReadonlyArray<ManagedFile>) {
      for (const { copy, file } of candidates(account, page, before)) {
        if (isEnough()) return true
        const outcome = yield* evict(file.key, copy, before)
        if (outcome === "Left") return true
        if (outcome === "InUse") continue
        freed += copy.bytes ?? file.bytes
        count++
      }
      return isEnough()
    })
    for (let pages = 0; pages < mostPages; pages++) {
      const page: ReadonlyArray<ManagedFile> = yield* registry.copiesIn(account, {
        until: before,
        after,
        limit: pageSize
      })
      const last = page.at(-1)
      if ((yield* takeFrom(page)) || last === undefined || page.length < pageSize) break
      after = usePosition(last)
    }
    if (count > 0) {
      yield* Effect.logInfo("Idle copies were deleted to make room").pipe(
        Effect.annotateLogs({ account, files: count, bytes: freed })
      )
    }
    return count > 0
  })

  const makeRoom = (account: string, room: Room) => {
    const permit = permits.get(account)
    return permit === undefined ? Effect.succeed(false) : Semaphore.withPermit(permit, clear(account, room))
  }

  /** What lies in the account, as far as rows know. */
  const measure = Effect.fnUntraced(function* (account: string) {
    let bytes = 0
    let files = 0
    let after: ReturnType<typeof usePosition> | undefined
    for (;;) {
      const page: ReadonlyArray<ManagedFile> = yield* registry.copiesIn(account, { after, limit: pageSize })
      for (const file of page) {
        for (const replica of file.replicas) {
          if (replica.account !== account || replica.remoteId === null) continue
          bytes += replica.bytes ?? file.bytes
          files++
        }
      }
      const last = page.at(-1)
      if (page.length < pageSize || last === undefined) return { bytes, files }
      after = usePosition(last)
    }
  })

  /** How much has to go so that an account that is nearly full is well below its quota. */
  const surplus = (used: number, quota: number | null): number =>
    quota === null || used < quota * high ? 0 : Math.ceil(used - quota * low)

  const check = Effect.forEach(
    limited,
    Effect.fnUntraced(function* ({ account: { id, quota } }) {
      if (quota === null) return
      const used = yield* measure(id)
      const room = { bytes: surplus(used.bytes, quota.bytes), files: surplus(used.files, quota.files) }
      if (room.bytes > 0 || room.files > 0) yield* makeRoom(id, room)
    }),
    { discard: true }
  )

  if (limited.length > 0) {
    yield* Effect.forever(
      Effect.andThen(
        Effect.sleep(checkInterval),
        Effect.catchCause(check, (cause) => Effect.logWarning("Quotas could not be checked", cause))
      )
    ).pipe(Effect.forkScoped)
  }

  return Quota.of({ makeRoom, check })
})

export const layer: Layer.Layer<Quota, never, Catalog | CopyUses | Jobs | LostUploads | Registry> = Layer.effect(
  Quota,
  make
)
