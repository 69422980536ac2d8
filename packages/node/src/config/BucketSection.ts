/** The bucket in which an account keeps its copies. */
import { Bucket } from "@omnifile/core/Account"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Field from "./Field.ts"

export interface Location {
  readonly scheme: string
  readonly name: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
}

const names: Readonly<Record<string, RegExp>> = {
  s3: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
  gs: /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/
}

/** What means the same in an address as in a list, and leads nowhere else. */
const isPrefix = (prefix: string): boolean =>
  prefix.length <= 200 && /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)*$/.test(prefix)

/** Undefined if the text is no address of a bucket. */
export const parse = (text: string): Location | undefined => {
  const [, scheme = "", name = "", path = ""] = /^(s3|gs):\/\/([^/]+)\/?(.*)$/.exec(text) ?? []
  const prefix = path === "" || path.endsWith("/") ? path : `${path}/`
  return names[scheme]?.test(name) === true && isPrefix(prefix) ? { scheme, name, prefix } : undefined
}

const location: Field.Field<Location> = Field.fromSecretText((text) => {
  const parsed = parse(text)
  return parsed === undefined
    ? Result.fail("must be a bucket with a prefix for names, such as s3://bucket/omnifile or gs://bucket/omnifile")
    : Result.succeed(parsed)
})

/** A field of an account. */
export const Fields = Schema.Struct({
  url: location,
  endpoint: Schema.optional(Field.baseUrl)
})

/** Names with dots are in no certificate for the names of hosts. */
const s3Url = (name: string, region: string): string => {
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
  return name.includes(".") ? `https://s3.${region}.${domain}/${name}` : `https://${name}.s3.${region}.${domain}`
}

/** Servers other than those of AWS and Google are told the bucket in the path. */
const baseUrlOf = ({ endpoint, url: { name, scheme } }: (typeof Fields)["Type"], region: string | null): string => {
  if (scheme === "gs") return endpoint ?? "https://storage.googleapis.com"
  return endpoint === undefined ? s3Url(name, region ?? "us-east-1") : `${endpoint}/${name}`
}

export const toBucket = (section: (typeof Fields)["Type"], region: string | null): Bucket => {
  const { name, prefix } = section.url
  return new Bucket({ name, prefix, baseUrl: baseUrlOf(section, region) })
}
