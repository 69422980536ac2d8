/** The storage that a configuration asks for. */
import * as BlobStore from "@omnifile/core/BlobStore"
import * as RegistryBackend from "@omnifile/core/RegistryBackend"
import type { StorageError } from "@omnifile/core/StorageError"
import * as DiskBlobs from "@omnifile/storage-fs/DiskBlobs"
import * as PostgresRegistry from "@omnifile/storage-postgres/PostgresRegistry"
import * as SqliteRegistry from "@omnifile/storage-sqlite/SqliteRegistry"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Configuration } from "./config/Configuration.ts"

/** The configuration lets through only schemes that the program says it has a backend for. */
const notBuiltIn = (use: string, scheme: string) =>
  Layer.effectContext(Effect.die(new TypeError(`No backend is given for storage.${use} ${scheme}:`)))

const registry = ({ storage }: Configuration): Layer.Layer<RegistryBackend.RegistryBackend, StorageError> => {
  switch (storage.registry._tag) {
    case "Sqlite":
      return SqliteRegistry.layer({ filename: storage.registry.filename })
    case "Postgres":
      return PostgresRegistry.layer({ url: storage.registry.url })
    case "Memory":
      return RegistryBackend.layerMemory
    case "Other":
      return notBuiltIn("registry", storage.registry.scheme)
  }
}

/** Where nothing is kept, content still has to pass through somewhere on its way to several accounts. */
const content = ({ storage }: Configuration): Layer.Layer<BlobStore.BlobStore, StorageError> => {
  switch (storage.content._tag) {
    case "Disk":
      return DiskBlobs.layer({ directory: storage.content.directory })
    case "None":
      return DiskBlobs.layer({ directory: join(tmpdir(), "omnifile-in-transit") })
    case "Memory":
      return BlobStore.layerMemory
    case "Other":
      return notBuiltIn("content", storage.content.scheme)
  }
}

export const layer = (
  configuration: Configuration
): Layer.Layer<BlobStore.BlobStore | RegistryBackend.RegistryBackend, StorageError> =>
  Layer.mergeAll(registry(configuration), content(configuration))
