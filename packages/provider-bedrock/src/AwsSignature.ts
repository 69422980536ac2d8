/**
 * Requests to AWS with a signature of version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html.
 *
 * The secret of an account is an access key as JSON, with the fields that AWS's own tools give it: `AccessKeyId`,
 * `SecretAccessKey` and, of temporary ones, `SessionToken`. Any other secret is one of Bedrock's own keys, which is sent
 * as it is.
 */
import type { Account } from "@omnifile/core/Account"
import { parseObject } from "@omnifile/core/Json"
import type { Provider } from "@omnifile/core/Provider"
import * as Redacted from "effect/Redacted"
import { AwsV4Signer } from "aws4fetch"

interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

const accessKeyOf = (secret: string): AccessKey | undefined => {
  const { AccessKeyId: id, SecretAccessKey: key, SessionToken: token } = parseObject(secret) ?? {}
  if (typeof id !== "string" || typeof key !== "string") return undefined
  return { accessKeyId: id, secretAccessKey: key, ...(typeof token === "string" ? { sessionToken: token } : {}) }
}

/** What the calls about a bucket say in the place of a hash: the connection keeps the content from being altered. */
const unsigned = "UNSIGNED-PAYLOAD"

const timeOf = (milliseconds: number): string => new Date(milliseconds).toISOString().replace(/[:-]|\.\d{3}/g, "")

const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` })

/** A key of Bedrock's own is for Bedrock alone: what goes to the bucket is signed with the access key beside it. */
const ownKey = ({ apiKey, auth }: Account): string => (auth === "aws" ? Redacted.value(apiKey) : "")

/** What can be said without the request: nothing of an access key, which is never sent itself. */
export const authorize: Provider["authorize"] = (account, secret) => {
  const text = ownKey(account) || Redacted.value(secret)
  return accessKeyOf(text) === undefined ? bearer(text) : {}
}

export const sign: NonNullable<Provider["sign"]> = async ({ call, digest, now, url }, account, secret) => {
  const text = Redacted.value(secret)
  const isBucket = call.place === "bucket"
  const key = ownKey(account)
  if (!isBucket && key !== "") return bearer(key)
  const accessKey = accessKeyOf(text)
  if (accessKey === undefined) {
    if (isBucket) throw new TypeError("a bucket needs an access key of AWS")
    return bearer(text)
  }
  if (account.region === null) throw new TypeError("a signature needs a region of AWS")
  const signer = new AwsV4Signer({
    ...accessKey,
    method: call.method,
    url,
    headers: { "x-amz-content-sha256": digest ?? unsigned },
    service: isBucket ? "s3" : "bedrock",
    region: account.region,
    datetime: timeOf(now)
  })
  const { headers } = await signer.sign()
  return Object.fromEntries(headers)
}
