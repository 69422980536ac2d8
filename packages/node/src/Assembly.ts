/**
 * The whole API over accounts, keys, hooks and storage that a program brings itself: what `Open` does for a
 * configuration, for people who compose layers.
 */
import type { Account, Deployment } from "@omnifile/core/Account"
import * as Authenticator from "@omnifile/core/Authenticator"
import type { BlobStore } from "@omnifile/core/BlobStore"
import type { Hook } from "@omnifile/core/Hooks"
import * as Omnifile from "@omnifile/core/Omnifile"
import type { Provider } from "@omnifile/core/Provider"
import type { RegistryBackend } from "@omnifile/core/RegistryBackend"
import type { FileSettings } from "@omnifile/core/Settings"
import type { StorageError } from "@omnifile/core/StorageError"
import { type Secrets, type UnifiedIdError, UnifiedIds } from "@omnifile/core/UnifiedId"
import * as Api from "@omnifile/http/Api"
import { type ServerLimits, ServerSettings } from "@omnifile/http/ServerSettings"
import { openai } from "@omnifile/provider-openai/OpenAI"
import type { HttpRouter } from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as NodeBodies from "./NodeBodies.ts"
import * as NodeSha256 from "./NodeSha256.ts"
import * as UndiciTransport from "./UndiciTransport.ts"

export interface Parts {
  readonly accounts: ReadonlyArray<Account>
  readonly deployments: ReadonlyArray<Deployment>
  /** The protocol families that the accounts speak. Default: OpenAI's. */
  readonly providers?: ReadonlyArray<Provider> | undefined
  readonly keys: ReadonlyArray<Authenticator.ApiKey>
  /** The secrets under which IDs are made. IDs made under a secret that is lost are lost. */
  readonly secrets: Secrets
  readonly settings?: Partial<FileSettings> | undefined
  /** Hooks of your own, which run after managed files, in this order. */
  readonly hooks?: ReadonlyArray<Hook> | undefined
  readonly limits?: ServerLimits | undefined
}

/** Routes for `Gateway.make`. Provide the storage that they are to use. */
export const layer = (
  parts: Parts
): Layer.Layer<never, StorageError | UnifiedIdError, HttpRouter | BlobStore | RegistryBackend> => {
  const { accounts, deployments, hooks, keys, limits, providers = [openai], secrets, settings } = parts
  const routes = Api.layer.pipe(
    Layer.provide(Omnifile.layer({ catalog: { accounts, deployments, providers }, settings, hooks })),
    Layer.provide(Layer.mergeAll(Authenticator.layer(keys), NodeBodies.layer, UndiciTransport.layer)),
    Layer.provide(Layer.mergeAll(NodeSha256.layer, UnifiedIds.layerSealed(secrets)))
  )
  return limits === undefined ? routes : Layer.provide(routes, Layer.succeed(ServerSettings, limits))
}
