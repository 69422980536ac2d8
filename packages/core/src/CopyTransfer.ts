/** The provider's side of a copy: the bytes on their way to an account, and the wait until they can be used. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { AccountFailure } from "./CallError.ts"
import * as CopyParts from "./CopyParts.ts"
import { type CopySource, describe, recordedBytes } from "./CopySource.ts"
import { LostUploads } from "./LostUploads.ts"
import { LostUpload, type ManagedFile } from "./ManagedFile.ts"
import type { CopyLife, FileProtocol, RemoteFile } from "./Provider.ts"
import { ProviderError, Unreachable } from "./ProviderError.ts"
import { Quota } from "./Quota.ts"
import { StorageError } from "./StorageError.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"
import * as Uuid from "./Uuid.ts"

/** What an upload may have left at the provider and no row says yet. Kept up to date at every step. */
export interface Loose {
  /** Since when a call is under way, in milliseconds. */
  calling: number | null
  /** A copy that is known and not recorded. */
  copy: LostUpload | null
  /** Calls that ended without an answer, and copies that uploads began and did not end. */
  unanswered: ReadonlyArray<LostUpload>
}

/** By how much the wait between two looks at a copy that is processed grows. */
const pollGrowth = 1.5

export const failure = (account: string, message: string, timedOut = false): AccountFailure =>
  new AccountFailure({ account, message, timedOut })

/**
 * How often room is made for one upload, each time for twice as much: an account also holds what others have put there,
 * and may be over its limit by more than the upload.
 */
const mostRoomMade = 3

const isFull = ({ reason }: ProviderError) => reason._tag === "Rejected" && reason.meaning === "quota"

const isTimeout = (error: ProviderError) => error.reason._tag === "Unreachable" && error.reason.timedOut

/** Seconds that the copy is to be kept, as near as the provider lets us come to the life of the file. */
const lifeOf = ({ expiresAt }: ManagedFile, life: CopyLife | null, now: number): number | null =>
  expiresAt === null || life?._tag !== "Settable"
    ? null
    : Math.min(life.longest, Math.max(life.shortest, Math.ceil((expiresAt - now) / 1000)))

/** A provider need not say what it always does. */
const withExpiry = (remote: RemoteFile, life: CopyLife | null, now: number): RemoteFile =>
  remote.expiresAt === null && life?._tag === "Fixed"
    ? { ...remote, expiresAt: (remote.createdAt ?? now) + life.seconds * 1000 }
    : remote

