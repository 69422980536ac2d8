/**
 * What must hold between the fields of a configuration. The rules read the tree before it is decoded, so that
 * what they find is told together with what is wrong with single fields; they pass over what they cannot read.
 */
import * as CloudRules from "./CloudRules.ts"
import { defaultBaseUrls } from "./Defaults.ts"
import { fieldOf, select, showPath, type Finding, type Path } from "./Source.ts"
import { isPostgres, isShared } from "./StorageLocation.ts"
import { suggest } from "./Suggestion.ts"
import { isLoopback, textField, textOf } from "./Tree.ts"

type Rule = (tree: unknown) => ReadonlyArray<Finding>

const isTrue = (value: unknown): boolean => value === true || value === "true"

/** Later ones that repeat an earlier one. */
const unique =
  (pattern: ReadonlyArray<string>): Rule =>
  (tree) => {
    const first = new Map<string, Path>()
    return select(tree, pattern).flatMap(({ path, value }) => {
      const text = textOf(value)
      if (text === undefined) return []
      const earlier = first.get(text)
      if (earlier === undefined) {
        first.set(text, path)
        return []
      }
      return [{ path, message: `is the same as ${showPath(earlier)}` }]
    })
  }

/** References to nothing. If a name that may be meant cannot be read, nothing is said. */
const refersTo =
  (
    references: ReadonlyArray<string>,
    names: ReadonlyArray<string>,
    what: string,
    always: ReadonlyArray<string> = []
  ): Rule =>
  (tree) => {
    const known = select(tree, names).map(({ value }) => textOf(value))
    if (known.includes(undefined)) return []
    const candidates = known.filter((name) => name !== undefined)
    return select(tree, references).flatMap(({ path, value }): ReadonlyArray<Finding> => {
      const text = textOf(value)
      if (text === undefined || candidates.includes(text) || always.includes(text)) return []
      return [{ path, message: `is not ${what}${suggest(text, candidates)}`, kind: "absence" }]
    })
  }

const accounts = (tree: unknown) => select(tree, ["accounts", "*"])

const noInsecureHttp: Rule = (tree) =>
  accounts(tree).flatMap(({ path, value }) => {
    const text = textField(value, "base_url") ?? ""
    if (!URL.canParse(text) || isTrue(fieldOf(value, "allow_insecure_http"))) return []
    const url = new URL(text)
    if (url.protocol !== "http:" || isLoopback(url.hostname)) return []
    const message =
      "must be https, or the API key is sent in clear; allow_insecure_http: true on the account permits it"
    return [{ path: [...path, "base_url"], message }]
  })

const baseUrlWhereNoDefault =
  (providers: ReadonlyArray<string>): Rule =>
  (tree) =>
    accounts(tree).flatMap(({ path, value }): ReadonlyArray<Finding> => {
      const provider = textField(value, "provider") ?? ""
      const isNeeded = providers.includes(provider) && !defaultBaseUrls.has(provider)
      if (!isNeeded || fieldOf(value, "base_url") !== undefined) return []
      return [{ path: [...path, "base_url"], message: `is required for ${provider}`, kind: "absence" }]
    })

/** Headers that the provider's protocol or HTTP itself sets, and what to do instead. */
const reservedHeaders = new Map([
  ["authorization", "is made from api_key"],
  ["x-api-key", "is made from api_key"],
  ["api-key", "is made from api_key"],
  ["x-goog-api-key", "is made from api_key"],
  ["openai-organization", "is the field organization of the account"],
  ["openai-project", "is the field project of the account"],
  ...[
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade"
  ].map((name) => [name, "is set by the server itself"] as const)
])

const headerNames: Rule = (tree) =>
  select(tree, ["accounts", "*", "headers"]).flatMap(({ path, value }) => {
    if (typeof value !== "object" || value === null) return []
    const seen = new Set<string>()
    return Object.keys(value).flatMap((name): ReadonlyArray<Finding> => {
      const lowerCase = name.toLowerCase()
      const reserved = reservedHeaders.get(lowerCase)
      const isRepeated = seen.has(lowerCase)
      seen.add(lowerCase)
      const find = (message: string): ReadonlyArray<Finding> => [{ path: [...path, name], message, kind: "name" }]
      if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lowerCase)) return find("is not the name of an HTTP header")
      if (reserved !== undefined) return find(reserved)
      return isRepeated ? find("is given twice: the case of letters does not matter") : []
    })
  })

