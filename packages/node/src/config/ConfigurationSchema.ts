/** The shape of a configuration: its fields, which of them may be left out, and what each may hold. */
import { authKinds } from "@omnifile/core/Account"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as AwsSection from "./AwsSection.ts"
import * as BucketSection from "./BucketSection.ts"
import * as EntraSection from "./EntraSection.ts"
import * as Field from "./Field.ts"
import * as GoogleSection from "./GoogleSection.ts"
import * as JobsSection from "./JobsSection.ts"
import * as LimitsSection from "./LimitsSection.ts"
import * as RetentionSection from "./RetentionSection.ts"
import type { Finding, Path } from "./Source.ts"
import * as StorageLocation from "./StorageLocation.ts"
import * as StorageSection from "./StorageSection.ts"
import { suggest } from "./Suggestion.ts"
import * as WebhooksSection from "./WebhooksSection.ts"

export interface Options extends StorageLocation.Options {
  /** The names of the providers that are built in. */
  readonly providers: ReadonlyArray<string>
}

const Timeouts = Schema.Struct({
  connect: Schema.optional(Field.timeout),
  headers: Schema.optional(Field.timeout),
  idle: Schema.optional(Field.timeout),
  upload: Schema.optional(Field.timeout)
})

/** What is not said has no limit. */
const Quota = Schema.Struct({
  bytes: Schema.optional(Field.size),
  files: Schema.optional(Field.integer(1, 1_000_000_000))
})

const makeAccount = ({ providers }: Options) =>
  Schema.Struct({
    id: Field.identifier,
    provider: Field.knownName(providers, "a provider of this version"),
    base_url: Schema.optional(Field.baseUrl),
    allow_insecure_http: Schema.optional(Field.flag),
    api_key: Schema.optional(Field.credential),
    organization: Schema.optional(Field.headerValue),
    project: Schema.optional(Field.headerValue),
    headers: Schema.optional(Schema.Record(Schema.String, Field.headerValue)),
    exclusive: Schema.optional(Field.flag),
    files: Schema.optional(Field.choice("auto", "reference", "inline")),
    inline_below: Schema.optional(Field.size),
    api_version: Schema.optional(Field.apiVersion),
    auth: Schema.optional(Field.choice(...authKinds)),
    ...EntraSection.fields,
    aws: Schema.optional(AwsSection.Aws),
    google: Schema.optional(GoogleSection.Google),
    bucket: Schema.optional(BucketSection.Fields),
    quota: Schema.optional(Quota),
    timeouts: Schema.optional(Timeouts),
    attempts: Schema.optional(Field.integer(1, 20)),
    concurrent_uploads: Schema.optional(Field.integer(1, 1000))
  })

const Deployment = Schema.Struct({
  id: Schema.optional(Field.identifier),
  account: Field.identifier,
  model: Field.name(256),
  weight: Schema.optional(Field.weight)
})

const Model = Schema.Struct({
  name: Field.modelName,
  deployments: Schema.NonEmptyArray(Deployment)
})

const Key = Schema.Struct({
  key: Field.credential,
  role: Schema.optional(Field.choice("admin", "user")),
  user: Schema.optional(Field.name(100)),
  team: Schema.optional(Field.name(100)),
  // Given without a value, it must not mean all models.
  models: Schema.optionalKey(Schema.NonEmptyArray(Field.name(128))),
  limits: Schema.optional(LimitsSection.Allowance)
})

const makeStorage = (options: Options) =>
  Schema.Struct({
    registry: Schema.optional(Field.fromSecretText(StorageLocation.readRegistry(options))),
    cache: Schema.optional(Field.fromSecretText(StorageLocation.readCache)),
    content: Schema.optional(Field.fromSecretText(StorageLocation.readContent(options))),
    s3: Schema.optional(StorageSection.S3),
    azure: Schema.optional(StorageSection.Azure),
    gcs: Schema.optional(StorageSection.Gcs),
    encryption_keys: Schema.optional(StorageSection.EncryptionKeys)
  })

const Log = Schema.Struct({
  format: Schema.optional(Field.choice("auto", "json", "pretty")),
  level: Schema.optional(Field.choice("trace", "debug", "info", "warn", "error", "fatal", "none"))
})

/** 0 takes any port that is free. */
export const Port: Field.Field<number> = Field.integer(0, 65_535)

