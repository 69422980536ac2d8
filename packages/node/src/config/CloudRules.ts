/** What must hold between the fields of accounts on AWS and Google Cloud. Like other rules, these pass over what they cannot read. */
import { regionOf } from "./AwsSection.ts"
import * as BucketSection from "./BucketSection.ts"
import { fieldOf, type Finding, select, type Path } from "./Source.ts"
import { isLoopback, textField } from "./Tree.ts"

/** An account of the tree, and how something in it is found to be wrong. */
interface Entry {
  readonly value: unknown
  readonly provider: string | undefined
  readonly auth: string | undefined
  readonly find: (field: Path, message: string, kind?: Finding["kind"]) => Finding
}

type Rule = (account: Entry) => ReadonlyArray<Finding | false>

const has = (value: unknown, field: string): boolean => fieldOf(value, field) !== undefined

/** Which accounts may be told what they are by an identity service. */
const services: ReadonlyMap<string, string> = new Map([
  ["entra", "azure"],
  ["aws", "bedrock"],
  ["google", "vertex"]
])

const authOfProvider: Rule = ({ auth = "", find, provider }) => {
  const owner = services.get(auth)
  return [
    provider !== undefined &&
      owner !== undefined &&
      owner !== provider &&
      find(["auth"], `is only for accounts of provider ${owner}`)
  ]
}

const sectionOfAuth: Rule = ({ auth, find, value }) => [
  has(value, "aws") && auth !== "aws" && find(["aws"], "is only for auth: aws", "name"),
  has(value, "google") &&
    (auth !== "google" || has(value, "api_key")) &&
    find(["google"], "is only for auth: google without an api_key", "name")
]

/** All of an access key or nothing of it, and a profile only in its place. */
const wholeAccessKey: Rule = ({ find, value }) => {
  const aws = fieldOf(value, "aws")
  const isKey = ["access_key_id", "secret_access_key", "session_token"].some((field) => has(aws, field))
  if (!isKey) return []
  const absent = ["access_key_id", "secret_access_key"].filter((field) => !has(aws, field))
  return [
    ...absent.map((field) => find(["aws", field], "is required beside the other", "absence")),
    has(aws, "profile") && find(["aws", "profile"], "is not for an access key beside it", "name")
  ]
}

const regionForSignatures: Rule = ({ auth, find, value }) => {
  const baseUrl = textField(value, "base_url")
  const isTold = has(fieldOf(value, "aws"), "region") || baseUrl === undefined || regionOf(baseUrl) !== undefined
  return [
    auth === "aws" && !isTold && find(["aws", "region"], "is required: the base_url does not name a region", "absence")
  ]
}

const schemes: ReadonlyMap<string, string> = new Map([
  ["bedrock", "s3"],
  ["vertex", "gs"]
])

const bucketOfProvider: Rule = ({ auth, find, provider = "", value }) => {
  const bucket = fieldOf(value, "bucket")
  const scheme = schemes.get(provider)
  if (bucket === undefined || scheme === undefined) return []
  const url = BucketSection.parse(textField(bucket, "url") ?? "")
  const endpoint = URL.parse(textField(bucket, "endpoint") ?? "")
  return [
    url !== undefined && url.scheme !== scheme && find(["bucket", "url"], `must begin with ${scheme}://`),
    endpoint?.protocol === "http:" &&
      !isLoopback(endpoint.hostname) &&
      find(["bucket", "endpoint"], "must be https, or files are sent in clear"),
    provider === "bedrock" &&
      auth !== "aws" &&
      find(["bucket"], "needs auth: aws, whose keys it is opened with", "name"),
    provider === "vertex" &&
      textField(value, "base_url")?.includes("/projects/") !== true &&
      find(["bucket"], "needs a base_url with the project, whose tokens it is opened with", "name")
  ]
}

const rules = [authOfProvider, sectionOfAuth, wholeAccessKey, regionForSignatures, bucketOfProvider]

export const check = (tree: unknown): ReadonlyArray<Finding> =>
  select(tree, ["accounts", "*"]).flatMap(({ path, value }) => {
    const account: Entry = {
      value,
      provider: textField(value, "provider"),
      auth: textField(value, "auth"),
      find: (field, message, kind) => ({ path: [...path, ...field], message, kind })
    }
    return rules.flatMap((rule) => rule(account)).filter((finding) => finding !== false)
  })
