/**
 * What an identity service gives out for an account, for a while. It is kept until shortly before it expires, and whoever
 * needs a new one meanwhile waits for the same request.
 */
import type * as ProviderError from "@omnifile/core/ProviderError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as IdentityFailure from "./IdentityFailure.ts"

/** Less than the five minutes in which the libraries no longer hand out what they keep themselves. Milliseconds. */
const renewBefore = 4 * 60_000

/** Between tries for a new secret while the old one is still good. Milliseconds. */
const pause = 30_000

const patience = "30 seconds"

export interface Issued {
  readonly secret: Redacted.Redacted<string>
  /** Milliseconds since 1970, or null if it lasts. */
  readonly expiresAt: number | null
}

/** A service, as far as secrets are asked of it. */
export interface IdentityService {
  /** What it gives out, such as `token of Microsoft Entra`. */
  readonly what: string
  /** What asking for it is called in errors. */
  readonly call: string
  readonly signs: IdentityFailure.Signs
}

interface Kept {
  readonly secret: Redacted.Redacted<string>
  readonly expiresAt: number
  readonly renewAt: number
}

/** The secret of one account. `ask` answers null if it finds no way to ask. The scope ends a request that is under way. */
export const make = (
  account: string,
  { call, signs, what }: IdentityService,
  ask: (signal: AbortSignal) => Promise<Issued | null>,
  within: Scope.Scope
): Effect.Effect<Redacted.Redacted<string>, ProviderError.ProviderError> => {
  let kept: Kept | undefined
  let renewal: Deferred.Deferred<Redacted.Redacted<string>, ProviderError.ProviderError> | undefined

  const request = Effect.tryPromise({ try: ask, catch: (cause) => cause }).pipe(
    Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(new IdentityFailure.NoAnswer()) }),
    Effect.flatMap((issued) => (issued === null ? Effect.fail(new IdentityFailure.NoToken()) : Effect.succeed(issued)))
  )

  const renew = request.pipe(
    Effect.map(({ expiresAt, secret }) => {
      const end = expiresAt ?? Number.POSITIVE_INFINITY
      kept = { secret, expiresAt: end, renewAt: end - renewBefore }
      return secret
    }),
    Effect.catch((cause) =>
      Effect.gen(function* () {
        yield* Effect.logWarning(`No ${what} for account ${account}: ${IdentityFailure.describe(cause, signs)}`)
        const now = yield* Clock.currentTimeMillis
        if (kept === undefined || kept.expiresAt <= now) {
          return yield* IdentityFailure.toProviderError(account, call, cause, signs)
        }
        kept = { ...kept, renewAt: now + pause }
        return kept.secret
      })
    ),
    Effect.ensuring(
      Effect.sync(() => {
        renewal = undefined
      })
    )
  )

  return Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (kept !== undefined && now < Math.min(kept.renewAt, kept.expiresAt)) return kept.secret
    return yield* Effect.uninterruptibleMask((restore) => {
      if (renewal !== undefined) return restore(Deferred.await(renewal))
      const begun = Deferred.makeUnsafe<Redacted.Redacted<string>, ProviderError.ProviderError>()
      renewal = begun
      // Not a child of the caller, who may go while others wait.
      return Effect.andThen(Effect.forkIn(Deferred.into(renew, begun), within), restore(Deferred.await(begun)))
    })
  })
}
