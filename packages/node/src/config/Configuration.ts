/**
 * What a server is told: by a configuration file in YAML, or by the environment alone. docs/guides/configuration.md
 * describes every field of the file.
 */
import type { Account, Deployment } from "@omnifile/core/Account"
import type { ApiKey } from "@omnifile/core/Authenticator"
import type { FileSettings } from "@omnifile/core/Settings"
import * as Effect from "effect/Effect"
import type * as LogLevel from "effect/LogLevel"
import type * as Redacted from "effect/Redacted"
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import type { AwsIdentity } from "./AwsSection.ts"
import { ConfigurationError } from "./ConfigurationError.ts"
import { decode } from "./Decoder.ts"
import type { EntraIdentity } from "./EntraSection.ts"
import type { GoogleIdentity } from "./GoogleSection.ts"
import type { Environment } from "./Interpolation.ts"
import type { LimitSettings } from "./LimitsSection.ts"
import type { CacheLocation, ContentLocation, RegistryLocation } from "./StorageLocation.ts"
import type { AzureSettings, EncryptionKeys, GcsSettings, S3Settings } from "./StorageSection.ts"
import * as YamlSource from "./YamlSource.ts"

export { ConfigurationError, type Problem } from "./ConfigurationError.ts"
export { fromEnvironment, type EnvironmentConfiguration } from "./EnvironmentConfiguration.ts"
export { directoryOf, type ContentLocation, type RegistryLocation } from "./StorageLocation.ts"

export interface StorageSettings {
  readonly registry: RegistryLocation
  /** What instances share beside the registry: limits are counted there, unless they say otherwise. */
  readonly cache: CacheLocation
  readonly content: ContentLocation
  /** For content in a bucket. What is not said is what the AWS SDK finds in its surroundings. */
  readonly s3?: S3Settings | undefined
  /** For content in Azure Blob Storage, which needs a credential. */
  readonly azure?: AzureSettings | undefined
  /** For content in Google Cloud Storage. What is not said is what Google's library finds in its surroundings. */
  readonly gcs?: GcsSettings | undefined
  /** Content is encrypted under the first, before it is stored. Default: it is not. */
  readonly encryptionKeys?: EncryptionKeys | undefined
}

export interface ServerSettings {
  readonly host: string
  /** 0 takes any port that is free. */
  readonly port: number
  /** Of a request other than an upload, in bytes. */
  readonly maxBodySize: number
  /** More paths below `/v1` whose calls go to a deployment as they are. */
  readonly forwardPaths?: ReadonlyArray<string> | undefined
  /** How long calls may go on once the server is told to stop, in milliseconds. */
  readonly shutdownTimeout: number
  readonly log: {
    /** `auto` is `pretty` on a terminal and `json` elsewhere. */
    readonly format: "auto" | "json" | "pretty"
    readonly level: LogLevel.LogLevel
  }
}

/** Everything refers to something that is there, and no ID, model name or key occurs twice. */
export interface Configuration {
  readonly accounts: ReadonlyArray<Account>
  /** Who asks for the tokens of accounts that have none, by ID of the account. Default: the identity of the machine. */
  readonly entra?: ReadonlyMap<string, EntraIdentity> | undefined
  /** What signs the requests of accounts on AWS, by ID of the account. Default: what AWS's tools find on the machine. */
  readonly aws?: ReadonlyMap<string, AwsIdentity> | undefined
  /** Whose tokens accounts on Google Cloud have, by ID of the account. Default: those of what the machine is. */
  readonly google?: ReadonlyMap<string, GoogleIdentity> | undefined
  readonly deployments: ReadonlyArray<Deployment>
  readonly keys: ReadonlyArray<ApiKey>
  /** Beside the limits that keys have of their own. Default: none. */
  readonly limits?: LimitSettings | undefined
  readonly storage: StorageSettings
  readonly secret: {
    /** Null: the server makes one at its first start. */
    readonly current: Redacted.Redacted<string> | null
    /** Identifiers that were made under these stay valid. */
    readonly previous: ReadonlyArray<Redacted.Redacted<string>>
  }
  readonly server: ServerSettings
  /** Only what was said; the core's defaults hold for the rest. */
  readonly files: Partial<FileSettings>
}

export interface Surroundings {
  /** `PORT` and `HOST` win over what the configuration says. */
  readonly env: Environment
  /** The directory that relative paths of storage are relative to. */
  readonly cwd: string
  /** The names of the providers that are built in. */
  readonly providers: ReadonlyArray<string>
  /** URL schemes of storage, such as `s3`, that the program has backends for beside the built-in ones. */
  readonly storageSchemes?: ReadonlyArray<string> | undefined
}

export interface ParseOptions extends Surroundings {
  /** What problems call the file. */
  readonly file: string
}

/** The configuration in the text of a file, or everything that is wrong with it at once. */
export const parse = (text: string, options: ParseOptions): Effect.Effect<Configuration, ConfigurationError> =>
  Effect.suspend(() => Effect.fromResult(decode(YamlSource.make(text, options.file, options.env), options)))

const unreadable: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "may not be read by this user",
  EISDIR: "is a directory",
  ERR_ENCODING_INVALID_ENCODED_DATA: "is not UTF-8 text"
}

const readText = async (path: string): Promise<string> =>
  new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path))

const cannotRead = (file: string, cause: unknown): ConfigurationError => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error"
  const message = unreadable[code] ?? `cannot be read (${code})`
  return ConfigurationError.of([{ file, line: null, column: null, field: null, message }])
}

/** The configuration in a file, whose name is relative to `cwd`. */
export const load = (options: ParseOptions): Effect.Effect<Configuration, ConfigurationError> =>
  Effect.tryPromise({
    try: () => readText(resolve(options.cwd, options.file)),
    catch: (cause) => cannotRead(options.file, cause)
  }).pipe(Effect.flatMap((text) => parse(text, options)))
