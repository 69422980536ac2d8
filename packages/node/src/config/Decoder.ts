/** From a source to a configuration: fields, rules between them, defaults. */
import { Account, CallPolicy, defaultPolicy, Deployment, Quota } from "@omnifile/core/Account"
import type { ApiKey } from "@omnifile/core/Authenticator"
import type { FileSettings } from "@omnifile/core/Settings"
import type * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as AwsSection from "./AwsSection.ts"
import * as BucketSection from "./BucketSection.ts"
import type { Configuration, ServerSettings, Surroundings } from "./Configuration.ts"
import { ConfigurationError, type Problem } from "./ConfigurationError.ts"
import * as ConfigurationSchema from "./ConfigurationSchema.ts"
import * as Defaults from "./Defaults.ts"
import * as EntraSection from "./EntraSection.ts"
import * as Field from "./Field.ts"
import * as GoogleSection from "./GoogleSection.ts"
import { valueOf, type Environment } from "./Interpolation.ts"
import * as JobsSection from "./JobsSection.ts"
import * as LimitsSection from "./LimitsSection.ts"
import * as RetentionSection from "./RetentionSection.ts"
import * as Rules from "./Rules.ts"
import type { Source } from "./Source.ts"
import type { CacheLocation } from "./StorageLocation.ts"
import * as StorageSection from "./StorageSection.ts"
import * as WebhooksSection from "./WebhooksSection.ts"

type Fields = ConfigurationSchema.Fields

const toPolicy = ({ attempts, concurrent_uploads, timeouts }: Fields["accounts"][number]): CallPolicy =>
  new CallPolicy({
    connectTimeout: timeouts?.connect ?? defaultPolicy.connectTimeout,
    headersTimeout: timeouts?.headers ?? defaultPolicy.headersTimeout,
    idleTimeout: timeouts?.idle ?? defaultPolicy.idleTimeout,
    uploadTimeout: timeouts?.upload ?? defaultPolicy.uploadTimeout,
    attempts: attempts ?? defaultPolicy.attempts,
    concurrentUploads: concurrent_uploads ?? defaultPolicy.concurrentUploads
  })

const toHeaders = ({ headers = {}, organization, project }: Fields["accounts"][number]): Record<string, string> => ({
  ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  ...(organization === undefined ? {} : { "openai-organization": organization }),
  ...(project === undefined ? {} : { "openai-project": project })
})

const toQuota = ({ quota }: Fields["accounts"][number]): Quota | null =>
  quota === undefined ? null : new Quota({ bytes: quota.bytes ?? null, files: quota.files ?? null })

const toAccount = (fields: Fields["accounts"][number]): Account => {
  const baseUrl = fields.base_url ?? Defaults.defaultBaseUrls.get(fields.provider) ?? ""
  const region = fields.auth === "aws" ? (fields.aws?.region ?? AwsSection.regionOf(baseUrl) ?? null) : null
  return new Account({
    id: fields.id,
    provider: fields.provider,
    baseUrl,
    apiKey: fields.api_key ?? Redacted.make(""),
    headers: toHeaders(fields),
    exclusive: fields.exclusive ?? false,
    policy: toPolicy(fields),
    files: fields.files ?? "auto",
    inlineBelow: fields.inline_below ?? null,
    apiVersion: fields.api_version ?? null,
    auth: fields.auth ?? "api_key",
    quota: toQuota(fields),
    region,
    bucket: fields.bucket === undefined ? null : BucketSection.toBucket(fields.bucket, region)
  })
}

/** By ID of the account; undefined if there are none. */
const identitiesOf = <A>(
  accounts: ReadonlyArray<Fields["accounts"][number]>,
  auth: Account["auth"],
  toIdentity: (account: Fields["accounts"][number]) => A
): ReadonlyMap<string, A> | undefined => {
  const chosen = accounts.filter((account) => account.auth === auth)
  return chosen.length === 0 ? undefined : new Map(chosen.map((account) => [account.id, toIdentity(account)]))
}

const toIdentities = (accounts: Fields["accounts"], cwd: string): Pick<Configuration, "aws" | "entra" | "google"> =>
  withoutUndefined<Pick<Configuration, "aws" | "entra" | "google">>({
    aws: identitiesOf(accounts, "aws", ({ aws }) => AwsSection.toIdentity(aws)),
    // One that is given a token needs nobody to ask for it.
    entra: identitiesOf(
      accounts.filter(({ api_key }) => api_key === undefined),
      "entra",
      EntraSection.toIdentity
    ),
    google: identitiesOf(accounts, "google", ({ google }) => GoogleSection.toIdentity(google, cwd))
  })

/** The @ and # of a derived ID are in no ID that was given. */
const toDeployments = ({ deployments, name }: Fields["models"][number]): ReadonlyArray<Deployment> => {
  const derived = new Map<string, number>()
  const deriveId = (account: string): string => {
    const count = (derived.get(account) ?? 0) + 1
    derived.set(account, count)
    return `${name}@${account}${count === 1 ? "" : `#${count}`}`
  }
  return deployments.map(
    ({ account, id, model, weight }) =>
      new Deployment({ id: id ?? deriveId(account), account, modelName: name, model, weight: weight ?? 1 })
  )
}

const toKey = ({ key, limits, models, role, team, user }: Fields["keys"][number]): ApiKey => ({
  key,
  role: role ?? "user",
  user: user ?? null,
  team: team ?? null,
  models: models ?? ["*"],
  ...(limits === undefined ? {} : { limits: LimitsSection.toAllowance(limits) })
})

