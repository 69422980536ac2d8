/**
 * One upload of a file to one account, from the intent to the recorded copy.
 *
 * The intent is a `pending` replica, written before the first byte goes out; the copy's ID is written as soon
 * as it is known. Whatever an upload may leave at the provider without a replica is written down as lost, in
 * the same commit that ends the intent, so that no copy stays unseen.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import { BlobStore } from "./BlobStore.ts"
import { AccountFailure } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import * as ContentMetrics from "./ContentMetrics.ts"
import * as CopyRecord from "./CopyRecord.ts"
import { type CopySource, original, recordedBytes } from "./CopySource.ts"
import * as CopyTransfer from "./CopyTransfer.ts"
import { failure, type Loose } from "./CopyTransfer.ts"
import { Instance } from "./Instance.ts"
import type { LostUploads } from "./LostUploads.ts"
import { findReplica, isLive, LostUpload, type ManagedFile, originalVariant, Replica } from "./ManagedFile.ts"
import type { RemoteFile } from "./Provider.ts"
import type { Quota } from "./Quota.ts"
import { Registry } from "./Registry.ts"
import * as Renewal from "./Renewal.ts"
import { Settings } from "./Settings.ts"
import type { StorageError } from "./StorageError.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"

export class CopyUpload extends Context.Service<
  CopyUpload,
  {
    /** The replica that says that an upload of ours to the account is about to begin. */
    readonly intent: (account: string, now: number, source?: CopySource) => Replica
    /**
     * Uploads the file, or a variant of it, to an account for which the row holds our intent, and records the copy.
     * An interruption stops the upload.
     */
    readonly run: (
      file: ManagedFile,
      account: string,
      source?: CopySource
    ) => Effect.Effect<Replica, AccountFailure | StorageError>
    /** Sees a copy through that is recorded as one that the provider is processing. */
    readonly resume: (file: ManagedFile, replica: Replica) => Effect.Effect<Replica, AccountFailure | StorageError>
  }
>()("@omnifile/core/CopyUpload") {}

/** How long the end of an upload waits for the deletion of a copy that could not be recorded. */
const removalTimeout = Duration.seconds(10)

