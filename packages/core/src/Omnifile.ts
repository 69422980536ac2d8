/**
 * The whole core, put together: everything between a request and the backends.
 *
 * What it runs on is left to the caller: a `BlobStore`, a `RegistryBackend`, an `HttpTransport`, the secret
 * behind the IDs, and a SHA-256.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { BlobStore } from "./BlobStore.ts"
import * as Catalog from "./Catalog.ts"
import * as CopyUpload from "./CopyUpload.ts"
import * as Deployments from "./Deployments.ts"
import * as FileCreation from "./FileCreation.ts"
import * as FileLookup from "./FileLookup.ts"
import * as Files from "./Files.ts"
import { type Hook, Hooks } from "./Hooks.ts"
import type { HttpTransport } from "./HttpTransport.ts"
import * as Idempotency from "./Idempotency.ts"
import * as Instance from "./Instance.ts"
import * as Intake from "./Intake.ts"
import * as LostUploads from "./LostUploads.ts"
import * as Maintenance from "./Maintenance.ts"
import * as ManagedFilesHook from "./ManagedFilesHook.ts"
import * as ModelCalls from "./ModelCalls.ts"
import * as Pipeline from "./Pipeline.ts"
import * as Registry from "./Registry.ts"
import type { RegistryBackend } from "./RegistryBackend.ts"
import * as Removal from "./Removal.ts"
import * as Replication from "./Replication.ts"
import { defaults, type FileSettings, Settings } from "./Settings.ts"
import type { Sha256 } from "./Sha256.ts"
import type { StorageError } from "./StorageError.ts"
import type { UnifiedIds } from "./UnifiedId.ts"
import * as Upstream from "./Upstream.ts"

export interface Options {
  readonly catalog: Catalog.CatalogInput
  readonly settings?: Partial<FileSettings> | undefined
  /** The operator's own hooks. They run after the managed files, in this order. */
  readonly hooks?: ReadonlyArray<Hook> | undefined
}

/** What the core runs on. */
export type Backends = BlobStore | HttpTransport | RegistryBackend | Sha256 | UnifiedIds

/** What the core offers. */
export type Services =
  | Files.Files
  | Intake.Intake
  | Maintenance.Maintenance
  | Pipeline.Pipeline
  | Registry.Registry
  | Catalog.Catalog

const layerHooks = (hooks: ReadonlyArray<Hook>) =>
  Layer.effect(
    Hooks,
    Effect.map(ManagedFilesHook.make, (managedFiles) => [managedFiles, ...hooks])
  )

export const layer = ({ catalog, hooks = [], settings = {} }: Options): Layer.Layer<Services, StorageError, Backends> =>
  Pipeline.layer.pipe(
    Layer.provideMerge(ModelCalls.layer),
    Layer.provideMerge(layerHooks(hooks)),
    Layer.provideMerge(Layer.mergeAll(Files.layer, Intake.layer, Maintenance.layer)),
    Layer.provideMerge(FileCreation.layer),
    Layer.provideMerge(Layer.mergeAll(Idempotency.layer, Replication.layer, Removal.layer, FileLookup.layer)),
    Layer.provideMerge(CopyUpload.layer),
    Layer.provideMerge(LostUploads.layer),
    Layer.provideMerge(Layer.mergeAll(Instance.layer, Upstream.layer, Deployments.layer, Catalog.layer(catalog))),
    Layer.provideMerge(Registry.layer),
    Layer.provide(Layer.succeed(Settings, { ...defaults, ...settings }))
  )
