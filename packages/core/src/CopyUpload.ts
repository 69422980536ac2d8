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
import * as CopyRecord from "./CopyRecord.ts"
import { Instance, uploadOf } from "./Instance.ts"
import { LostUploads } from "./LostUploads.ts"
import { findReplica, isLive, LostUpload, type ManagedFile, originalVariant, Replica } from "./ManagedFile.ts"
import type { RemoteFile } from "./Provider.ts"
import { ProviderError, Unreachable } from "./ProviderError.ts"
import { Registry } from "./Registry.ts"
import { StorageError } from "./StorageError.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"
import * as Uuid from "./Uuid.ts"

export class CopyUpload extends Context.Service<
  CopyUpload,
  {
    /** The replica that says that an upload of ours to the account is about to begin. */
    readonly intent: (account: string, now: number) => Replica
    /**
     * Uploads the file to an account for which the row holds our intent, and records the copy. An
     * interruption stops the upload.
     */
    readonly run: (file: ManagedFile, account: string) => Effect.Effect<Replica, AccountFailure | StorageError>
    /** Sees a copy through that is recorded as one that the provider is processing. */
    readonly resume: (file: ManagedFile, replica: Replica) => Effect.Effect<Replica, AccountFailure | StorageError>
  }
>()("@omnifile/core/CopyUpload") {}

/** Between two looks at a copy that the provider is processing. */
const pollInterval = Duration.millis(250)

/** Seconds that providers accept as the life of a copy. */
const shortestLife = 3_600
const longestLife = 2_592_000

/** What one run may have left at the provider and no commit has said yet. */
interface Loose {
  /** Since when a call is under way, in milliseconds. */
  calling: number | null
  /** A copy that is known and not recorded. */
  copy: LostUpload | null
  /** Calls that ended without an answer. */
  unanswered: ReadonlyArray<LostUpload>
}

const failure = (account: string, message: string, timedOut = false) =>
  new AccountFailure({ account, message, timedOut })

const isTimeout = (error: ProviderError) => error.reason._tag === "Unreachable" && error.reason.timedOut

