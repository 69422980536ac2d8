/**
 * Uploads that left a copy, or may have left one, for which no replica stands. A copy that is known is deleted.
 * One whose ID nobody knows is looked for in the account's list by name, size and the time of the upload.
 *
 * What is found may belong to somebody else who uses the same account. So it is deleted only where the
 * account is exclusively ours, and reported everywhere else.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { Catalog } from "./Catalog.ts"
import type { LostUpload, ManagedFile } from "./ManagedFile.ts"
import type { RemoteFile } from "./Provider.ts"
import { inTime, type ProviderError } from "./ProviderError.ts"
import { Registry } from "./Registry.ts"
import type { StorageError } from "./StorageError.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"

export class LostUploads extends Context.Service<
  LostUploads,
  {
    /** Copies in the account that may come from this upload and that no row owns. */
    readonly search: (
      file: ManagedFile,
      lost: LostUpload
    ) => Effect.Effect<ReadonlyArray<RemoteFile>, ProviderError | StorageError>
    /**
     * Deals with one lost upload as far as it can be dealt with now. `Settled` when there is nothing left to do:
     * the copies are deleted, or, if they were found on a shared account, reported. `Waiting` when it is too early
     * to tell, `Failed` when the provider could not be asked.
     */
    readonly settle: (
      file: ManagedFile,
      lost: LostUpload,
      now: number
    ) => Effect.Effect<"Settled" | "Waiting" | "Failed", StorageError>
  }
>()("@omnifile/core/LostUploads") {}

/** How far a provider's clock may be off, and the rounding of its times to seconds; milliseconds. */
const clockTolerance = 30_000

/** A provider may list a file a little after it took it; only then is an empty list an answer. Milliseconds. */
const listingDelay = 4_000

/** Pages that are looked through before giving up. */
const pageLimit = 20

/** A provider that keeps a call waiting for longer is asked again later. */
const patience = Duration.seconds(30)

/** Providers that do not keep the whole of a name keep so many characters of it at least. */
const keptOfName = 128

/** Whether the file may have been uploaded under that name, as far as the provider has kept it. */
const isNameOf = ({ bytes, filename }: RemoteFile, given: string): boolean => {
  // Without a name there has to be a size to know it by.
  if (filename === null) return bytes !== null
  if (filename === given || filename === given.replaceAll('"', "%22")) return true
  return filename.length >= keptOfName && given.startsWith(filename)
}

