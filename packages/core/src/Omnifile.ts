/**
 * The whole core, put together: everything between a request and the backends.
 *
 * What it runs on is left to the caller: a `BlobStore`, a `RegistryBackend`, an `HttpTransport`, the secret
 * behind the IDs, and a SHA-256.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Batches from "./Batches.ts"
import type { BlobStore } from "./BlobStore.ts"
import * as Catalog from "./Catalog.ts"
import * as CopyUpload from "./CopyUpload.ts"
import * as CopyUses from "./CopyUses.ts"
import { Credentials } from "./Credentials.ts"
import * as Deployments from "./Deployments.ts"
import * as Erasure from "./Erasure.ts"
import * as Events from "./Events.ts"
import * as Facade from "./Facade.ts"
import * as Failover from "./Failover.ts"
import * as FileCreation from "./FileCreation.ts"
import * as FileLookup from "./FileLookup.ts"
import * as Files from "./Files.ts"
import * as FineTuning from "./FineTuning.ts"
import { type Hook, Hooks } from "./Hooks.ts"
import type { HttpTransport } from "./HttpTransport.ts"
import * as Idempotency from "./Idempotency.ts"
import * as Instance from "./Instance.ts"
import * as Intake from "./Intake.ts"
import * as JobPoller from "./JobPoller.ts"
import * as Jobs from "./Jobs.ts"
import * as ForeignBatchEnd from "./ForeignBatchEnd.ts"
import * as JobSync from "./JobSync.ts"
import * as Limits from "./Limits.ts"
import * as LimitsHook from "./LimitsHook.ts"
import * as LostUploads from "./LostUploads.ts"
import * as Maintenance from "./Maintenance.ts"
import * as ManagedFilesHook from "./ManagedFilesHook.ts"
import * as ManagedJobsHook from "./ManagedJobsHook.ts"
import * as ModelCalls from "./ModelCalls.ts"
import * as OutputFiles from "./OutputFiles.ts"
import * as Pipeline from "./Pipeline.ts"
import * as Quota from "./Quota.ts"
import * as Registry from "./Registry.ts"
import type { RegistryBackend } from "./RegistryBackend.ts"
import * as Removal from "./Removal.ts"
import * as Replication from "./Replication.ts"
import * as Responses from "./Responses.ts"
import { defaults, type FileSettings, Settings } from "./Settings.ts"
import type { Sha256 } from "./Sha256.ts"
import type { StorageError } from "./StorageError.ts"
import type { UnifiedIds } from "./UnifiedId.ts"
import * as SplitEnd from "./SplitEnd.ts"
import * as SplitParts from "./SplitParts.ts"
import * as UploadExpiry from "./UploadExpiry.ts"
import * as Uploads from "./Uploads.ts"
import * as Upstream from "./Upstream.ts"
import * as UsageLedger from "./UsageLedger.ts"
import * as UsageReader from "./UsageReader.ts"
import * as UsageTap from "./UsageTap.ts"
import * as Webhooks from "./Webhooks.ts"

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
  | Batches.Batches
  | Catalog.Catalog
  | CopyUses.CopyUses
  | Erasure.Erasure
  | Events.Events
  | Files.Files
  | FineTuning.FineTuning
  | Intake.Intake
  | JobPoller.JobPoller
  | Jobs.Jobs
  | ForeignBatchEnd.ForeignBatchEnd
  | SplitEnd.SplitEnd
  | SplitParts.SplitParts
  | JobSync.JobSync
  | Maintenance.Maintenance
  | OutputFiles.OutputFiles
  | Pipeline.Pipeline
  | Quota.Quota
  | Registry.Registry
  | Replication.Replication
  | Responses.Responses
  | UploadExpiry.UploadExpiry
  | Uploads.Uploads
  | UsageLedger.UsageLedger
  | Webhooks.Webhooks

/** A call over a limit costs no look-up, and usage is read off an answer that nobody has changed yet. */
const layerHooks = (hooks: ReadonlyArray<Hook>) =>
  Layer.effect(
    Hooks,
    Effect.map(
      Effect.all([LimitsHook.make, ManagedFilesHook.make, ManagedJobsHook.make, UsageTap.make]),
      ([limits, managedFiles, managedJobs, usage]) => [limits, managedFiles, managedJobs, ...hooks, usage]
    )
  )

/** Whoever stands on the core finds the secrets where the core does, for calls that a program makes itself. */
const layerCredentials: Layer.Layer<never> = Layer.effect(Credentials, Credentials)

/** What each operation is served by. */
const layerOperations = Layer.mergeAll(
  Batches.layer,
  FineTuning.layer,
  Responses.layer,
  Uploads.layer,
  UsageReader.layer
)

/** What happens without anyone asking, and what an operator asks for. */
const layerLoops = Layer.mergeAll(
  Erasure.layer,
  Events.layer,
  JobPoller.layer,
  Maintenance.layer,
  UploadExpiry.layer,
  Webhooks.layer
)

export const layer = ({ catalog, hooks = [], settings = {} }: Options): Layer.Layer<Services, StorageError, Backends> =>
  Pipeline.layer.pipe(
    Layer.merge(layerCredentials),
    Layer.provideMerge(layerLoops),
    Layer.provideMerge(layerOperations),
    Layer.provideMerge(SplitEnd.layer),
    Layer.provideMerge(Layer.mergeAll(ModelCalls.layer, SplitParts.layer)),
    Layer.provideMerge(Failover.layer),
    Layer.provideMerge(layerHooks(hooks)),
    Layer.provideMerge(Layer.mergeAll(Files.layer, Intake.layer)),
    Layer.provideMerge(FileCreation.layer),
    Layer.provideMerge(ForeignBatchEnd.layer),
    Layer.provideMerge(JobSync.layer),
    Layer.provideMerge(Layer.mergeAll(Idempotency.layer, Replication.layer, Removal.layer, FileLookup.layer)),
    Layer.provideMerge(Layer.mergeAll(CopyUpload.layer, OutputFiles.layer)),
    Layer.provideMerge(Quota.layer),
    Layer.provideMerge(Layer.mergeAll(CopyUses.layer, Jobs.layer, LostUploads.layer, Limits.layer, UsageLedger.layer)),
    Layer.provideMerge(Layer.mergeAll(Instance.layer, Upstream.layer, Deployments.layer, Catalog.layer(catalog))),
    Layer.provideMerge(Registry.layer),
    Layer.provide(Layer.succeed(Settings, { ...defaults, ...settings }))
  )

export interface ProgramOptions<out E> extends Options {
  /** What the core runs on: storage, the wire to providers, the secret behind the IDs. */
  readonly backends: Layer.Layer<Backends, E>
}

/**
 * The core for a program without a server, as promises. Rejects if a backend cannot be opened. Close it at the
 * program's end.
 */
export const make = async <E>(options: ProgramOptions<E>): Promise<Facade.Facade> => {
  const runtime = ManagedRuntime.make(Layer.provide(layer(options), options.backends))
  await runtime.context()
  return Facade.over(runtime)
}
