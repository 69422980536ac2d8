/** Tokens of Microsoft Entra for the accounts that have no API key of their own. */
import type { TokenCredential } from "@azure/identity"
import * as Redacted from "effect/Redacted"
import type { EntraIdentity } from "./config/EntraSection.ts"
import { nameOf } from "./IdentityFailure.ts"
import type { IdentityService, Issued } from "./RenewedSecret.ts"

const scope = "https://cognitiveservices.azure.com/.default"

/** How a credential for an identity is made, once, when its first token is needed. */
export type OpenCredential = (identity: EntraIdentity) => Promise<TokenCredential>

export const service: IdentityService = {
  what: "token of Microsoft Entra",
  call: "entra.token",
  signs: { code: /AADSTS\d{1,10}/, isNobody: (error) => nameOf(error) === "AggregateAuthenticationError" }
}

/** Asks for the tokens of an identity. */
export const asking = (identity: EntraIdentity, open: OpenCredential) => {
  let credential: TokenCredential | undefined
  return async (abortSignal: AbortSignal): Promise<Issued | null> => {
    credential ??= await open(identity)
    const token = await credential.getToken(scope, { abortSignal })
    return token === null ? null : { secret: Redacted.make(token.token), expiresAt: token.expiresOnTimestamp }
  }
}