const Server = Schema.Struct({
  host: Schema.optional(Field.host),
  port: Schema.optional(Port),
  max_file_size: Schema.optional(Field.size),
  max_upload_size: Schema.optional(Field.size),
  max_body_size: Schema.optional(Field.size),
  forward_paths: Schema.optional(Schema.Array(Field.apiPath)),
  shutdown_timeout: Schema.optional(Field.timeout),
  log: Schema.optional(Log)
})

const Files = Schema.Struct({
  on_partial_failure: Schema.optional(Field.choice("all", "any")),
  replicate: Schema.optional(Field.choice("any", "targets")),
  allow_provider_ids: Schema.optional(Field.flag),
  renew_before: Schema.optional(Field.timeout),
  prefetch_window: Schema.optional(Field.retention),
  idempotency_ttl: Schema.optional(Field.retention),
  tombstone_ttl: Schema.optional(Field.retention)
})

const makeSchema = (options: Options) =>
  Schema.Struct({
    accounts: Schema.NonEmptyArray(makeAccount(options)),
    models: Schema.NonEmptyArray(Model),
    keys: Schema.NonEmptyArray(Key),
    limits: Schema.optional(LimitsSection.Limits),
    storage: Schema.optional(makeStorage(options)),
    secret: Schema.optional(Field.secretOrEmpty),
    previous_secrets: Schema.optional(Schema.Array(Field.secret)),
    server: Schema.optional(Server),
    files: Schema.optional(Files),
    jobs: Schema.optional(JobsSection.Jobs),
    retention: Schema.optional(RetentionSection.Retention),
    usage: Schema.optional(Field.flag),
    webhooks: Schema.optional(WebhooksSection.Webhooks)
  })

/** The fields as they are written, each in its decoded form. */
export type Fields = ReturnType<typeof makeSchema>["Type"]

/** A map or a list; the first member of the union where it may be left out. */
const shapeOf = (ast: SchemaAST.AST): SchemaAST.AST => (ast._tag === "Union" ? (ast.types[0] ?? ast) : ast)

const expectedShape = (ast: SchemaAST.AST): string => {
  const shape = shapeOf(ast)._tag
  if (shape === "Objects") return "must be a mapping with fields"
  return shape === "Arrays" ? "must be a list" : "is not understood"
}

const fieldNames = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Objects" ? ast.propertySignatures.map(({ name }) => String(name)) : []

const toPath = (keys: ReadonlyArray<PropertyKey>): Path =>
  keys.map((key) => (typeof key === "number" ? key : String(key)))

const unknownField = (path: Path, ast: SchemaAST.AST): Finding => ({
  path,
  message: `is not a known field${suggest(String(path.at(-1)), fieldNames(ast))}`,
  kind: "name"
})

const missing = (path: Path): Finding =>
  typeof path.at(-1) === "number"
    ? { path: path.slice(0, -1), message: "must have at least one entry" }
    : { path, message: "is required", kind: "absence" }

const toFindings = (issue: SchemaIssue.Issue, path: Path): ReadonlyArray<Finding> => {
  switch (issue._tag) {
    case "Pointer":
      return toFindings(issue.issue, [...path, ...toPath(issue.path)])
    case "Composite":
      return issue.issues.flatMap((each) => toFindings(each, path))
    case "AnyOf":
      return issue.issues.length > 0
        ? issue.issues.flatMap((each) => toFindings(each, path))
        : [{ path, message: expectedShape(issue.ast) }]
    case "Encoding":
    case "Filter":
      return toFindings(issue.issue, path)
    case "InvalidType":
      return [{ path, message: expectedShape(issue.ast) }]
    case "UnexpectedKey":
      return [unknownField(path, issue.ast)]
    case "MissingKey":
      return [missing(path)]
    case "InvalidValue":
      return [{ path, message: issue.annotations?.message ?? "is not valid" }]
    case "Forbidden":
    case "OneOf":
      return [{ path, message: "is not valid" }]
  }
}

/** Decodes one value; the findings have paths within it. */
export const decode = <A>(schema: Schema.Codec<A, unknown>, value: unknown): Result.Result<A, ReadonlyArray<Finding>> =>
  SchemaParser.decodeUnknownResult(schema, { errors: "all", onExcessProperty: "error" })(value).pipe(
    Result.mapError((issue) => toFindings(issue, []))
  )

/** Decodes a whole configuration, or finds everything that is wrong with single fields. */
export const decodeFields = (value: unknown, options: Options): Result.Result<Fields, ReadonlyArray<Finding>> =>
  decode(makeSchema(options), value)
