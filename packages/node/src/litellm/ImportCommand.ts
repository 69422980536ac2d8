/** `omnifile import litellm`: what its options mean, and what it prints. */
import * as Registry from "@omnifile/core/Registry"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Backends from "../Backends.ts"
import type { ImportLitellm } from "../CommandLine.ts"
import type { Configuration } from "../config/Configuration.ts"
import type { Environment } from "../config/Interpolation.ts"
import * as NodeSha256 from "../NodeSha256.ts"
import * as LitellmDatabase from "./LitellmDatabase.ts"
import * as LitellmImport from "./LitellmImport.ts"
import * as LitellmModels from "./LitellmModels.ts"

/** An account that `--map` names and that is not configured. */
const unknownAccount = ({ accounts }: Configuration, map: ReadonlyMap<string, string>): string | undefined =>
  [...map.values()].find((account) => !accounts.some(({ id }) => id === account))

/** Imports, or tells what would be imported. */
export const run = Effect.fnUntraced(function* (
  command: ImportLitellm,
  configuration: Configuration,
  env: Environment
) {
  const { databaseUrl, dryRun, litellmConfig, map } = command
  const unknown = unknownAccount(configuration, map)
  if (unknown !== undefined) {
    return yield* new LitellmModels.LitellmModelsError({
      message: `--map names an account that is not configured: ${unknown}`
    })
  }
  const { accounts, deployments } = configuration
  const listed = litellmConfig === undefined ? undefined : yield* LitellmModels.readYaml(litellmConfig)
  const known = { map, deployments, models: LitellmModels.read(listed, accounts, env) }
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const database = yield* LitellmDatabase.open(databaseUrl)
      const storage = Layer.mergeAll(
        Layer.provide(Registry.layer, Backends.registry(configuration)),
        Backends.content(configuration),
        NodeSha256.layer
      )
      return yield* Effect.provide(LitellmImport.run({ database, known, dryRun }), storage)
    })
  )
})

/** What it prints. */
export const toText = (report: LitellmImport.Report, { json }: ImportLitellm): string =>
  json ? `${JSON.stringify(report, null, 2)}\n` : LitellmImport.toText(report)
