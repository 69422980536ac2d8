/** From a configuration to a gateway that an adapter can mount. */
import * as Authenticator from "@omnifile/core/Authenticator"
import { BlobStore } from "@omnifile/core/BlobStore"
import type { Facade } from "@omnifile/core/Facade"
import type { Hook } from "@omnifile/core/Hooks"
import * as Limits from "@omnifile/core/Limits"
import * as Omnifile from "@omnifile/core/Omnifile"
import type { Provider } from "@omnifile/core/Provider"
import type { RegistryBackend } from "@omnifile/core/RegistryBackend"
import type { StorageError } from "@omnifile/core/StorageError"
import { UnifiedIds } from "@omnifile/core/UnifiedId"
import * as Api from "@omnifile/http/Api"
import { Dependencies } from "@omnifile/http/Dependencies"
import type { RequestBodies } from "@omnifile/http/RequestBodies"
import { ServerSettings } from "@omnifile/http/ServerSettings"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RateLimiterStore } from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import * as Backends from "./Backends.ts"
import { type Configuration, directoryOf } from "./config/Configuration.ts"
import type { Environment } from "./config/Interpolation.ts"
import * as SecretFile from "./config/SecretFile.ts"
import * as AccountCredentials from "./AccountCredentials.ts"
import * as Gateway from "./Gateway.ts"
import * as Logging from "./Logging.ts"
import * as NodeBodies from "./NodeBodies.ts"
import * as NodeMd5 from "./NodeMd5.ts"
import * as NodeSha256 from "./NodeSha256.ts"
import { builtInProviders } from "./Providers.ts"
import * as Telemetry from "./Telemetry.ts"
import * as UndiciTransport from "./UndiciTransport.ts"

export interface OpenOptions {
  readonly configuration: Configuration
  /** Hooks of your own, which run after managed files, in this order. */
  readonly hooks?: ReadonlyArray<Hook> | undefined
  /** Protocol families beside the built-in ones. */
  readonly providers?: ReadonlyArray<Provider> | undefined
  /** Storage of your own, in the place of what the configuration says. */
  readonly storage?: Layer.Layer<BlobStore | RegistryBackend, StorageError> | undefined
  /** Where OpenTelemetry's settings are read, such as `OTEL_EXPORTER_OTLP_ENDPOINT`. Default: `process.env`. */
  readonly env?: Environment | undefined
  /** Where limits are counted. Give one that is shared if several instances run; default: this process's memory. */
  readonly limitStore?: Layer.Layer<RateLimiterStore> | undefined
}

/** The configured secret, or the one that is kept beside the registry. */
const secrets = ({ secret, storage }: Configuration) =>
  Effect.gen(function* () {
    if (secret.current !== null) return { current: secret.current, previous: secret.previous }
    const directory = directoryOf(storage.registry)
    if (directory !== null) return { current: yield* SecretFile.loadOrCreate(directory), previous: secret.previous }
    // A registry in memory ends with the process, and so may its secret.
    const current = Redacted.make(Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url"))
    return { current, previous: secret.previous }
  })

/** The limits, and what counting them depends on. */
const layerLimits = ({ configuration, limitStore }: OpenOptions) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { keys, limits } = configuration
      const { dependencies, store } =
        limitStore === undefined ? yield* Backends.limitStore(configuration) : { dependencies: [], store: limitStore }
      const { everyKey, teams } = limits ?? Limits.unlimited
      return Context.add(Context.make(Limits.Configured, { everyKey, teams, store, keys }), Dependencies, dependencies)
    })
  )

/** What readiness asks beside the registry. */
const layerDependencies = Layer.effect(
  Dependencies,
  Effect.gen(function* () {
    return [Backends.contentDependency(yield* BlobStore), ...(yield* Dependencies)]
  })
)

/** What the API stands on, and an app beside it can use: the core, and how requests are read and callers known. */
export type Services = Omnifile.Services | Authenticator.Authenticator | RequestBodies

/** What the configuration says of accounts, models and files. */
const coreOptions = ({ configuration, hooks, providers = [] }: OpenOptions): Omnifile.Options => {
  const { accounts, deployments, files } = configuration
  const catalog = { accounts, deployments, providers: [...builtInProviders, ...providers] }
  return { catalog, settings: files, hooks }
}

/** What the core runs on here: the configured storage, secret, limits and identities, undici, and Node's own digests. */
const layerBackends = (options: OpenOptions) =>
  Layer.mergeAll(
    UndiciTransport.layer,
    AccountCredentials.layer(options.configuration),
    options.storage ?? Backends.layer(options.configuration),
    NodeMd5.layer,
    NodeSha256.layer,
    layerLimits(options),
    Layer.unwrap(Effect.map(secrets(options.configuration), UnifiedIds.layerSealed))
  )

/** The core over the configured storage and accounts, and what routes need beside it. */
const layerServices = (options: OpenOptions) => {
  const { keys, server } = options.configuration
  return Layer.merge(Omnifile.layer(coreOptions(options)), layerDependencies).pipe(
    Layer.provide(layerBackends(options)),
    Layer.merge(Layer.provide(Authenticator.layer(keys), NodeSha256.layer)),
    Layer.merge(NodeBodies.layer),
    Layer.merge(
      Layer.succeed(ServerSettings, { maxBodySize: server.maxBodySize, forwardPaths: server.forwardPaths ?? [] })
    )
  )
}

/** Opens storage, checks the configuration, and answers a gateway. Close it when the host has stopped. */
export const open = (options: OpenOptions): Promise<Gateway.GatewayOver<Services>> =>
  Gateway.makeOver(
    layerServices(options),
    (services) => Layer.provide(Api.layer, Layer.succeedContext(services)),
    Layer.merge(Logging.layer(options.configuration.server.log), Telemetry.layer(options.env ?? process.env))
  )

/** The core over the configured storage and accounts, for what an operator does beside the servers. */
export const layerCore = (options: OpenOptions) =>
  Layer.provide(Omnifile.layer(coreOptions(options)), layerBackends(options))

/** The same for a program without a server: the core as promises. Close it at the program's end. */
export const openProgram = (options: OpenOptions): Promise<Facade> =>
  Omnifile.make({ ...coreOptions(options), backends: layerBackends(options) })
