/** Access tokens of Google for the accounts that have no key of their own. */
import * as Redacted from "effect/Redacted"
import type { GoogleIdentity } from "./config/GoogleSection.ts"
import { nameOf } from "./IdentityFailure.ts"
import type { IdentityService, Issued } from "./RenewedSecret.ts"

export interface AccessToken {
  readonly token: string
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** How tokens are found for an identity; null if no way is found. */
export type OpenTokens = (identity: GoogleIdentity) => Promise<() => Promise<AccessToken | null>>

export const service: IdentityService = {
  what: "access token of Google",
  call: "google.token",
  // The library has no class for what it does not find, or finds to be no credentials.
  signs: { code: /\binvalid_[a-z]{1,30}\b|\bunauthorized_client\b/, isNobody: (error) => nameOf(error) === "Error" }
}

/** Asks for the tokens of an identity. */
export const asking = (identity: GoogleIdentity, open: OpenTokens) => {
  let find: (() => Promise<AccessToken | null>) | undefined
  return async (): Promise<Issued | null> => {
    find ??= await open(identity)
    const found = await find()
    return found === null ? null : { secret: Redacted.make(found.token), expiresAt: found.expiresAt }
  }
}
