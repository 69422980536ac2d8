/**
 * Whether what the Registry says and what is there agree: provider copies without a row, rows whose copy or content is
 * gone. What can be repaired without doubt is repaired where that is asked for; nothing is inferred from a list that
 * could not be read to its end.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { everything } from "./Access.ts"
import { BlobStore } from "./BlobStore.ts"
import { Catalog } from "./Catalog.ts"
import * as FilePages from "./FilePages.ts"
import { isLive, type ManagedFile, originalVariant, Replica, update, withReplica } from "./ManagedFile.ts"
import type { FileProtocol, RemoteFile, RemotePage } from "./Provider.ts"
import type { ProviderError } from "./ProviderError.ts"
import { Registry } from "./Registry.ts"
import { instant } from "./RegistryIndexes.ts"
import type { StorageError } from "./StorageError.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"

export interface Options {
  /** Only these accounts; undefined for all. */
  readonly accounts?: ReadonlyArray<string> | undefined
  readonly fix: boolean
}

/** A file at a provider that no row owns. Times in milliseconds since 1970. */
export interface Orphan {
  readonly account: string
  /** The provider's own ID. */
  readonly remoteId: string
  readonly filename: string | null
  readonly bytes: number | null
  readonly createdAt: number | null
  /** `left`: it may be somebody else's, or come from a job that is not over, or it could not be deleted. */
  readonly outcome: "found" | "deleted" | "left"
}

/** A copy that a row promises and that its provider does not have. */
export interface LostCopy {
  readonly account: string
  /** The unified ID of the file. */
  readonly file: string
  /** `repaired`: it is made again when a call needs it. */
  readonly outcome: "found" | "repaired"
}

/** A file whose bytes our own store should have, and has not. */
export interface LostContent {
  readonly file: string
  /** `repaired`: it is read from a provider's copy from now on. `left`: there is none. */
  readonly outcome: "found" | "repaired" | "left"
}

export interface AuditedAccount {
  readonly account: string
  /** How many files the provider has listed. */
  readonly listed: number
  /** Why it could not be looked at, in words without URL or key; null if it could. */
  readonly error: string | null
}

export interface Report {
  readonly accounts: ReadonlyArray<AuditedAccount>
  readonly orphans: ReadonlyArray<Orphan>
  readonly lostCopies: ReadonlyArray<LostCopy>
  readonly lostContent: ReadonlyArray<LostContent>
}

export class Audit extends Context.Service<
  Audit,
  { readonly run: (options: Options) => Effect.Effect<Report, StorageError> }
>()("@omnifile/core/Audit") {}

/** A younger file may be one whose row is about to say so. Milliseconds. */
const grace = 60 * 60 * 1_000

const pageSize = 1_000
const concurrency = 8

type Listing = ReadonlyMap<string, RemoteFile>

/** An account that keeps files. */
interface Holder {
  readonly target: ProviderAccount
  readonly files: FileProtocol
}

