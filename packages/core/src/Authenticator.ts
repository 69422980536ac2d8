/** From an API key to who calls. Keys are held as digests only. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Unauthenticated } from "./CallError.ts"
import type { Allowance } from "./Limits.ts"
import { Principal } from "./Principal.ts"
import * as Sha256 from "./Sha256.ts"

/** A key of the configuration, and who holds it. */
export interface ApiKey {
  readonly key: Redacted.Redacted<string>
  readonly role: "admin" | "user"
  readonly user: string | null
  readonly team: string | null
  readonly models: ReadonlyArray<string>
  /** In the place of what holds for every key. */
  readonly limits?: Allowance | undefined
}

export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** Fails for a key that is absent or not known; the two read the same to who has none. */
    readonly authenticate: (key: string | undefined) => Effect.Effect<Principal, Unauthenticated>
  }
>()("@omnifile/core/Authenticator") {}

const missing = new Unauthenticated({
  message: "You didn't provide an API key. Send it in an Authorization header: 'Authorization: Bearer YOUR_KEY'."
})
const unknown = new Unauthenticated({ message: "Incorrect API key provided." })

/**
 * Looks keys up by digest, so that neither the table nor the time that a look-up takes tells anything about
 * them. A key that was found before is found again without a digest.
 */
export const make = (keys: ReadonlyArray<ApiKey>, sha256: Sha256.Sha256["Service"]): Authenticator["Service"] => {
  const byDigest = new Map<string, Principal>()
  for (const { key, models, role, team, user } of keys) {
    const keyHash = Sha256.hexOfText(sha256, Redacted.value(key))
    byDigest.set(keyHash, new Principal({ role, user, team, keyHash, models: [...models] }))
  }
  const recognised = new Map<string, Principal>()
  return Authenticator.of({
    authenticate: (key) => {
      if (key === undefined || key === "") return Effect.fail(missing)
      const known = recognised.get(key)
      if (known !== undefined) return Effect.succeed(known)
      const principal = byDigest.get(Sha256.hexOfText(sha256, key))
      if (principal === undefined) return Effect.fail(unknown)
      recognised.set(key, principal)
      return Effect.succeed(principal)
    }
  })
}

export const layer = (keys: ReadonlyArray<ApiKey>): Layer.Layer<Authenticator, never, Sha256.Sha256> =>
  Layer.effect(
    Authenticator,
    Effect.map(Sha256.Sha256, (sha256) => make(keys, sha256))
  )
