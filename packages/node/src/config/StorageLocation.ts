/** Where the server keeps what it has to remember. */
import * as ConnectionUrl from "@omnifile/storage-postgres/ConnectionUrl"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { dirname, resolve } from "node:path"

/** A backend that a program adds itself; the URL may hold a password. */
export interface Other {
  readonly _tag: "Other"
  /** Without the colon. */
  readonly scheme: string
  readonly url: Redacted.Redacted<string>
}

/** Records: files, replicas, keys of idempotency. */
export type RegistryLocation =
  | { readonly _tag: "Sqlite"; /** Absolute. */ readonly filename: string }
  | {
      readonly _tag: "Postgres"
      /** Well-formed, as `@omnifile/storage-postgres` reads it. */ readonly url: Redacted.Redacted<string>
    }
  | { readonly _tag: "Memory" }
  | Redis
  | Other

/** The bytes of files. `None` keeps none. */
export type ContentLocation =
  | { readonly _tag: "Disk"; /** Absolute. */ readonly directory: string }
  | { readonly _tag: "Memory" }
  | { readonly _tag: "None" }
  /** The registry's own database. */
  | { readonly _tag: "Postgres" }
  | { readonly _tag: "S3"; readonly bucket: string; /** Empty, or ends with a slash. */ readonly prefix: string }
  | AzureBlob
  | Gcs
  | Other

export interface AzureBlob {
  readonly _tag: "AzureBlob"
  readonly account: string
  readonly container: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
  /** The URL of the account's blobs, if it is not the one in Azure. */
  readonly endpoint?: string | undefined
}

/** A bucket of Google Cloud Storage. */
export interface Gcs {
  readonly _tag: "Gcs"
  readonly bucket: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
  /** The URL of another server that speaks its API. */
  readonly endpoint?: string | undefined
}

/** A Redis server; the URL may hold a password. */
export interface Redis {
  readonly _tag: "Redis"
  readonly url: Redacted.Redacted<string>
}

/** What limits are counted in. */
export type LimitLocation = { readonly _tag: "Memory" } | Redis

/** Rows are cached in memory; a Redis is what instances share beside the registry. */
export type CacheLocation = "memory" | Redis

export interface Options {
  /** What relative paths are relative to. */
  readonly cwd: string
  /** Schemes of backends beside the built-in ones. */
  readonly schemes: ReadonlyArray<string>
}

type Read<A> = Result.Result<A, string>

/** Schemes that are no slips, but belong to backends that are not in this version. */
const notBuiltIn = ["mysql", "mongodb"]

const schemeOf = (text: string): string | undefined => /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase()

/** The absolute path in `scheme:path` or `scheme:///path`; undefined for another scheme or an empty path. */
const pathOf = (text: string, scheme: string, cwd: string): string | undefined => {
  if (schemeOf(text) !== scheme) return undefined
  const path = text.slice(scheme.length + 1).replace(/^\/\/(?=\/)/, "")
  const isPath = path !== "" && path !== ":memory:" && !path.startsWith("//") && !path.includes("\0")
  return isPath ? resolve(cwd, path) : undefined
}

/** Whether several servers may share the registry, which then has no directory beside it. */
export const isShared = (text: string): boolean =>
  ["postgres", "postgresql", "redis", "rediss"].includes(schemeOf(text) ?? "")

/** Whether the registry is in Postgres. */
export const isPostgres = (text: string): boolean => ["postgres", "postgresql"].includes(schemeOf(text) ?? "")

const readRedis = (text: string): Redis | undefined => {
  const scheme = schemeOf(text)
  if ((scheme !== "redis" && scheme !== "rediss") || !URL.canParse(text)) return undefined
  const { hostname } = new URL(text)
  return hostname === "" ? undefined : { _tag: "Redis", url: Redacted.make(text) }
}

const isMemory = (text: string): boolean => text === "memory" || text === "memory:"

const readOther = (text: string, { schemes }: Options, expected: string): Read<Other> => {
  const scheme = schemeOf(text)
  if (scheme !== undefined && schemes.includes(scheme)) {
    return Result.succeed({ _tag: "Other", scheme, url: Redacted.make(text) })
  }
  return Result.fail(
    scheme !== undefined && notBuiltIn.includes(scheme)
      ? `${scheme} storage is not built into this version: ${expected}`
      : expected
  )
}

export const readRegistry =
  (options: Options) =>
  (text: string): Read<RegistryLocation> => {
    if (isMemory(text)) return Result.succeed({ _tag: "Memory" })
    if (isPostgres(text)) {
      return Result.map(ConnectionUrl.parse(text), () => ({ _tag: "Postgres", url: Redacted.make(text) }))
    }
    const redis = readRedis(text)
    if (redis !== undefined) return Result.succeed(redis)
    const filename = pathOf(text, "sqlite", options.cwd)
    return filename === undefined
      ? readOther(text, options, "must be sqlite:PATH, postgres://..., redis://HOST or memory:")
      : Result.succeed({ _tag: "Sqlite", filename })
  }