/** Fields that only some providers have, and which. */
const providerFields: ReadonlyArray<readonly [field: string, providers: ReadonlyArray<string>]> = [
  ["organization", ["openai"]],
  ["project", ["openai"]],
  ["api_version", ["azure", "gemini"]],
  ["aws", ["bedrock"]],
  ["google", ["vertex"]],
  ["bucket", ["bedrock", "vertex"]]
]

const fieldsOfProviders: Rule = (tree) =>
  accounts(tree).flatMap(({ path, value }) => {
    const provider = textField(value, "provider")
    if (provider === undefined) return []
    return providerFields
      .filter(([field, providers]) => fieldOf(value, field) !== undefined && !providers.includes(provider))
      .map(([field, providers]) => ({
        path: [...path, field],
        message: `is only for accounts of provider ${providers.join(" or ")}`
      }))
  })

/** A misspelt name would limit nobody. */
const limitedTeams: Rule = (tree) => {
  const known = select(tree, ["keys", "*", "team"]).map(({ value }) => textOf(value))
  if (known.includes(undefined)) return []
  const candidates = known.filter((name) => name !== undefined)
  return select(tree, ["limits", "teams"]).flatMap(({ path, value }) =>
    typeof value !== "object" || value === null
      ? []
      : Object.keys(value)
          .filter((team) => !candidates.includes(team))
          .map((team): Finding => ({
            path: [...path, team],
            message: `is not the team of a key${suggest(team, candidates)}`,
            kind: "name"
          }))
  )
}

/** What may stand in the place of a key. */
const keyOrIdentity: Rule = (tree) =>
  accounts(tree).flatMap(({ path, value }): ReadonlyArray<Finding> => {
    if (typeof value !== "object" || value === null) return []
    const has = (field: string) => fieldOf(value, field) !== undefined
    const find = (field: string, message: string, kind: "absence" | "name"): Finding => ({
      path: [...path, field],
      message,
      kind
    })
    const auth = textField(value, "auth") ?? "api_key"
    if (auth !== "entra" || has("api_key")) {
      const identity = ["tenant_id", "client_id", "client_secret"].filter(has)
      return [
        ...(has("api_key") || auth !== "api_key" ? [] : [find("api_key", "is required", "absence")]),
        ...identity.map((field) => find(field, "is only for auth: entra without an api_key", "name"))
      ]
    }
    if (!has("tenant_id") && !has("client_secret")) return []
    return ["tenant_id", "client_id", "client_secret"]
      .filter((field) => !has(field))
      .map((field) => find(field, "is required beside the others", "absence"))
  })

interface SharedAccount {
  readonly baseUrl: string
  /** Undefined for tokens, with which one sees what is there whoever one is. */
  readonly apiKey: string | undefined
}

