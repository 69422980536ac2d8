/**
 * Uploads whose answer was never read. The provider may hold a copy whose ID nobody knows; it is looked for
 * in the account's list by name, size and the time of the upload.
 *
 * What is found may belong to somebody else who uses the same account. So it is deleted only where the
 * account is exclusively ours, and reported everywhere else.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Catalog } from "./Catalog.ts"
import type { LostUpload, ManagedFile } from "./ManagedFile.ts"
import type { RemoteFile } from "./Provider.ts"
import type { ProviderError } from "./ProviderError.ts"
import { Registry } from "./Registry.ts"
import * as Result from "effect/Result"
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
     * Deals with one lost upload as far as it can be dealt with now. True when there is nothing left to do:
     * the copies that were found are deleted, or, on a shared account, reported.
     */
    readonly settle: (
      file: ManagedFile,
      lost: LostUpload,
      now: number
    ) => Effect.Effect<boolean, ProviderError | StorageError>
  }
>()("@omnifile/core/LostUploads") {}

/** How far a provider's clock may be off, and the rounding of its times to seconds; milliseconds. */
const clockTolerance = 30_000

/** A provider may list a file a little after it took it; only then is an empty list an answer. Milliseconds. */
const listingDelay = 4_000

/** Pages that are looked through, newest first, before giving up. */
const pageLimit = 20

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const registry = yield* Registry
  const upstream = yield* Upstream

  const matches = (file: ManagedFile, lost: LostUpload) => (remote: RemoteFile) =>
    (remote.filename === file.filename || remote.filename === file.filename.replaceAll('"', "%22")) &&
    (remote.bytes === null || remote.bytes === file.bytes) &&
    (remote.createdAt === null ||
      (remote.createdAt >= lost.startedAt - clockTolerance && remote.createdAt <= lost.endedAt + clockTolerance))

  const searchIn = Effect.fnUntraced(function* (target: ProviderAccount, file: ManagedFile, lost: LostUpload) {
    const found: Array<RemoteFile> = []
    let cursor: string | null = null
    for (let pages = 0; pages < pageLimit; pages++) {
      const page: { readonly files: ReadonlyArray<RemoteFile>; readonly next: string | null } = yield* upstream.request(
        target,
        Effect.succeed(target.provider.files.list(cursor)),
        target.provider.files.decodePage
      )
      for (const remote of page.files.filter(matches(file, lost))) {
        if (!(yield* registry.ownsRemote(target.account.id, remote.id))) found.push(remote)
      }
      const oldest = page.files.at(-1)?.createdAt ?? null
      cursor = page.next
      if (cursor === null || (oldest !== null && oldest < lost.startedAt - clockTolerance)) break
    }
    return found
  })

  const search = Effect.fn("LostUploads.search")(function* (file: ManagedFile, lost: LostUpload) {
    const target = catalog.accounts.get(lost.account)
    return target === undefined ? [] : yield* searchIn(target, file, lost)
  })

  /** The same name and size may be on its way for another row: what is found could be that one's copy. */
  const isContested = Effect.fnUntraced(function* (file: ManagedFile, lost: LostUpload) {
    const uploading = yield* registry.uploadsTo(lost.account)
    return uploading.some(
      (other) => other.key !== file.key && other.filename === file.filename && other.bytes === file.bytes
    )
  })

  return LostUploads.of({
    search,
    settle: Effect.fn("LostUploads.settle")(function* (file, lost, now) {
      if (now < lost.endedAt + listingDelay) return false
      const target = catalog.accounts.get(lost.account)
      if (target === undefined) return true
      if (yield* isContested(file, lost)) return false
      const found = yield* searchIn(target, file, lost)
      for (const remote of found) {
        const annotations = { account: lost.account, filename: file.filename, bytes: file.bytes }
        if (!target.account.exclusive) {
          yield* Effect.logWarning("Suspected orphan: a copy that no file owns may be left in a shared account").pipe(
            Effect.annotateLogs(annotations)
          )
          continue
        }
        yield* upstream.request(target, Effect.succeed(target.provider.files.remove(remote.id)), Result.succeed).pipe(
          Effect.catchIf(
            (error) => error.absent,
            () => Effect.void
          )
        )
        yield* Effect.logInfo("Deleted an orphaned copy").pipe(Effect.annotateLogs(annotations))
      }
      return true
    })
  })
})

export const layer: Layer.Layer<LostUploads, never, Catalog | Registry | Upstream> = Layer.effect(LostUploads, make)
