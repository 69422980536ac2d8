/** Who asks Microsoft Entra for the tokens of an account that has no `api_key`. */
import * as Result from "effect/Result"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Field from "./Field.ts"

const readName =
  (what: string) =>
  (text: string): Result.Result<string, string> =>
    /^[A-Za-z0-9][A-Za-z0-9.-]{0,254}$/.test(text) ? Result.succeed(text) : Result.fail(`must be ${what}`)

/** Fields of an account. */
export const fields = {
  tenant_id: Schema.optional(Field.fromSecretText(readName("the ID of a tenant, or a domain of it"))),
  client_id: Schema.optional(Field.fromSecretText(readName("the client ID of an application or a managed identity"))),
  client_secret: Schema.optional(Field.credential)
}

/** An application with a secret of its own, or what the machine is: all of it, or the managed identity that is named. */
export type EntraIdentity =
  | {
      readonly _tag: "Application"
      readonly tenantId: string
      readonly clientId: string
      readonly clientSecret: Redacted.Redacted<string>
    }
  | { readonly _tag: "Machine"; readonly clientId: string | undefined }

export const toIdentity = (account: {
  readonly tenant_id?: string | undefined
  readonly client_id?: string | undefined
  readonly client_secret?: Redacted.Redacted<string> | undefined
}): EntraIdentity => {
  const { client_id: clientId, client_secret: clientSecret, tenant_id: tenantId } = account
  return clientId === undefined || clientSecret === undefined || tenantId === undefined
    ? { _tag: "Machine", clientId }
    : { _tag: "Application", tenantId, clientId, clientSecret }
}