export const make = Effect.gen(function* () {
  const lostUploads = yield* LostUploads
  const parts = yield* CopyParts.make
  const quota = yield* Quota
  const upstream = yield* Upstream

  const describeUpload = Effect.fnUntraced(function* (
    { life }: FileProtocol,
    file: ManagedFile,
    { described, length }: CopySource
  ) {
    const now = yield* Clock.currentTimeMillis
    return { ...(described ?? describe(file)), length, expiresAfter: lifeOf(file, life, now) }
  })

  const firstStep = Effect.fnUntraced(function* (files: FileProtocol, file: ManagedFile, source: CopySource) {
    const described = yield* describeUpload(files, file, source)
    const nonce = (yield* Uuid.make).replaceAll("-", "")
    return files.create({ ...described, bytes: yield* source.open, nonce })
  })

  const inTime = <A, E, R>(target: ProviderAccount, call: Effect.Effect<A, E, R>) =>
    call.pipe(
      Effect.timeoutOrElse({
        duration: Duration.millis(target.account.policy.uploadTimeout),
        orElse: () =>
          Effect.fail(
            new ProviderError({
              account: target.account.id,
              call: "files.create",
              reason: new Unreachable({ timedOut: true, cause: "upload timeout" }),
              maybeAccepted: true
            })
          )
      })
    )

  /**
   * What makes the copy, each time that it is run. A file that is too large for one request has its parts brought to
   * the provider first, which makes no copy yet.
   */
  const prepare = Effect.fnUntraced(function* (
    target: ProviderAccount,
    files: FileProtocol,
    file: ManagedFile,
    source: CopySource,
    begun: (id: string) => void
  ) {
    const protocol = CopyParts.protocolFor(files, source)
    if (protocol === undefined || source.openRange === undefined) {
      return inTime(target, upstream.upload(target, firstStep(files, file, source), begun))
    }
    const described = yield* describeUpload(files, file, source)
    const complete = yield* inTime(target, parts.send(target, protocol, described, source.openRange))
    return inTime(target, upstream.request(target, Effect.succeed(complete), protocol.decodeCompleted))
  })

  /** Whether an upload without an answer may be tried again: only if the provider does not seem to have it. */
  const mayRepeat = Effect.fnUntraced(function* (target: ProviderAccount, file: ManagedFile, lost: LostUpload) {
    const found = yield* Effect.result(lostUploads.search(file, lost))
    // On an account of our own the first copy is deleted later, so a second one does no harm.
    return Result.isSuccess(found) && (found.success.length === 0 || target.account.exclusive)
  })

  /** Uploads, again where that is safe, and answers what the provider says of the copy. */
  const transfer = Effect.fnUntraced(function* (
    target: ProviderAccount,
    file: ManagedFile,
    source: CopySource,
    loose: Loose
  ) {
    const { account, provider } = target
    const { files } = provider
    if (files === null) return yield* Effect.fail(failure(account.id, "takes no files"))
    const limit = CopyParts.limitOf(files, source)
    if (limit !== null && source.length > limit) {
      return yield* Effect.fail(failure(account.id, `takes files of at most ${limit} bytes`))
    }
    const { variant } = source
    const bytes = recordedBytes(source)
    const since = yield* Clock.currentTimeMillis
    const begun = (remoteId: string) => {
      const copy = { account: account.id, variant, bytes, remoteId }
      loose.unanswered = [...loose.unanswered, new LostUpload({ ...copy, startedAt: since, endedAt: since })]
    }
    const makeCopy = yield* prepare(target, files, file, source, begun).pipe(
      Effect.mapError((error) =>
        error instanceof StorageError ? error : failure(account.id, error.summary, isTimeout(error))
      )
    )
    let roomMade = 0
    for (let tries = 1; ; tries++) {
      const startedAt = yield* Clock.currentTimeMillis
      loose.calling = startedAt
      const outcome = yield* Effect.result(makeCopy)
      const endedAt = yield* Clock.currentTimeMillis
      const lost = new LostUpload({ account: account.id, variant, bytes, remoteId: null, startedAt, endedAt })
      loose.calling = null
      if (Result.isSuccess(outcome)) {
        const made = withExpiry(outcome.success, files.life, endedAt)
        loose.copy = new LostUpload({ ...lost, remoteId: made.id })
        loose.unanswered = loose.unanswered.filter(({ remoteId }) => remoteId !== made.id)
        return made
      }
      const error = outcome.failure
      if (error instanceof StorageError) return yield* error
      if (isFull(error) && roomMade < mostRoomMade) {
        const share = 2 ** roomMade
        if (yield* quota.makeRoom(account.id, { bytes: source.length * share, files: share })) {
          roomMade++
          continue
        }
      }
      if (error.maybeAccepted) loose.unanswered = [...loose.unanswered, lost]
      const again =
        error.maybeAccepted && tries - roomMade < account.policy.attempts && (yield* mayRepeat(target, file, lost))
      if (!again) return yield* Effect.fail(failure(account.id, error.summary, isTimeout(error)))
      yield* upstream.pause(tries, error)
    }
  }, Effect.scoped)

  /** Waits until the provider has processed the copy. */
  const awaitUsable = Effect.fnUntraced(function* (target: ProviderAccount, uploaded: RemoteFile) {
    const { account, provider } = target
    const { files } = provider
    if (files === null) return yield* Effect.fail(failure(account.id, "takes no files"))
    let remote = uploaded
    let wait = files.poll.first
    while (remote.state === "processing") {
      yield* Effect.sleep(Duration.millis(wait))
      wait = Math.min(files.poll.most, wait * pollGrowth)
      remote = yield* upstream
        .request(target, Effect.succeed(files.retrieve(remote.id)), files.decodeFile)
        .pipe(
          Effect.mapError((error) =>
            failure(account.id, error.summary.replaceAll(uploaded.id, "the copy"), isTimeout(error))
          )
        )
    }
    if (remote.state === "failed") return yield* Effect.fail(failure(account.id, "could not process the file"))
    return withExpiry(remote, files.life, yield* Clock.currentTimeMillis)
  })

  return { transfer, awaitUsable }
})
