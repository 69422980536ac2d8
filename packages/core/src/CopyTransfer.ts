/** The provider's side of a copy: the bytes on their way to an account, and the wait until they can be used. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { AccountFailure } from "./CallError.ts"
import * as CopyParts from "./CopyParts.ts"
import { type CopySource, recordedBytes } from "./CopySource.ts"
import { LostUploads } from "./LostUploads.ts"
import { LostUpload, type ManagedFile, purposeOfCopy } from "./ManagedFile.ts"
import type { RemoteFile } from "./Provider.ts"
import { ProviderError, Unreachable } from "./ProviderError.ts"
import { StorageError } from "./StorageError.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"
import * as Uuid from "./Uuid.ts"

/** What an upload may have left at the provider and no row says yet. Kept up to date at every step. */
export interface Loose {
  /** Since when a call is under way, in milliseconds. */
  calling: number | null
  /** A copy that is known and not recorded. */
  copy: LostUpload | null
  /** Calls that ended without an answer. */
  unanswered: ReadonlyArray<LostUpload>
}

/** Between two looks at a copy that the provider is processing. */
const pollInterval = Duration.millis(250)

/** Seconds that providers accept as the life of a copy. */
const shortestLife = 3_600
const longestLife = 2_592_000

export const failure = (account: string, message: string, timedOut = false): AccountFailure =>
  new AccountFailure({ account, message, timedOut })

const isTimeout = (error: ProviderError) => error.reason._tag === "Unreachable" && error.reason.timedOut

const lifeOf = (file: ManagedFile, now: number): number | null =>
  file.expiresAt === null
    ? null
    : Math.min(longestLife, Math.max(shortestLife, Math.ceil((file.expiresAt - now) / 1000)))

export const make = Effect.gen(function* () {
  const lostUploads = yield* LostUploads
  const parts = yield* CopyParts.make
  const upstream = yield* Upstream

  const describe = Effect.fnUntraced(function* (file: ManagedFile, { length }: CopySource) {
    const now = yield* Clock.currentTimeMillis
    return {
      filename: file.filename,
      contentType: file.declaredType ?? file.contentType,
      purpose: purposeOfCopy(file),
      length,
      expiresAfter: lifeOf(file, now)
    }
  })

  const makeCall = Effect.fnUntraced(function* ({ provider }: ProviderAccount, file: ManagedFile, source: CopySource) {
    const described = yield* describe(file, source)
    const nonce = (yield* Uuid.make).replaceAll("-", "")
    return provider.files.create({ ...described, bytes: yield* source.open, nonce })
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
  const prepare = Effect.fnUntraced(function* (target: ProviderAccount, file: ManagedFile, source: CopySource) {
    const { files } = target.provider
    const protocol = CopyParts.protocolFor(target, source)
    if (protocol === undefined || source.openRange === undefined) {
      return inTime(target, upstream.request(target, makeCall(target, file, source), files.decodeFile))
    }
    const described = yield* describe(file, source)
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
    const { account } = target
    const limit = CopyParts.limitOf(target, source)
    if (limit !== null && source.length > limit) {
      return yield* Effect.fail(failure(account.id, `takes files of at most ${limit} bytes`))
    }
    const makeCopy = yield* prepare(target, file, source).pipe(
      Effect.mapError((error) =>
        error instanceof StorageError ? error : failure(account.id, error.summary, isTimeout(error))
      )
    )
    for (let tries = 1; ; tries++) {
      const startedAt = yield* Clock.currentTimeMillis
      loose.calling = startedAt
      const outcome = yield* Effect.result(makeCopy)
      const endedAt = yield* Clock.currentTimeMillis
      const { variant } = source
      const bytes = recordedBytes(source)
      const lost = new LostUpload({ account: account.id, variant, bytes, remoteId: null, startedAt, endedAt })
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
  }, Effect.scoped)

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

  return { transfer, awaitUsable }
})