const toPrefix = (path: string): string => {
  const bare = path.replace(/^\/+|\/+$/g, "")
  return bare === "" ? "" : `${bare}/`
}

/** `s3://BUCKET` or `s3://BUCKET/PREFIX`; a URL with anything else is no location. */
const bucketOf = (text: string): Read<ContentLocation> => {
  const [, bucket, prefix = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([^?#@]*))?$/i.exec(text) ?? []
  return bucket === undefined
    ? Result.fail("must be s3://BUCKET/PREFIX; credentials belong to storage.s3")
    : Result.succeed({ _tag: "S3", bucket, prefix: toPrefix(prefix) })
}

/** The URL in `endpoint=URL`, which may be left out; null for anything else. */
const endpointOf = (query: string): string | undefined | null => {
  if (query === "") return undefined
  const parameters = new URLSearchParams(query)
  const endpoint = parameters.get("endpoint") ?? ""
  if (parameters.size !== 1 || !URL.canParse(endpoint)) return null
  const { hash, password, protocol, search, username } = new URL(endpoint)
  const isBare = username === "" && password === "" && search === "" && hash === ""
  return isBare && (protocol === "http:" || protocol === "https:") ? endpoint : null
}

/** `azblob://ACCOUNT/CONTAINER/PREFIX?endpoint=URL`; what is after the container may be left out. */
const azureBlobOf = (text: string): Read<ContentLocation> => {
  const [, account, container, prefix = "", query = ""] =
    /^azblob:\/\/([a-z0-9]{3,24})\/([a-z0-9$][a-z0-9-]{2,62})(?:\/([^?#@]*))?(?:\?([^#]*))?$/i.exec(text) ?? []
  const endpoint = endpointOf(query)
  return account === undefined || container === undefined || endpoint === null
    ? Result.fail("must be azblob://ACCOUNT/CONTAINER/PREFIX?endpoint=URL; credentials belong to storage.azure")
    : Result.succeed({ _tag: "AzureBlob", account, container, prefix: toPrefix(prefix), endpoint })
}

/** `gs://BUCKET/PREFIX?endpoint=URL`; what is after the bucket may be left out. */
const gcsOf = (text: string): Read<ContentLocation> => {
  const [, bucket, prefix = "", query = ""] =
    /^gs:\/\/([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:\/([^?#@]*))?(?:\?([^#]*))?$/i.exec(text) ?? []
  const endpoint = endpointOf(query)
  return bucket === undefined || endpoint === null
    ? Result.fail("must be gs://BUCKET/PREFIX?endpoint=URL; credentials belong to storage.gcs")
    : Result.succeed({ _tag: "Gcs", bucket, prefix: toPrefix(prefix), endpoint })
}

const buckets = new Map([
  ["s3", bucketOf],
  ["azblob", azureBlobOf],
  ["gs", gcsOf]
])

const contentForms =
  "must be file:PATH, s3://BUCKET/PREFIX, azblob://ACCOUNT/CONTAINER/PREFIX, gs://BUCKET/PREFIX, postgres:, memory: or none"

export const readContent =
  (options: Options) =>
  (text: string): Read<ContentLocation> => {
    if (isMemory(text)) return Result.succeed({ _tag: "Memory" })
    if (text === "none" || text === "none:") return Result.succeed({ _tag: "None" })
    if (text === "postgres:") return Result.succeed({ _tag: "Postgres" })
    const scheme = schemeOf(text) ?? ""
    const readBucket = options.schemes.includes(scheme) ? undefined : buckets.get(scheme)
    if (readBucket !== undefined) return readBucket(text)
    const directory = pathOf(text, "file", options.cwd)
    return directory === undefined
      ? readOther(text, options, contentForms)
      : Result.succeed({ _tag: "Disk", directory })
  }

export const readLimitStore = (text: string): Read<LimitLocation> => {
  if (isMemory(text)) return Result.succeed({ _tag: "Memory" })
  const redis = readRedis(text)
  return redis === undefined ? Result.fail("must be memory or redis://HOST") : Result.succeed(redis)
}

export const readCache = (text: string): Read<CacheLocation> => {
  if (isMemory(text)) return Result.succeed("memory")
  const redis = readRedis(text)
  return redis === undefined ? Result.fail("must be memory or redis://HOST") : Result.succeed(redis)
}

/** Where things that belong to the registry may lie beside it, such as a secret; null if it has no directory. */
export const directoryOf = (registry: RegistryLocation): string | null =>
  registry._tag === "Sqlite" ? dirname(registry.filename) : null