const logLevels = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
} as const satisfies Record<string, LogLevel.LogLevel>

const toServer = ({
  forward_paths,
  host,
  log,
  max_body_size,
  port,
  shutdown_timeout
}: NonNullable<Fields["server"]>) => ({
  host: host ?? Defaults.server.host,
  port: port ?? Defaults.server.port,
  maxBodySize: max_body_size ?? Defaults.server.maxBodySize,
  forwardPaths: forward_paths ?? [],
  shutdownTimeout: shutdown_timeout ?? Defaults.server.shutdownTimeout,
  log: {
    format: log?.format ?? Defaults.server.log.format,
    level: log?.level === undefined ? Defaults.server.log.level : logLevels[log.level]
  }
})

const withoutUndefined = <A extends object>(fields: { readonly [K in keyof A]?: A[K] | undefined }): Partial<A> =>
  // What is left has the types of A.
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<A>

const toFileSettings = ({ files, jobs, retention, server, storage, usage, webhooks }: Fields): Partial<FileSettings> =>
  withoutUndefined<FileSettings>({
    onPartialFailure: files?.on_partial_failure,
    replicate: files?.replicate,
    allowProviderIds: files?.allow_provider_ids,
    renewBefore: files?.renew_before,
    prefetchWindow: files?.prefetch_window,
    idempotencyTtl: files?.idempotency_ttl,
    tombstoneTtl: files?.tombstone_ttl,
    maxFileSize: server?.max_file_size,
    maxUploadSize: server?.max_upload_size,
    jobs: jobs === undefined ? undefined : JobsSection.toSettings(jobs),
    retention: retention === undefined ? undefined : RetentionSection.toSettings(retention),
    events: webhooks === undefined ? undefined : WebhooksSection.toSettings(webhooks),
    usage,
    keepContent: storage?.content?._tag === "None" ? false : undefined
  })

/** Counted where they say, else in what the instances share. */
const toLimits = (limits: Fields["limits"], cache: CacheLocation = "memory"): Pick<Configuration, "limits"> => {
  if (cache === "memory") return limits === undefined ? {} : { limits: LimitsSection.toSettings(limits) }
  return { limits: { store: cache, ...LimitsSection.toSettings(limits ?? {}) } }
}

const toConfiguration = (fields: Fields, cwd: string, fromEnv: Partial<ServerSettings>): Configuration => {
  const { accounts, keys, limits, models, previous_secrets = [], secret, server = {}, storage } = fields
  const defaultStorage = Defaults.storage(cwd)
  const azure = storage?.azure && StorageSection.toAzureSettings(storage.azure)
  return {
    accounts: accounts.map(toAccount),
    ...toIdentities(accounts, cwd),
    deployments: models.flatMap(toDeployments),
    keys: keys.map(toKey),
    ...toLimits(limits, storage?.cache),
    storage: {
      registry: storage?.registry ?? defaultStorage.registry,
      cache: storage?.cache ?? defaultStorage.cache,
      content: storage?.content ?? defaultStorage.content,
      ...(storage?.s3 === undefined ? {} : { s3: StorageSection.toS3Settings(storage.s3) }),
      ...(azure === undefined ? {} : { azure }),
      ...(storage?.gcs === undefined ? {} : { gcs: StorageSection.toGcsSettings(storage.gcs, cwd) }),
      ...(storage?.encryption_keys === undefined ? {} : { encryptionKeys: storage.encryption_keys })
    },
    secret: {
      current: secret === undefined || Redacted.value(secret) === "" ? null : secret,
      previous: previous_secrets
    },
    server: { ...toServer(server), ...fromEnv },
    files: toFileSettings(fields)
  }
}

/** A setting that the environment gives, decoded like the field that it stands in for. */
const override = <A>(env: Environment, name: string, field: Field.Field<A>) => {
  const text = valueOf(env, name)
  const result = text === undefined ? Result.succeed(undefined) : ConfigurationSchema.decode(field, text)
  return Result.mapError(result, (findings) =>
    findings.map(({ message }): Problem => ({ file: "environment", line: null, column: null, field: name, message }))
  )
}

const failureOf = <A, E>(result: Result.Result<A, ReadonlyArray<E>>): ReadonlyArray<E> =>
  Result.isFailure(result) ? result.failure : []

/** The configuration that a source describes, or everything that is wrong with it at once. */
export const decode = (
  source: Source,
  { cwd, env, providers, storageSchemes = [] }: Surroundings
): Result.Result<Configuration, ConfigurationError> => {
  const host = override(env, "HOST", Field.host)
  const port = override(env, "PORT", ConfigurationSchema.Port)
  const fields = ConfigurationSchema.decodeFields(source.value, { cwd, providers, schemes: storageSchemes })
  const findings = [...failureOf(fields), ...Rules.check(source.value, providers)]
  const problems = [
    ...source.problems,
    ...findings.map(source.locate).filter((problem) => problem !== null),
    ...failureOf(host),
    ...failureOf(port)
  ]
  if (problems.length === 0 && Result.isSuccess(fields) && Result.isSuccess(host) && Result.isSuccess(port)) {
    const fromEnv = withoutUndefined<ServerSettings>({ host: host.success, port: port.success })
    return Result.succeed(toConfiguration(fields.success, cwd, fromEnv))
  }
  return Result.fail(ConfigurationError.of(problems))
}