/** Whether a page that ends before this time is followed by older files only. */
const isPast = (files: ReadonlyArray<RemoteFile>, time: number): boolean => {
  const first = files.at(0)?.createdAt ?? null
  const last = files.at(-1)?.createdAt ?? null
  return first !== null && last !== null && last < time && last < first
}

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const registry = yield* Registry
  const upstream = yield* Upstream

  const matches = (file: ManagedFile, lost: LostUpload) => (remote: RemoteFile) =>
    isNameOf(remote, file.filename) &&
    (remote.bytes === null || remote.bytes === (lost.bytes ?? file.bytes)) &&
    (remote.createdAt === null ||
      (remote.createdAt >= lost.startedAt - clockTolerance && remote.createdAt <= lost.endedAt + clockTolerance))

  const listMatches = Effect.fnUntraced(function* (target: ProviderAccount, file: ManagedFile, lost: LostUpload) {
    const found: Array<RemoteFile> = []
    const { files } = target.provider
    if (files === null) return found
    const decode = (at: string | null) => (body: unknown) => files.decodePage(body, at)
    let cursor: string | null = null
    for (let pages = 0; pages < pageLimit; pages++) {
      const page: { readonly files: ReadonlyArray<RemoteFile>; readonly next: string | null } = yield* upstream.request(
        target,
        Effect.succeed(files.list(cursor)),
        decode(cursor)
      )
      found.push(...page.files.filter(matches(file, lost)))
      cursor = page.next
      if (cursor === null || isPast(page.files, lost.startedAt - clockTolerance)) break
    }
    return found
  })

  const withoutOwned = ({ account }: ProviderAccount, found: ReadonlyArray<RemoteFile>) =>
    Effect.filter(found, ({ id }) => Effect.map(registry.ownsRemote(account.id, id), (owned) => !owned))

  /** An upload of this name and size that is under way, of this row or another: what is found could be its copy. */
  const isContested = Effect.fnUntraced(function* (file: ManagedFile, lost: LostUpload) {
    const uploading = yield* registry.uploadsTo(lost.account)
    const bytes = lost.bytes ?? file.bytes
    return uploading.some(
      (other) =>
        other.filename === file.filename &&
        other.replicas.some(
          (copy) => copy.account === lost.account && copy.state === "pending" && (copy.bytes ?? other.bytes) === bytes
        )
    )
  })

  const remove = (target: ProviderAccount, remoteId: string): Effect.Effect<boolean, ProviderError> => {
    const { files } = target.provider
    return files === null
      ? Effect.succeed(true)
      : upstream.request(target, Effect.succeed(files.remove(remoteId)), Result.succeed).pipe(
          Effect.as(true),
          Effect.catchIf(
            (error) => error.absent,
            () => Effect.succeed(true)
          )
        )
  }

  /** Deletes what is found of an upload whose copy nobody knows, or reports it. */
  const settleUnknown = Effect.fnUntraced(function* (target: ProviderAccount, file: ManagedFile, lost: LostUpload) {
    const matching = yield* listMatches(target, file, lost)
    if (matching.length === 0) return true
    // Asked after the list: who uploaded what it shows had its intent in a row before, or has its copy there now.
    if (yield* isContested(file, lost)) return false
    const annotations = { account: lost.account, filename: file.filename, bytes: lost.bytes ?? file.bytes }
    for (const { id } of yield* withoutOwned(target, matching)) {
      if (target.account.exclusive) {
        yield* remove(target, id)
        yield* Effect.logInfo("Deleted an orphaned copy").pipe(Effect.annotateLogs(annotations))
      } else {
        yield* Effect.logWarning("Suspected orphan: a copy that no file owns may be left in a shared account").pipe(
          Effect.annotateLogs(annotations)
        )
      }
    }
    return true
  })

  const failed = (account: string, why: ProviderError | string) =>
    Effect.logWarning("A lost upload could not be dealt with; it will be tried again", why).pipe(
      Effect.annotateLogs({ account }),
      Effect.as("Failed" as const)
    )

  return LostUploads.of({
    search: Effect.fn("LostUploads.search")(function* (file, lost) {
      const target = catalog.accounts.get(lost.account)
      if (target === undefined) return []
      return yield* listMatches(target, file, lost).pipe(
        Effect.flatMap((found) => withoutOwned(target, found)),
        inTime("files.list", target.account.id, patience)
      )
    }),
    settle: Effect.fn("LostUploads.settle")(function* (file, lost, now) {
      const { account, remoteId } = lost
      const target = catalog.accounts.get(account)
      if (target === undefined) {
        return remoteId === null ? "Settled" : yield* failed(account, "the account is not configured any more")
      }
      // A copy that was outlived is good for calls that have begun.
      if (remoteId !== null && file.state === "ready" && now < lost.endedAt) return "Waiting"
      if (remoteId === null && now < lost.endedAt + listingDelay) return "Waiting"
      const dealWith = remoteId === null ? settleUnknown(target, file, lost) : remove(target, remoteId)
      return yield* inTime(
        "files.list",
        target.account.id,
        patience
      )(dealWith).pipe(
        Effect.map((settled) => (settled ? "Settled" : "Waiting")),
        Effect.catchTag("ProviderError", (error) => failed(account, error))
      )
    })
  })
})

export const layer: Layer.Layer<LostUploads, never, Catalog | Registry | Upstream> = Layer.effect(LostUploads, make)
