/**
 * Making provider copies: for a new file in all of its accounts at once, and later in any account where a
 * call needs the file and there is none, once, however many calls ask and on however many instances.
 *
 * The intent is a `pending` replica, written before the first byte goes out; the copy's ID is written as soon
 * as it is known. An upload that ends without an answer is remembered as lost, so that no copy stays unseen.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import { BlobStore } from "./BlobStore.ts"
import { AccountFailure } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import { Instance } from "./Instance.ts"
import { LostUploads } from "./LostUploads.ts"
import {
  findReplica,
  isLive,
  LostUpload,
  type ManagedFile,
  originalVariant,
  Replica,
  update,
  withReplica
} from "./ManagedFile.ts"
import type { RemoteFile } from "./Provider.ts"
import { ProviderError, Unreachable } from "./ProviderError.ts"
import { Registry } from "./Registry.ts"
import { Settings } from "./Settings.ts"
import { StorageError } from "./StorageError.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"
import * as Uuid from "./Uuid.ts"

export class Replication extends Context.Service<
  Replication,
  {
    /** The replica that says that an upload of ours to the account is about to begin. */
    readonly intent: (account: string, now: number) => Replica
    /**
     * Uploads the file to an account for which the row holds our intent, and records the copy. An
     * interruption stops the upload.
     */
    readonly upload: (file: ManagedFile, account: string) => Effect.Effect<Replica, AccountFailure | StorageError>
    /**
     * The file's live copy in the account, made now if there is none. Callers at the same moment share one
     * upload, which goes on when they leave.
     */
    readonly ensure: (file: ManagedFile, account: string) => Effect.Effect<Replica, AccountFailure | StorageError>
    /** Whether `ensure` can make a copy in that account if there is none. */
    readonly canCopy: (file: ManagedFile, account: string) => boolean
  }
>()("@omnifile/core/Replication") {}

/** Between two looks at a copy that another instance, or the provider, is still busy with. */
const pollInterval = Duration.millis(250)

