/** Access keys of AWS, for signatures: those of an account, or those that the AWS SDK finds for the machine. */
import * as Redacted from "effect/Redacted"
import type { AwsIdentity } from "./config/AwsSection.ts"
import { nameOf } from "./IdentityFailure.ts"
import type { IdentityService, Issued } from "./RenewedSecret.ts"

/** As AWS's libraries describe an access key. */
interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  readonly expiration?: Date | undefined
}

/** Finds an access key, a new one when the old one is about to expire. */
export type FindAccessKey = () => Promise<AccessKey>

/** How that is made for an identity, once, when its first key is needed. */
export type OpenAccessKeys = (identity: Extract<AwsIdentity, { readonly _tag: "Machine" }>) => Promise<FindAccessKey>

export const service: IdentityService = {
  what: "access key of AWS",
  call: "aws.credentials",
  signs: { code: /\b[A-Z][A-Za-z]{2,40}Exception\b/, isNobody: (error) => nameOf(error) === "CredentialsProviderError" }
}

/** As AWS's own tools write an access key, which is how providers read one. */
const written = (accessKeyId: string, secretAccessKey: string, sessionToken: string | undefined) =>
  Redacted.make(
    JSON.stringify({
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      ...(sessionToken === undefined ? {} : { SessionToken: sessionToken })
    })
  )

/** Asks for the access keys of an identity. */
export const asking = (identity: AwsIdentity, open: OpenAccessKeys) => {
  let find: FindAccessKey | undefined
  return async (): Promise<Issued> => {
    if (identity._tag === "AccessKey") {
      const { accessKeyId, secretAccessKey, sessionToken } = identity
      const token = sessionToken === undefined ? undefined : Redacted.value(sessionToken)
      return { secret: written(accessKeyId, Redacted.value(secretAccessKey), token), expiresAt: null }
    }
    find ??= await open(identity)
    const { accessKeyId, expiration, secretAccessKey, sessionToken } = await find()
    const secret = written(accessKeyId, secretAccessKey, sessionToken)
    return { secret, expiresAt: expiration?.getTime() ?? null }
  }
}
