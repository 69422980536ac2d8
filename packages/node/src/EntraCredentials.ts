/**
 * Tokens of Microsoft Entra for the accounts that have no API key of their own.
 *
 * A token is kept until shortly before it expires, and whoever needs a new one meanwhile waits for the same request.
 */
import type { TokenCredential } from "@azure/identity"
import type { Account } from "@omnifile/core/Account"
import { Credentials } from "@omnifile/core/Credentials"
import type * as ProviderError from "@omnifile/core/ProviderError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Configuration } from "./config/Configuration.ts"
import type { EntraIdentity } from "./config/EntraSection.ts"
import * as EntraFailure from "./EntraFailure.ts"
import * as EntraLibrary from "./EntraLibrary.ts"

const scope = "https://cognitiveservices.azure.com/.default"

/** Less than the five minutes in which the library no longer hands out what it keeps itself. Milliseconds. */
const renewBefore = 4 * 60_000

/** Between tries for a new token while the old one is still good. Milliseconds. */
const pause = 30_000

const patience = "30 seconds"

/** How a credential for an identity is made, once, when its first token is needed. */
export type OpenCredential = (identity: EntraIdentity) => Promise<TokenCredential>

interface Token {
  readonly secret: Redacted.Redacted<string>
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  readonly renewAt: number
}

/** The tokens of one account. The scope ends a request that is under way. */
const makeTokens = (account: string, identity: EntraIdentity, open: OpenCredential, within: Scope.Scope) => {
  let credential: TokenCredential | undefined
  let token: Token | undefined
  let renewal: Deferred.Deferred<Redacted.Redacted<string>, ProviderError.ProviderError> | undefined

  const request = Effect.tryPromise({
    try: async (abortSignal) => {
      credential ??= await open(identity)
      return await credential.getToken(scope, { abortSignal })
    },
    catch: (cause) => cause
  }).pipe(
    Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(new EntraFailure.NoAnswer()) }),
    Effect.flatMap((answer) => (answer === null ? Effect.fail(new EntraFailure.NoToken()) : Effect.succeed(answer)))
  )

  const renew = request.pipe(
    Effect.map(({ expiresOnTimestamp, token: text }) => {
      const secret = Redacted.make(text)
      token = { secret, expiresAt: expiresOnTimestamp, renewAt: expiresOnTimestamp - renewBefore }
      return secret
    }),
    Effect.catch((cause) =>
      Effect.gen(function* () {
        yield* Effect.logWarning(`No token of Microsoft Entra for account ${account}: ${EntraFailure.describe(cause)}`)
        const now = yield* Clock.currentTimeMillis
        if (token === undefined || token.expiresAt <= now) return yield* EntraFailure.toProviderError(account, cause)
        token = { ...token, renewAt: now + pause }
        return token.secret
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
    if (token !== undefined && now < Math.min(token.renewAt, token.expiresAt)) return token.secret
    return yield* Effect.uninterruptibleMask((restore) => {
      if (renewal !== undefined) return restore(Deferred.await(renewal))
      const begun = Deferred.makeUnsafe<Redacted.Redacted<string>, ProviderError.ProviderError>()
      renewal = begun
      // Not a child of the caller, who may go while others wait.
      return Effect.andThen(Effect.forkIn(Deferred.into(renew, begun), within), restore(Deferred.await(begun)))
    })
  })
}

const isWithoutKey = ({ apiKey, auth }: Account): boolean => auth === "entra" && Redacted.value(apiKey) === ""

/** Credentials that are tokens for accounts with `auth: entra` and an empty key, and the account's key elsewhere. */
export const layer = (
  { accounts, entra }: Pick<Configuration, "accounts" | "entra">,
  open: OpenCredential = EntraLibrary.open
): Layer.Layer<never> => {
  const keyless = accounts.filter(isWithoutKey)
  if (keyless.length === 0) return Layer.empty
  return Layer.effect(
    Credentials,
    Effect.map(Effect.scope, (within) => {
      const tokens = new Map(
        keyless.map(({ id }) => [
          id,
          makeTokens(id, entra?.get(id) ?? { _tag: "Machine", clientId: undefined }, open, within)
        ])
      )
      return { secretOf: ({ apiKey, id }: Account) => tokens.get(id) ?? Effect.succeed(apiKey) }
    })
  )
}
