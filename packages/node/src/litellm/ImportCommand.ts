/** `omnifile import litellm`: what its options mean, and what it prints. */
import * as Catalog from "@omnifile/core/Catalog"
import type { Provider } from "@omnifile/core/Provider"
import * as Registry from "@omnifile/core/Registry"
import * as Upstream from "@omnifile/core/Upstream"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Backends from "../Backends.ts"
import type { ImportLitellm } from "../CommandLine.ts"
import type { Configuration } from "../config/Configuration.ts"
import type { Environment } from "../config/Interpolation.ts"
import * as NodeSha256 from "../NodeSha256.ts"
import * as UndiciTransport from "../UndiciTransport.ts"
import * as LitellmDatabase from "./LitellmDatabase.ts"
import * as LitellmImport from "./LitellmImport.ts"
import * as LitellmModels from "./LitellmModels.ts"
import * as LitellmProbe from "./LitellmProbe.ts"

/** An account that `--map` names and that is not configured. */
const unknownAccount = ({ accounts }: Configuration, map: ReadonlyMap<string, string>): string | undefined =>
  [...map.values()].find((account) => !accounts.some(({ id }) => id === account))

const ask = (
  database: LitellmDatabase.LitellmDatabase,
  known: LitellmModels.Known,
  { accounts, deployments }: Configuration,
  providers: ReadonlyArray<Provider>
) =>
  LitellmProbe.run(database, known).pipe(
    Effect.provide(
      Layer.merge(
        Catalog.layer({ accounts, deployments, providers }),
        Layer.provide(Upstream.layer, UndiciTransport.layer)
      )
    )
  )

/** Imports, or tells what would be imported. */
export const run = Effect.fnUntraced(function* (
  command: ImportLitellm,
  configuration: Configuration,
  providers: ReadonlyArray<Provider>,
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
      const asked = command.askAccounts ? yield* ask(database, known, configuration, providers) : []
      const told = { ...known, map: new Map([...asked, ...map]) }
      return yield* Effect.provide(LitellmImport.run({ database, known: told, dryRun }), storage)
    })
  )
})

/** What it prints. */
export const toText = (report: LitellmImport.Report, { json }: ImportLitellm): string =>
  json ? `${JSON.stringify(report, null, 2)}\n` : LitellmImport.toText(report)