/** Where the files of an account are, or undefined if that cannot be read. */
const placeOf = (account: unknown): SharedAccount | undefined => {
  const bucket = textField(fieldOf(account, "bucket"), "url")
  if (bucket !== undefined) return { baseUrl: bucket.replace(/\/*$/, "/"), apiKey: undefined }
  const apiKey = textField(account, "api_key")
  const baseUrl = textField(account, "base_url") ?? defaultBaseUrls.get(textField(account, "provider") ?? "")
  if (baseUrl === undefined || (apiKey === undefined && textField(account, "auth") !== "entra")) return undefined
  return { baseUrl: baseUrl.replace(/\/+$/, ""), apiKey }
}

const isInBucket = (url: string): boolean => /^(?:s3|gs):/.test(url)

/** Names in a bucket may begin with those of another account. */
const isWithin = (one: string, other: string): boolean =>
  one === other || (isInBucket(one) && (one.startsWith(other) || other.startsWith(one)))

const isSamePlace = (one: SharedAccount, other: SharedAccount | undefined): boolean =>
  other !== undefined &&
  isWithin(one.baseUrl, other.baseUrl) &&
  (one.apiKey === undefined || other.apiKey === undefined || one.apiKey === other.apiKey)

/** In an exclusive account, files of another account with the same credentials would be deleted as orphans. */
const exclusiveMeansAlone: Rule = (tree) => {
  const all = accounts(tree).map((account) => ({ ...account, place: placeOf(account.value) }))
  return all.flatMap(({ path, place, value }) => {
    if (place === undefined || !isTrue(fieldOf(value, "exclusive"))) return []
    const other = all.find((account) => account.path !== path && isSamePlace(place, account.place))
    if (other === undefined) return []
    const hasKeys = place.apiKey !== undefined && other.place?.apiKey !== undefined
    const same = isInBucket(place.baseUrl) ? "bucket" : hasKeys ? "base_url and api_key" : "base_url"
    const message = `cannot be true: ${showPath(other.path)} has the same ${same}`
    return [{ path: [...path, "exclusive"], message }]
  })
}

/** One that a server made for itself would be worth nothing to the others, nor to itself after a restart. */
const sharedRegistryNeedsSecret: Rule = (tree) => {
  const registry = textField(fieldOf(tree, "storage"), "registry") ?? ""
  const secret = fieldOf(tree, "secret")
  if (!isShared(registry) || (secret !== undefined && textOf(secret) !== "")) return []
  return [{ path: ["secret"], message: "is required with a registry that several servers share", kind: "absence" }]
}

const wholeCredentials: Rule = (tree) =>
  select(tree, ["storage", "s3"]).flatMap(({ path, value }) => {
    const fields = ["access_key_id", "secret_access_key"]
    const absent = fields.filter((field) => fieldOf(value, field) === undefined)
    return absent.length === 1
      ? absent.map((field): Finding => ({
          path: [...path, field],
          message: "is required beside the other",
          kind: "absence"
        }))
      : []
  })

const azureNeedsCredential: Rule = (tree) => {
  const storage = fieldOf(tree, "storage")
  const azure = fieldOf(storage, "azure")
  const path = ["storage", "azure"]
  const given = ["account_key", "sas_token"].filter((field) => fieldOf(azure, field) !== undefined)
  if (given.length === 2) return [{ path: [...path, "sas_token"], message: "is not for an account_key beside it" }]
  const isAzure = /^azblob:/i.test(textField(storage, "content") ?? "")
  return isAzure && given.length === 0
    ? [{ path, message: "needs account_key or sas_token for content in Azure", kind: "absence" }]
    : []
}

const contentBesideRecords: Rule = (tree) => {
  const storage = fieldOf(tree, "storage")
  return textField(storage, "content") !== "postgres:" || isPostgres(textField(storage, "registry") ?? "")
    ? []
    : [
        {
          path: ["storage", "content"],
          message: "postgres: is the database of a registry in Postgres, and here is none"
        }
      ]
}

/** Everything in the tree that breaks a rule. */
export const check = (tree: unknown, providers: ReadonlyArray<string>): ReadonlyArray<Finding> =>
  [
    unique(["accounts", "*", "id"]),
    unique(["models", "*", "name"]),
    unique(["models", "*", "deployments", "*", "id"]),
    unique(["keys", "*", "key"]),
    refersTo(["models", "*", "deployments", "*", "account"], ["accounts", "*", "id"], "the id of an account"),
    refersTo(["keys", "*", "models", "*"], ["models", "*", "name"], "the name of a model", ["*"]),
    baseUrlWhereNoDefault(providers),
    noInsecureHttp,
    headerNames,
    fieldsOfProviders,
    keyOrIdentity,
    exclusiveMeansAlone,
    limitedTeams,
    sharedRegistryNeedsSecret,
    unique(["storage", "encryption_keys", "*", "id"]),
    wholeCredentials,
    azureNeedsCredential,
    contentBesideRecords,
    CloudRules.check
  ].flatMap((rule) => rule(tree))
