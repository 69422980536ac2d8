import { layerMemory } from "@omnifile/core/BlobStore"
import * as BlobStoreSuite from "../src/BlobStoreSuite.ts"
BlobStoreSuite.suite("memory", layerMemory)
