/** Not run with the tests, but by `Mutants.test.ts`: every case of it is expected to fail. */
import * as BlobStore from "@omnifile/core/BlobStore"
import * as RegistryBackend from "@omnifile/core/RegistryBackend"
import * as Layer from "effect/Layer"
import * as BlobStoreSuite from "../../src/BlobStoreSuite.ts"
import * as RegistrySuite from "../../src/RegistrySuite.ts"
import * as blobMutants from "./blobMutants.ts"
import * as registryMutants from "./registryMutants.ts"

for (const { mutate, name } of blobMutants.mutants) {
  BlobStoreSuite.suite(
    name,
    Layer.sync(BlobStore.BlobStore, () => {
      const sound = BlobStore.makeMemory()
      return BlobStore.make({ ...sound, ...mutate(sound) })
    })
  )
}

for (const { mutate, name } of registryMutants.mutants) {
  RegistrySuite.suite(
    name,
    Layer.sync(RegistryBackend.RegistryBackend, () => {
      const sound = RegistryBackend.makeMemory()
      return RegistryBackend.RegistryBackend.of({ ...sound, ...mutate(sound) })
    })
  )
}
