/** Where deployments of LiteLLM are that nothing tells the account of: each account is asked for some of their files. */
import * as Catalog from "@omnifile/core/Catalog"
import { isObject } from "@omnifile/core/Json"
import * as LitellmId from "@omnifile/core/LitellmId"
import { type ProviderAccount, Upstream } from "@omnifile/core/Upstream"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { LitellmDatabase, LitellmDatabaseError } from "./LitellmDatabase.ts"
import * as LitellmModels from "./LitellmModels.ts"

/** Files that are asked for, of each deployment: some may have been deleted since. */
const mostSamples = 3
const concurrency = 4

/** Provider files by the deployment that nobody knows. */
const samplesOf = Effect.fnUntraced(function* (database: LitellmDatabase, known: LitellmModels.Known) {
  const samples = new Map<string, Array<string>>()
  let after = ""
  for (;;) {
    const rows = yield* database.files(after)
    for (const { mappings, storageBackend, unifiedId } of rows) {
      const identity = Option.getOrUndefined(LitellmId.recognise(unifiedId))
      if (identity?._tag !== "File" || storageBackend !== null || !isObject(mappings)) continue
      for (const [deployment, remoteId] of Object.entries(mappings)) {
        if (typeof remoteId !== "string" || remoteId === "") continue
        if (LitellmModels.accountOfDeployment(known, deployment, identity.models) !== undefined) continue
        const found = samples.get(deployment) ?? []
        if (found.length < mostSamples) samples.set(deployment, [...found, remoteId])
      }
    }
    const last = rows.at(-1)
    if (last === undefined) return samples
    after = last.id
  }
})

/** Accounts by deployment, where exactly one account has any of the files. */
export const run = Effect.fn("LitellmProbe.run")(function* (
  database: LitellmDatabase,
  known: LitellmModels.Known
): Effect.fn.Return<ReadonlyMap<string, string>, LitellmDatabaseError, Catalog.Catalog | Upstream> {
  const { accounts } = yield* Catalog.Catalog
  const upstream = yield* Upstream

  const hasOne = ({ account, provider }: ProviderAccount, ids: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const { files } = provider
      if (files === null) return false
      for (const id of ids) {
        const call = Effect.succeed(files.retrieve(id))
        const answer = upstream.request({ account, provider }, call, files.decodeFile)
        if (Option.isSome(yield* Effect.option(answer))) return true
      }
      return false
    })

  const found = new Map<string, string>()
  for (const [deployment, ids] of yield* samplesOf(database, known)) {
    const having = yield* Effect.filter([...accounts.values()], (target) => hasOne(target, ids), { concurrency })
    const [only, ...others] = having
    if (only !== undefined && others.length === 0) found.set(deployment, only.account.id)
  }
  return found
})
