/** With what an account signs its requests to AWS. */
import * as Result from "effect/Result"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Field from "./Field.ts"

const region: Field.Field<string> = Field.fromSecretText((text) =>
  /^[a-z]{2,}(?:-[a-z]+)+-\d+$/.test(text)
    ? Result.succeed(text)
    : Result.fail("must be a region of AWS, such as eu-central-1")
)

const accessKeyId: Field.Field<string> = Field.fromSecretText((text) =>
  /^\w{1,128}$/.test(text) ? Result.succeed(text) : Result.fail("must be the ID of an access key")
)

/** A field of an account. */
export const Aws = Schema.Struct({
  region: Schema.optional(region),
  access_key_id: Schema.optional(accessKeyId),
  secret_access_key: Schema.optional(Field.credential),
  session_token: Schema.optional(Field.credential),
  profile: Schema.optional(Field.name(256))
})

/** An access key of the account's own, or what AWS's tools find on the machine, in a profile if one is named. */
export type AwsIdentity =
  | {
      readonly _tag: "AccessKey"
      readonly accessKeyId: string
      readonly secretAccessKey: Redacted.Redacted<string>
      readonly sessionToken: Redacted.Redacted<string> | undefined
    }
  | { readonly _tag: "Machine"; readonly profile: string | undefined }

export const toIdentity = (section: (typeof Aws)["Type"] = {}): AwsIdentity => {
  const { access_key_id: accessKeyId, profile, secret_access_key, session_token } = section
  return accessKeyId === undefined || secret_access_key === undefined
    ? { _tag: "Machine", profile }
    : { _tag: "AccessKey", accessKeyId, secretAccessKey: secret_access_key, sessionToken: session_token }
}

/** The region that the address of a runtime names; undefined for an address that names none. */
export const regionOf = (baseUrl: string): string | undefined => {
  const hostname = URL.parse(baseUrl)?.hostname ?? ""
  return /(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z]{2,}(?:-[a-z]+)+-\d+)\./.exec(hostname)?.[1]
}