/** Which variant a copy is of. */
type Copied = Pick<Replica, "variant" | "bytes">

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const countBytes = yield* ContentMetrics.make
  const catalog = yield* Catalog
  const instance = yield* Instance
  const registry = yield* Registry
  const settings = yield* Settings
  const upstream = yield* Upstream
  const { awaitUsable, transfer } = yield* CopyTransfer.make
  const permits = new Map<string, Semaphore.Semaphore>()
  for (const { account } of catalog.accounts.values()) {
    permits.set(account.id, yield* Semaphore.make(account.policy.concurrentUploads))
  }

  const targetOf = (account: string) => {
    const target = catalog.accounts.get(account)
    const permit = permits.get(account)
    return target === undefined || permit === undefined
      ? Effect.fail(failure(account, "is not configured"))
      : Effect.succeed({ target, permit })
  }

  const copyOf = (account: string, variant: string, bytes: number | null, remote: RemoteFile, now: number) =>
    new Replica({
      account,
      variant,
      bytes,
      state: remote.state === "ready" ? "ready" : "processing",
      remoteId: remote.id,
      reference: remote.reference ?? null,
      instance: null,
      expiresAt: remote.expiresAt,
      createdAt: remote.createdAt ?? now,
      updatedAt: now,
      error: null
    })

  /** Records a copy. Where the row has no place for it any more, it is recorded as one to delete. */
  const record = Effect.fnUntraced(function* (file: ManagedFile, copy: Replica, loose: Loose) {
    const now = yield* Clock.currentTimeMillis
    const { unanswered } = loose
    const row = yield* registry.modifyFile(file.key, (current) =>
      Renewal.schedule(CopyRecord.made(current, copy, instance.id, unanswered, now), settings)
    )
    if (row === undefined) return yield* Effect.fail(failure(copy.account, "the file was deleted meanwhile"))
    loose.copy = null
    loose.unanswered = []
    const recorded = findReplica(row, copy.account, copy.variant)
    if (recorded === undefined || (row.state !== "creating" && row.state !== "ready")) {
      return yield* Effect.fail(failure(copy.account, "the file was deleted meanwhile"))
    }
    return recorded.remoteId === copy.remoteId || isLive(recorded, now)
      ? recorded
      : yield* Effect.fail(failure(copy.account, "another instance has taken the copy over"))
  })

  /** A copy that can be recorded nowhere would be unseen from then on: better none. */
  const removeUnrecorded = (target: ProviderAccount, remoteId: string) =>
    Effect.gen(function* () {
      const { files } = target.provider
      if (files !== null) yield* upstream.request(target, Effect.succeed(files.remove(remoteId)), Result.succeed)
    }).pipe(
      Effect.timeout(removalTimeout),
      Effect.catchIf(
        (error) => error._tag === "ProviderError" && error.absent,
        () => Effect.void
      ),
      Effect.catch((error) => Effect.logError("A copy is left that no row knows", error)),
      Effect.asVoid
    )

  /** Ends the intent without a copy, together with what the upload has left behind. */
  const conclude = Effect.fnUntraced(function* (
    target: ProviderAccount,
    file: ManagedFile,
    { bytes, variant }: Copied,
    message: string,
    loose: Loose
  ) {
    const now = yield* Clock.currentTimeMillis
    const account = target.account.id
    const { calling, copy, unanswered } = loose
    const cut =
      calling === null
        ? []
        : [new LostUpload({ account, variant, bytes, remoteId: null, startedAt: calling, endedAt: now })]
    const lost = [...unanswered, ...cut, ...(copy === null ? [] : [copy])]
    const row = yield* registry
      .modifyFile(file.key, (current) => CopyRecord.failed(current, account, variant, instance.id, message, lost, now))
      .pipe(
        // The row still has the intent: once it is not in hand any more it counts as lost itself.
        Effect.catch((error) => Effect.as(Effect.logWarning("A failed copy could not be recorded", error), undefined))
      )
    const remoteId = copy?.remoteId ?? null
    if (row === undefined && remoteId !== null) yield* removeUnrecorded(target, remoteId)
  })

  const messageOf = <A>(exit: Exit.Exit<A, AccountFailure | StorageError>): string => {
    const error = Exit.findErrorOption(exit)
    if (error._tag === "None") return "the upload was interrupted"
    return error.value instanceof AccountFailure ? error.value.message : "our own copy cannot be read or recorded"
  }

  /** Sees a recorded copy through to its end; one that the provider cannot process is to be deleted. */
  const finish = Effect.fnUntraced(function* (
    target: ProviderAccount,
    file: ManagedFile,
    { bytes, variant }: Copied,
    remote: RemoteFile,
    loose: Loose
  ) {
    const startedAt = yield* Clock.currentTimeMillis
    const { account } = target
    const usable = yield* awaitUsable(target, remote).pipe(
      Effect.timeoutOrElse({
        duration: Duration.millis(account.policy.uploadTimeout),
        orElse: () => Effect.fail(failure(account.id, "did not process the file in time", true))
      }),
      Effect.tapError(() =>
        Effect.sync(() => {
          const copy = { account: account.id, variant, bytes, remoteId: remote.id }
          loose.copy = new LostUpload({ ...copy, startedAt, endedAt: startedAt })
        })
      )
    )
    const now = yield* Clock.currentTimeMillis
    return yield* Effect.uninterruptible(record(file, copyOf(account.id, variant, bytes, usable, now), loose))
  })

  /** Runs an upload with a record of what it leaves behind, whatever ends it. */
  const tracked = (
    file: ManagedFile,
    account: string,
    copied: Copied,
    use: (
      target: ProviderAccount,
      permit: Semaphore.Semaphore,
      loose: Loose
    ) => Effect.Effect<Replica, AccountFailure | StorageError>
  ) =>
    Effect.gen(function* () {
      const { permit, target } = yield* targetOf(account)
      const loose: Loose = { calling: null, copy: null, unanswered: [] }
      return yield* use(target, permit, loose).pipe(
        Effect.onExit((exit) =>
          Exit.isSuccess(exit) ? Effect.void : conclude(target, file, copied, messageOf(exit), loose)
        )
      )
    })

  return CopyUpload.of({
    intent: (account, now, source) =>
      new Replica({
        account,
        variant: source?.variant ?? originalVariant,
        bytes: source === undefined ? null : recordedBytes(source),
        state: "pending",
        remoteId: null,
        instance: instance.id,
        expiresAt: null,
        createdAt: now,
        updatedAt: now,
        error: null
      }),
    run: Effect.fn("CopyUpload.run")((file: ManagedFile, account: string, given?: CopySource) => {
      const source = given ?? original(file, (range) => blobs.open(file.key, range))
      const copied = { variant: source.variant, bytes: recordedBytes(source) }
      return tracked(file, account, copied, (target, permit, loose) =>
        Effect.gen(function* () {
          const remote = yield* Semaphore.withPermit(permit, transfer(target, file, source, loose))
          countBytes("copied", source.length)
          const now = yield* Clock.currentTimeMillis
          const made = copyOf(account, copied.variant, copied.bytes, remote, now)
          const copy = yield* Effect.uninterruptible(record(file, made, loose))
          return copy.state === "processing" ? yield* finish(target, file, copied, remote, loose) : copy
        })
      )
    }),
    resume: Effect.fn("CopyUpload.resume")((file: ManagedFile, replica: Replica) =>
      tracked(file, replica.account, replica, (target, _permit, loose) => {
        const { createdAt, expiresAt, reference, remoteId } = replica
        const known = { id: remoteId ?? "", filename: null, bytes: null, createdAt, expiresAt } as const
        const remote = reference === null ? known : { ...known, reference }
        return finish(target, file, replica, { ...remote, state: "processing" }, loose)
      })
    )
  })
})

export const layer: Layer.Layer<
  CopyUpload,
  never,
  BlobStore | Catalog | Instance | LostUploads | Quota | Registry | Upstream
> = Layer.effect(CopyUpload, make)