/** Seconds that providers accept as the life of a copy. */
const shortestLife = 3_600
const longestLife = 2_592_000

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const catalog = yield* Catalog
  const instance = yield* Instance
  const lostUploads = yield* LostUploads
  const registry = yield* Registry
  const upstream = yield* Upstream
  const settings = yield* Settings
  const scope = yield* Effect.scope
  const permits = new Map<string, Semaphore.Semaphore>()
  for (const { account } of catalog.accounts.values()) {
    permits.set(account.id, yield* Semaphore.make(account.policy.concurrentUploads))
  }
  const shared = new Map<string, Fiber.Fiber<Replica, AccountFailure | StorageError>>()

  const failure = (account: string, message: string, timedOut = false) =>
    new AccountFailure({ account, message, timedOut })
  const isTimeout = (error: ProviderError) => error.reason._tag === "Unreachable" && error.reason.timedOut

  const lifeOf = (file: ManagedFile, now: number): number | null =>
    file.expiresAt === null
      ? null
      : Math.min(longestLife, Math.max(shortestLife, Math.ceil((file.expiresAt - now) / 1000)))

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

  const noteLost = (file: ManagedFile, account: string, startedAt: number) =>
    Effect.gen(function* () {
      const endedAt = yield* Clock.currentTimeMillis
      yield* registry.modifyFile(file.key, (current) =>
        update(current, {
          lostUploads: [...current.lostUploads, new LostUpload({ account, startedAt, endedAt })],
          dueAt: current.dueAt === null ? endedAt : Math.min(current.dueAt, endedAt)
        })
      )
    })

  /** Whether an upload without an answer may be tried again: only if the provider does not seem to have it. */
  const mayRepeat = Effect.fnUntraced(function* (target: ProviderAccount, file: ManagedFile, startedAt: number) {
    const endedAt = yield* Clock.currentTimeMillis
    const lost = new LostUpload({ account: target.account.id, startedAt, endedAt })
    const found = yield* Effect.result(lostUploads.search(file, lost))
    if (Result.isSuccess(found) && found.success.length === 0) return true
    yield* noteLost(file, target.account.id, startedAt)
    // On an account of our own the first copy is deleted later, so a second one does no harm.
    return target.account.exclusive && Result.isSuccess(found)
  })

  const tryUpload = Effect.fnUntraced(function* (target: ProviderAccount, file: ManagedFile) {
    const { account, provider } = target
    const { maxBytes } = provider.files
    if (maxBytes !== null && file.bytes > maxBytes) {
      return yield* Effect.fail(failure(account.id, `takes files of at most ${maxBytes} bytes`))
    }
    for (let tries = 1; ; tries++) {
      const startedAt = yield* Clock.currentTimeMillis
      const outcome = yield* upstream.request(target, makeCall(target, file), provider.files.decodeFile).pipe(
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
        Effect.onInterrupt(() => Effect.ignore(noteLost(file, account.id, startedAt))),
        Effect.result
      )
      if (Result.isSuccess(outcome)) return outcome.success
      const error = outcome.failure
      if (error instanceof StorageError) return yield* error
      const again =
        error.maybeAccepted && (yield* mayRepeat(target, file, startedAt)) && tries < account.policy.attempts
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
        .pipe(Effect.mapError((error) => failure(account.id, error.summary, isTimeout(error))))
    }
    if (remote.state === "failed") return yield* Effect.fail(failure(account.id, "could not process the file"))
    return remote
  })

  /** Records a copy. If the file is gone by now, the copy is recorded as one to delete. */
  const record = Effect.fnUntraced(function* (
    file: ManagedFile,
    account: string,
    remote: RemoteFile,
    state: "processing" | "ready"
  ) {
    const now = yield* Clock.currentTimeMillis
    const replica = new Replica({
      account,
      variant: originalVariant,
      state,
      remoteId: remote.id,
      instance: null,
      expiresAt: remote.expiresAt,
      createdAt: remote.createdAt ?? now,
      updatedAt: now,
      error: null
    })
    const row = yield* registry.modifyFile(file.key, (current) =>
      current.state === "creating" || current.state === "ready"
        ? withReplica(current, replica)
        : update(withReplica(current, new Replica({ ...replica, state: "deleting" })), {
            state: "deleting",
            dueAt: now
          })
    )
    if (row === undefined || row.state === "deleting") {
      return yield* Effect.fail(failure(account, "the file was deleted meanwhile"))
    }
    return replica
  })

  /** A copy that could not be recorded would be unseen from then on: better none. */
  const removeCopy = (target: ProviderAccount, remote: RemoteFile) =>
    Effect.ignore(upstream.request(target, Effect.succeed(target.provider.files.remove(remote.id)), Result.succeed))

  /** The row no longer counts on a copy: there is none, or none that anyone will use. */
  const noteFailed = (file: ManagedFile, account: string, message: string) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* registry.modifyFile(file.key, (current) => {
        const replica = findReplica(current, account)
        if (replica === undefined || replica.state === "ready" || replica.state === "deleting") return undefined
        const failed = { ...replica, state: "failed", remoteId: null, instance: null } as const
        return withReplica(current, new Replica({ ...failed, updatedAt: now, error: message }))
      })
    }).pipe(Effect.catch((error) => Effect.logWarning("A failed copy could not be recorded", error)))

  const targetOf = (account: string) => {
    const target = catalog.accounts.get(account)
    const permit = permits.get(account)
    return target === undefined || permit === undefined
      ? Effect.fail(failure(account, "is not configured"))
      : Effect.succeed({ target, permit })
  }

  /** Sees a copy that the provider is processing through to its end. */
  const finish = Effect.fnUntraced(function* (target: ProviderAccount, file: ManagedFile, remote: RemoteFile) {
    const usable = yield* awaitUsable(target, remote).pipe(Effect.tapError(() => removeCopy(target, remote)))
    return yield* record(file, target.account.id, usable, "ready")
  })

  const recordingFailure = <A>(
    file: ManagedFile,
    account: string,
    run: Effect.Effect<A, AccountFailure | StorageError>
  ) =>
    run.pipe(
      Effect.tapError((error) =>
        noteFailed(file, account, error instanceof AccountFailure ? error.message : "our own copy cannot be read")
      )
    )

  const upload = Effect.fn("Replication.upload")(function* (file: ManagedFile, account: string) {
    const { permit, target } = yield* targetOf(account)
    const attempt = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const remote = yield* restore(Semaphore.withPermit(permit, tryUpload(target, file))).pipe(
          Effect.onInterrupt(() => noteFailed(file, account, "the upload was interrupted"))
        )
        const replica = yield* record(file, account, remote, remote.state === "ready" ? "ready" : "processing").pipe(
          Effect.tapError((error) => (error instanceof StorageError ? removeCopy(target, remote) : Effect.void))
        )
        return replica.state === "ready" ? replica : yield* restore(finish(target, file, remote))
      })
    )
    return yield* recordingFailure(file, account, attempt)
  })

  /** Goes on with a copy that was recorded while the provider was processing it. */
  const resume = Effect.fnUntraced(function* (file: ManagedFile, account: string, id: string) {
    const { target } = yield* targetOf(account)
    const { expiresAt = null } = findReplica(file, account) ?? {}
    const remote = { id, filename: null, bytes: null, createdAt: null, expiresAt, state: "processing" } as const
    return yield* recordingFailure(file, account, finish(target, file, remote))
  })

  const intent = (account: string, now: number) =>
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
    })

  /** Takes the copy upon us if nobody alive has it in hand; undefined while somebody has. */
  const claim = Effect.fnUntraced(function* (key: string, account: string) {
    const now = yield* Clock.currentTimeMillis
    const seen = yield* registry.file(key)
    const busy = seen === undefined ? undefined : findReplica(seen, account)
    const holder = busy?.state === "pending" ? busy.instance : null
    const held = holder !== null && holder !== instance.id && (yield* instance.isAlive(holder))
    return yield* registry.modifyFile(key, (current) => {
      const replica = findReplica(current, account)
      if (current.state !== "ready" || replica?.state === "processing") return undefined
      if (replica !== undefined && isLive(replica, now)) return undefined
      if (held || (replica?.state === "pending" && replica.instance !== holder)) return undefined
      const dueAt = now + settings.instanceTtl
      return update(withReplica(current, intent(account, now)), {
        dueAt: current.dueAt === null ? dueAt : Math.min(current.dueAt, dueAt)
      })
    })
  })

  const copy = Effect.fn("Replication.copy")(function* (key: string, account: string) {
    for (;;) {
      const row = yield* claim(key, account)
      const now = yield* Clock.currentTimeMillis
      const replica = row === undefined ? undefined : findReplica(row, account)
      if (row === undefined || row.state !== "ready") {
        return yield* Effect.fail(failure(account, "the file was deleted meanwhile"))
      }
      if (replica !== undefined && isLive(replica, now)) return replica
      if (replica?.state === "pending" && replica.instance === instance.id) return yield* upload(row, account)
      if (replica?.state === "processing" && replica.remoteId !== null) {
        return yield* resume(row, account, replica.remoteId)
      }
      yield* Effect.sleep(pollInterval)
    }
  })

  return Replication.of({
    intent,
    upload,
    canCopy: (file, account) => {
      const target = catalog.accounts.get(account)
      if (target === undefined || !file.kept) return false
      const { maxBytes } = target.provider.files
      if (maxBytes !== null && file.bytes > maxBytes) return false
      return (
        settings.replicate === "any" ||
        file.models.length === 0 ||
        file.models.some((model) => catalog.accountsOf(model).includes(account))
      )
    },
    ensure: Effect.fnUntraced(function* (file, account) {
      const now = yield* Clock.currentTimeMillis
      const replica = findReplica(file, account)
      if (replica !== undefined && isLive(replica, now)) return replica
      const flight = `${file.key} ${account}`
      const running = shared.get(flight)
      if (running !== undefined) return yield* Fiber.join(running)
      const started = yield* copy(file.key, account).pipe(
        Effect.ensuring(Effect.sync(() => shared.delete(flight))),
        Effect.forkIn(scope)
      )
      // A fiber that ended at once has been taken from the map before it got there.
      if (started.pollUnsafe() === undefined) shared.set(flight, started)
      return yield* Fiber.join(started)
    })
  })
})

export const layer: Layer.Layer<
  Replication,
  never,
  BlobStore | Catalog | Instance | LostUploads | Registry | Upstream
> = Layer.effect(Replication, make)
