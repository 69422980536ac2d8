/** The secrets that calls to accounts carry: what the configuration says, unless something gives them out anew. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { Account } from "./Account.ts"
import type { ProviderError } from "./ProviderError.ts"

export interface CredentialSource {
  /** Asked for every call, so what has to be fetched is to be kept until shortly before it expires. */
  readonly secretOf: (account: Account) => Effect.Effect<Redacted.Redacted<string>, ProviderError>
}

export const Credentials: Context.Reference<CredentialSource> = Context.Reference<CredentialSource>(
  "@omnifile/core/Credentials",
  { defaultValue: () => ({ secretOf: ({ apiKey }) => Effect.succeed(apiKey) }) }
)
