/** The storage that a configuration asks for. */
import * as BlobStore from "@omnifile/core/BlobStore"
import * as EncryptedBlobs from "@omnifile/core/EncryptedBlobs"
import * as RegistryBackend from "@omnifile/core/RegistryBackend"
import * as StorageError from "@omnifile/core/StorageError"
import type { Dependency } from "@omnifile/http/Dependencies"
import * as DiskBlobs from "@omnifile/storage-fs/DiskBlobs"
import * as PostgresBlobs from "@omnifile/storage-postgres/PostgresBlobs"
import * as PostgresRegistry from "@omnifile/storage-postgres/PostgresRegistry"
import * as RedisLimits from "@omnifile/storage-redis/RedisLimits"
import * as RedisRegistry from "@omnifile/storage-redis/RedisRegistry"
import * as SqliteRegistry from "@omnifile/storage-sqlite/SqliteRegistry"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Scope from "effect/Scope"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Configuration } from "./config/Configuration.ts"

/** The configuration lets through only schemes that the program says it has a backend for. */
const notBuiltIn = (use: string, scheme: string) =>
  Layer.effectContext(Effect.die(new TypeError(`No backend is given for storage.${use} ${scheme}:`)))

export const registry = ({
  storage
}: Configuration): Layer.Layer<RegistryBackend.RegistryBackend, StorageError.StorageError> => {
  switch (storage.registry._tag) {
    case "Sqlite":
      return SqliteRegistry.layer({ filename: storage.registry.filename })
    case "Postgres":
      return PostgresRegistry.layer({ url: storage.registry.url })
    case "Memory":
      return RegistryBackend.layerMemory
    case "Redis":
      return RedisRegistry.layer({ url: storage.registry.url })
    case "Other":
      return notBuiltIn("registry", storage.registry.scheme)
  }
}

/** The SDKs are large: one is loaded when it is asked for, so that others start without it. */
const loaded = <M, E>(
  load: () => Promise<M>,
  use: (module: M) => Layer.Layer<BlobStore.BlobStore, E>
): Layer.Layer<BlobStore.BlobStore, E> => Layer.unwrap(Effect.map(Effect.promise(load), use))

/** Where nothing is kept, content still has to pass through somewhere on its way to several accounts. */
const plainContent = ({ storage }: Configuration): Layer.Layer<BlobStore.BlobStore, StorageError.StorageError> => {
  switch (storage.content._tag) {
    case "Disk":
      return DiskBlobs.layer({ directory: storage.content.directory })
    case "None":
      return DiskBlobs.layer({ directory: join(tmpdir(), "omnifile-in-transit") })
    case "Postgres":
      return storage.registry._tag === "Postgres"
        ? PostgresBlobs.layer({ url: storage.registry.url })
        : notBuiltIn("content", "postgres")
    case "S3": {
      const { bucket, prefix } = storage.content
      return loaded(
        () => import("@omnifile/storage-s3/S3Blobs"),
        (S3Blobs) => S3Blobs.layer({ ...storage.s3, bucket, prefix })
      )
    }
    case "AzureBlob": {
      const { azure, content } = storage
      if (azure === undefined) return notBuiltIn("content", "azblob, without a credential in storage.azure,")
      return loaded(
        () => import("@omnifile/storage-azure-blob/AzureBlobs"),
        (AzureBlobs) => AzureBlobs.layer({ ...content, ...azure })
      )
    }
    case "Gcs": {
      const { content, gcs } = storage
      return loaded(
        () => import("@omnifile/storage-gcs/GcsBlobs"),
        (GcsBlobs) => GcsBlobs.layer({ ...content, ...gcs })
      )
    }
    case "Memory":
      return BlobStore.layerMemory
    case "Other":
      return notBuiltIn("content", storage.content.scheme)
  }
}

export const content = (configuration: Configuration): Layer.Layer<BlobStore.BlobStore, StorageError.StorageError> => {
  const keys = configuration.storage.encryptionKeys
  const plain = plainContent(configuration)
  return keys === undefined ? plain : EncryptedBlobs.layer({ keys }).pipe(Layer.provide(plain))
}

export const layer = (
  configuration: Configuration
): Layer.Layer<BlobStore.BlobStore | RegistryBackend.RegistryBackend, StorageError.StorageError> =>
  Layer.mergeAll(registry(configuration), content(configuration))

/** Where limits are counted, and what that depends on. */
export interface LimitStore {
  readonly store: Layer.Layer<RateLimiter.RateLimiterStore>
  readonly dependencies: ReadonlyArray<Dependency>
}

export const limitStore = ({
  limits
}: Configuration): Effect.Effect<LimitStore, StorageError.StorageError, Scope.Scope> => {
  const location = limits?.store
  if (location?._tag !== "Redis") return Effect.succeed({ store: RateLimiter.layerStoreMemory, dependencies: [] })
  return RedisLimits.make({ url: location.url }).pipe(
    Effect.map(({ check, store }) => ({
      store: Layer.succeed(RateLimiter.RateLimiterStore, store),
      dependencies: [{ name: "limits", isNeeded: false, check }]
    })),
    Effect.mapError(
      (cause) =>
        new StorageError.StorageError({
          backend: "limits",
          method: "open",
          reason: new StorageError.Unavailable({ cause })
        })
    )
  )
}

/** Content that is there answers that there is none under a key of nobody. */
export const contentDependency = (blobs: BlobStore.BlobStore["Service"]): Dependency => ({
  name: "content",
  isNeeded: true,
  check: blobs.size("readiness").pipe(
    Effect.asVoid,
    Effect.catchIf(
      ({ reason }) => reason._tag === "Missing",
      () => Effect.void
    )
  )
})
