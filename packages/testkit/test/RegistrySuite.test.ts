import { layerMemory } from "@omnifile/core/RegistryBackend"
import * as RegistrySuite from "../src/RegistrySuite.ts"
RegistrySuite.suite("memory", layerMemory)