const lifeOf = (file: ManagedFile, now: number): number | null =>
  file.expiresAt === null
    ? null
    : Math.min(longestLife, Math.max(shortestLife, Math.ceil((file.expiresAt - now) / 1000)))

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const catalog = yield* Catalog
  const instance = yield* Instance
  const lostUploads = yield* LostUploads
  const registry = yield* Registry
  const upstream = yield* Upstream
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

  const makeCall = Effect.fnUntraced(function* ({ provider }: ProviderAccount, file: ManagedFile) {
    const now = yield* Clock.currentTimeMillis
    const nonce = (yield* Uuid.make).replaceAll("-", "")
    const bytes = yield* blobs.open(file.key)
    return provider.files.create({
      filename: file.filename,
      contentType: file.declaredType ?? file.contentType,
      purpose: file.purpose,
      bytes,
      length: file.bytes,
      expiresAfter: lifeOf(file, now),
      nonce
    })
  })

  const callOnce = ({ account, provider }: ProviderAccount, file: ManagedFile) =>
    upstream.request({ account, provider }, makeCall({ account, provider }, file), provider.files.decodeFile).pipe(
      Effect.timeoutOrElse({
        duration: Duration.millis(account.policy.uploadTimeout),
        orElse: () =>
          Effect.fail(
            new ProviderError({
              account: account.id,
              call: "files.create",
              reason: new Unreachable({ timedOut: true, cause: "upload timeout" }),
              maybeAccepted: true
            })
          )
      }),
      Effect.result
    )

  /** Whether an upload without an answer may be tried again: only if the provider does not seem to have it. */
  const mayRepeat = Effect.fnUntraced(function* (target: ProviderAccount, file: ManagedFile, lost: LostUpload) {
    const found = yield* Effect.result(lostUploads.search(file, lost))
    // On an account of our own the first copy is deleted later, so a second one does no harm.
    return Result.isSuccess(found) && (found.success.length === 0 || target.account.exclusive)
  })

  const transfer = Effect.fnUntraced(function* (target: ProviderAccount, file: ManagedFile, loose: Loose) {
    const { account, provider } = target
    const { maxBytes } = provider.files
    if (maxBytes !== null && file.bytes > maxBytes) {
      return yield* Effect.fail(failure(account.id, `takes files of at most ${maxBytes} bytes`))
    }
    for (let tries = 1; ; tries++) {
      const startedAt = yield* Clock.currentTimeMillis
      loose.calling = startedAt
      const outcome = yield* callOnce(target, file)
      const endedAt = yield* Clock.currentTimeMillis
      const lost = new LostUpload({ account: account.id, remoteId: null, startedAt, endedAt })
      loose.calling = null
      if (Result.isSuccess(outcome)) {
        loose.copy = new LostUpload({ ...lost, remoteId: outcome.success.id })
        return outcome.success
      }
      const error = outcome.failure
      if (error instanceof StorageError) return yield* error
      if (error.maybeAccepted) loose.unanswered = [...loose.unanswered, lost]
      const again = error.maybeAccepted && tries < account.policy.attempts && (yield* mayRepeat(target, file, lost))
      if (!again) return yield* Effect.fail(failure(account.id, error.summary, isTimeout(error)))
    }
  })

  /** Waits until the provider has processed the copy. */
  const awaitUsable = Effect.fnUntraced(function* (target: ProviderAccount, uploaded: RemoteFile) {
    const { account, provider } = target
    let remote = uploaded
    while (remote.state === "processing") {
      yield* Effect.sleep(pollInterval)
      remote = yield* upstream
        .request(target, Effect.succeed(provider.files.retrieve(remote.id)), provider.files.decodeFile)
        .pipe(
          Effect.mapError((error) =>
            failure(account.id, error.summary.replaceAll(uploaded.id, "the copy"), isTimeout(error))
          )
        )
    }
    if (remote.state === "failed") return yield* Effect.fail(failure(account.id, "could not process the file"))
    return remote
  })

  const copyOf = (account: string, remote: RemoteFile, now: number) =>
    new Replica({
      account,
      variant: originalVariant,
      state: remote.state === "ready" ? "ready" : "processing",
      remoteId: remote.id,
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
      CopyRecord.made(current, copy, instance.id, unanswered, now)
    )
    if (row === undefined) return yield* Effect.fail(failure(copy.account, "the file was deleted meanwhile"))
    loose.copy = null
    loose.unanswered = []
    const recorded = findReplica(row, copy.account)
    if (recorded === undefined || (row.state !== "creating" && row.state !== "ready")) {
      return yield* Effect.fail(failure(copy.account, "the file was deleted meanwhile"))
    }
    return recorded.remoteId === copy.remoteId || isLive(recorded, now)
      ? recorded
      : yield* Effect.fail(failure(copy.account, "another instance has taken the copy over"))
  })

  /** A copy that can be recorded nowhere would be unseen from then on: better none. */
  const removeUnrecorded = Effect.fnUntraced(function* ({ provider, account }: ProviderAccount, remoteId: string) {
    yield* upstream
      .request({ account, provider }, Effect.succeed(provider.files.remove(remoteId)), Result.succeed)
      .pipe(
        Effect.catchIf(
          (error) => error.absent,
          () => Effect.void
        ),
        Effect.catch((error) => Effect.logError("A copy is left that no row knows", error))
      )
  })

  /** Ends the intent without a copy, together with what the upload has left behind. */
  const conclude = Effect.fnUntraced(function* (
    target: ProviderAccount,
    file: ManagedFile,
    message: string,
    loose: Loose
  ) {
    const now = yield* Clock.currentTimeMillis
    const account = target.account.id
    const { calling, copy, unanswered } = loose
    const cut = calling === null ? [] : [new LostUpload({ account, remoteId: null, startedAt: calling, endedAt: now })]
    const lost = [...unanswered, ...cut, ...(copy === null ? [] : [copy])]
    const row = yield* registry
      .modifyFile(file.key, (current) => CopyRecord.failed(current, account, instance.id, message, lost, now))
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
          loose.copy = new LostUpload({ account: account.id, remoteId: remote.id, startedAt, endedAt: startedAt })
        })
      )
    )
    const now = yield* Clock.currentTimeMillis
    return yield* Effect.uninterruptible(record(file, copyOf(account.id, usable, now), loose))
  })

  /** Runs an upload with a record of what it leaves behind, whatever ends it. */
  const tracked = (
    file: ManagedFile,
    account: string,
    use: (
      target: ProviderAccount,
      permit: Semaphore.Semaphore,
      loose: Loose
    ) => Effect.Effect<Replica, AccountFailure | StorageError>
  ) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { permit, target } = yield* targetOf(account)
        yield* instance.hold(uploadOf(file.key, account))
        const loose: Loose = { calling: null, copy: null, unanswered: [] }
        return yield* use(target, permit, loose).pipe(
          Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : conclude(target, file, messageOf(exit), loose)))
        )
      })
    )

  return CopyUpload.of({
    intent: (account, now) =>
      new Replica({
        account,
        variant: originalVariant,
        state: "pending",
        remoteId: null,
        instance: instance.id,
        expiresAt: null,
        createdAt: now,
        updatedAt: now,
        error: null
      }),
    run: Effect.fn("CopyUpload.run")((file: ManagedFile, account: string) =>
      tracked(file, account, (target, permit, loose) =>
        Effect.gen(function* () {
          const remote = yield* Semaphore.withPermit(permit, transfer(target, file, loose))
          const now = yield* Clock.currentTimeMillis
          const copy = yield* Effect.uninterruptible(record(file, copyOf(account, remote, now), loose))
          return copy.state === "processing" ? yield* finish(target, file, remote, loose) : copy
        })
      )
    ),
    resume: Effect.fn("CopyUpload.resume")((file: ManagedFile, replica: Replica) =>
      tracked(file, replica.account, (target, _permit, loose) => {
        const { createdAt, expiresAt, remoteId } = replica
        const remote = { id: remoteId ?? "", filename: null, bytes: null, createdAt, expiresAt } as const
        return finish(target, file, { ...remote, state: "processing" }, loose)
      })
    )
  })
})

export const layer: Layer.Layer<CopyUpload, never, BlobStore | Catalog | Instance | LostUploads | Registry | Upstream> =
  Layer.effect(CopyUpload, make)
