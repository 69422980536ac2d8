/** The secrets of accounts that do not just have an API key: what their identity services give out, kept and renewed. */
import type { Account } from "@omnifile/core/Account"
import { Credentials } from "@omnifile/core/Credentials"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as AwsCredentials from "./AwsCredentials.ts"
import * as AwsLibrary from "./AwsLibrary.ts"
import type { Configuration } from "./config/Configuration.ts"
import * as EntraCredentials from "./EntraCredentials.ts"
import * as EntraLibrary from "./EntraLibrary.ts"
import * as GoogleCredentials from "./GoogleCredentials.ts"
import * as GoogleLibrary from "./GoogleLibrary.ts"
import * as RenewedSecret from "./RenewedSecret.ts"

/** The libraries that find credentials. */
export interface Libraries {
  readonly entra: EntraCredentials.OpenCredential
  readonly aws: AwsCredentials.OpenAccessKeys
  readonly google: GoogleCredentials.OpenTokens
}

const installed: Libraries = { entra: EntraLibrary.open, aws: AwsLibrary.open, google: GoogleLibrary.open }

type Identities = Pick<Configuration, "accounts" | "aws" | "entra" | "google">

/** The renewed secret of an account; undefined for one whose API key is all that it has. */
const secretFor = (
  { apiKey, auth, id }: Account,
  { aws, entra, google }: Identities,
  libraries: Libraries,
  within: Scope.Scope
) => {
  const isKeyless = Redacted.value(apiKey) === ""
  switch (auth) {
    case "api_key":
      return undefined
    case "aws": {
      // The key beside it is Bedrock's own, and an access key is needed for the bucket.
      const ask = AwsCredentials.asking(aws?.get(id) ?? { _tag: "Machine", profile: undefined }, libraries.aws)
      return RenewedSecret.make(id, AwsCredentials.service, ask, within)
    }
    case "entra": {
      const ask = EntraCredentials.asking(entra?.get(id) ?? { _tag: "Machine", clientId: undefined }, libraries.entra)
      return isKeyless ? RenewedSecret.make(id, EntraCredentials.service, ask, within) : undefined
    }
    case "google": {
      const ask = GoogleCredentials.asking(google?.get(id) ?? { keyFile: undefined }, libraries.google)
      return isKeyless ? RenewedSecret.make(id, GoogleCredentials.service, ask, within) : undefined
    }
  }
}

/** What identity services give out for accounts with them, and the account's key elsewhere. */
export const layer = (identities: Identities, libraries: Partial<Libraries> = {}): Layer.Layer<never> => {
  const { accounts } = identities
  if (accounts.every(({ auth }) => auth === "api_key")) return Layer.empty
  return Layer.effect(
    Credentials,
    Effect.map(Effect.scope, (within) => {
      const secrets = new Map(
        accounts.flatMap((account) => {
          const secret = secretFor(account, identities, { ...installed, ...libraries }, within)
          return secret === undefined ? [] : [[account.id, secret] as const]
        })
      )
      return { secretOf: ({ apiKey, id }: Account) => secrets.get(id) ?? Effect.succeed(apiKey) }
    })
  )
}