interface Listed extends Holder {
  readonly listing: Listing
}

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const catalog = yield* Catalog
  const registry = yield* Registry
  const upstream = yield* Upstream

  const list = Effect.fnUntraced(function* ({
    files: { decodePage, list: pageOf },
    target
  }: Holder): Effect.fn.Return<Listing, ProviderError> {
    const found = new Map<string, RemoteFile>()
    const decode = (at: string | null) => (body: unknown) => decodePage(body, at)
    let cursor: string | null = null
    do {
      const page: RemotePage = yield* upstream.request(target, Effect.succeed(pageOf(cursor)), decode(cursor))
      for (const file of page.files) found.set(file.id, file)
      // A provider that gives the same page again has no next one.
      cursor = page.next === cursor ? null : page.next
    } while (cursor !== null)
    return found
  })

  /** Jobs that are not over may have made files that no row knows yet. */
  const hasRunningJobs = Effect.fnUntraced(function* (account: string) {
    let after: { readonly sort: string; readonly key: string } | undefined
    for (;;) {
      const page = yield* registry.jobs.scan({
        index: "due",
        partitions: ["all"],
        order: "asc",
        after,
        limit: pageSize
      })
      const isRunning = page.some(({ value }) => value.account === account && value.state !== "ended")
      if (isRunning) return true
      const last = page.at(-1)?.value
      if (last === undefined || page.length < pageSize) return false
      after = { sort: instant(last.dueAt ?? 0), key: last.key }
    }
  })

  const removeOrphan = ({ files, target }: Holder, remoteId: string) =>
    upstream.request(target, Effect.succeed(files.remove(remoteId)), Result.succeed).pipe(
      Effect.as("deleted" as const),
      Effect.catch((error) => Effect.succeed(error.absent ? ("deleted" as const) : ("left" as const)))
    )

  const orphansOf = Effect.fnUntraced(function* (listed: Listed, fix: boolean) {
    const { listing, target } = listed
    const account = target.account.id
    const now = yield* Clock.currentTimeMillis
    const old = [...listing.values()].filter(({ createdAt }) => createdAt !== null && createdAt < now - grace)
    const unowned = yield* Effect.filter(
      old,
      ({ id }) => Effect.map(registry.ownsRemote(account, id), (owned) => !owned),
      { concurrency }
    )
    if (unowned.length === 0) return []
    const uploading = yield* registry.uploadsTo(account)
    const orphans = unowned.filter(({ filename }) => !uploading.some((file) => file.filename === filename))
    const mayDelete = fix && target.account.exclusive && !(yield* hasRunningJobs(account))
    return yield* Effect.forEach(
      orphans,
      Effect.fnUntraced(function* ({ bytes, createdAt, filename, id }): Effect.fn.Return<Orphan, StorageError> {
        // Somebody may have taken it over since it was listed.
        const isOwned = mayDelete && (yield* registry.ownsRemote(account, id))
        const outcome = !fix ? "found" : mayDelete && !isOwned ? yield* removeOrphan(listed, id) : "left"
        return { account, remoteId: id, filename, bytes, createdAt, outcome }
      }),
      { concurrency }
    )
  })

  /** Lists may leave a file out: only what the provider itself does not know is lost. */
  const isLost = ({ files, target }: Holder, remoteId: string) =>
    upstream.request(target, Effect.succeed(files.retrieve(remoteId)), files.decodeFile).pipe(
      Effect.map(({ state }) => state === "failed"),
      Effect.catch((error) => Effect.succeed(error.absent))
    )

  const forget = Effect.fnUntraced(function* (file: ManagedFile, lost: Replica) {
    const now = yield* Clock.currentTimeMillis
    yield* registry.modifyFile(file.key, (current) =>
      current.replicas.some(({ remoteId, state }) => remoteId === lost.remoteId && state === "ready")
        ? withReplica(
            current,
            new Replica({ ...lost, state: "expired", updatedAt: now, error: "lost at the provider" })
          )
        : undefined
    )
  })

  const lostCopiesOf = Effect.fnUntraced(function* (
    file: ManagedFile,
    listings: ReadonlyMap<string, Listed>,
    fix: boolean
  ) {
    const now = yield* Clock.currentTimeMillis
    const lost: Array<LostCopy> = []
    for (const replica of file.replicas) {
      const { account, container, remoteId } = replica
      const listed = listings.get(account)
      if (listed === undefined || container !== null || remoteId === null) continue
      if (!isLive(replica, now) || listed.listing.has(remoteId) || !(yield* isLost(listed, remoteId))) continue
      if (fix) yield* forget(file, replica)
      lost.push({ account, file: file.id ?? file.key, outcome: fix ? "repaired" : "found" })
    }
    return lost
  })

  const lostContentOf = Effect.fnUntraced(function* (file: ManagedFile, fix: boolean) {
    if (!file.kept) return []
    const size = yield* Effect.result(blobs.size(file.key))
    if (Result.isSuccess(size)) return []
    if (size.failure.reason._tag !== "Missing") return yield* size.failure
    const now = yield* Clock.currentTimeMillis
    const id = file.id ?? file.key
    const canRead = file.replicas.some((replica) => replica.variant === originalVariant && isLive(replica, now))
    if (!fix) return [{ file: id, outcome: "found" as const }]
    if (!canRead) return [{ file: id, outcome: "left" as const }]
    yield* registry.modifyFile(file.key, (current) =>
      current.state === "ready" ? update(current, { kept: false }) : undefined
    )
    return [{ file: id, outcome: "repaired" as const }]
  })

  return Audit.of({
    run: Effect.fn("Audit.run")(function* ({ accounts, fix }) {
      const wanted = [...catalog.accounts.values()].flatMap((target): ReadonlyArray<Holder> => {
        const { account, provider } = target
        const isAsked = accounts?.includes(account.id) ?? true
        return isAsked && provider.files !== null ? [{ target, files: provider.files }] : []
      })
      const looked = yield* Effect.forEach(
        wanted,
        (holder) => Effect.map(Effect.result(list(holder)), (listing) => ({ holder, listing })),
        { concurrency: 4 }
      )
      const listings = new Map<string, Listed>()
      for (const { holder, listing } of looked) {
        if (Result.isSuccess(listing)) {
          listings.set(holder.target.account.id, { ...holder, listing: listing.success })
        }
      }
      const orphans: Array<Orphan> = []
      for (const listed of listings.values()) orphans.push(...(yield* orphansOf(listed, fix)))
      const lostCopies: Array<LostCopy> = []
      const lostContent: Array<LostContent> = []
      yield* FilePages.forEach(
        registry,
        { scopes: [everything] },
        Effect.fnUntraced(function* (page) {
          const found = yield* Effect.forEach(
            page,
            (file) => Effect.all([lostCopiesOf(file, listings, fix), lostContentOf(file, fix)]),
            { concurrency }
          )
          for (const [copies, content] of found) {
            lostCopies.push(...copies)
            lostContent.push(...content)
          }
        })
      )
      return {
        accounts: looked.map(({ holder, listing }) => ({
          account: holder.target.account.id,
          listed: Result.isSuccess(listing) ? listing.success.size : 0,
          error: Result.isSuccess(listing) ? null : listing.failure.message
        })),
        orphans,
        lostCopies,
        lostContent
      }
    })
  })
})

export const layer: Layer.Layer<Audit, never, BlobStore | Catalog | Registry | Upstream> = Layer.effect(Audit, make)
