/** What an installation is made of: accounts, the models that they serve, and who may call. */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Account, Deployment } from "./Account.ts"
import { mayUseModel, type Principal } from "./Principal.ts"
import * as Provider from "./Provider.ts"
import type { ProviderAccount } from "./Upstream.ts"

export interface CatalogInput {
  readonly accounts: ReadonlyArray<Account>
  readonly deployments: ReadonlyArray<Deployment>
  readonly providers: ReadonlyArray<Provider.Provider>
}

export class Catalog extends Context.Service<
  Catalog,
  {
    /** By account ID. */
    readonly accounts: ReadonlyMap<string, ProviderAccount>
    /** The account of a deployment, with what the provider says of the deployment's model. */
    readonly targetOf: (deployment: Deployment) => ProviderAccount | undefined
    /** The model names of the installation, in the order of the configuration. */
    readonly modelNames: ReadonlyArray<string>
    /** The deployments of a model name; none if it is unknown or the principal may not use it. */
    readonly deployments: (modelName: string, principal: Principal) => ReadonlyArray<Deployment>
    /** The deployments of a model name, whoever may use it. */
    readonly deploymentsOf: (modelName: string) => ReadonlyArray<Deployment>
    /** The model names that the principal may use. */
    readonly modelsOf: (principal: Principal) => ReadonlyArray<string>
    /** The accounts that serve a model name, each once. */
    readonly accountsOf: (modelName: string) => ReadonlyArray<string>
  }
>()("@omnifile/core/Catalog") {}

/**
 * Throws a `TypeError` that names every dangling reference: an account of an unknown provider, a deployment
 * on an unknown account, an ID given twice. Configuration files are checked before, with line numbers.
 */
export const make = ({ accounts, deployments, providers }: CatalogInput): Catalog["Service"] => {
  const problems: Array<string> = []
  const providerById = new Map(providers.map((provider) => [provider.id, provider]))
  const byId = new Map<string, ProviderAccount>()
  for (const account of accounts) {
    const provider = providerById.get(account.provider)
    if (provider === undefined) problems.push(`account ${account.id}: unknown provider ${account.provider}`)
    else if (byId.has(account.id)) problems.push(`account ${account.id} is given twice`)
    else byId.set(account.id, { account, provider: Provider.of(provider, account) })
  }
  const byModel = new Map<string, Array<Deployment>>()
  const targets = new Map<string, ProviderAccount>()
  const seen = new Set<string>()
  for (const deployment of deployments) {
    const target = byId.get(deployment.account)
    if (target === undefined) problems.push(`deployment ${deployment.id}: unknown account ${deployment.account}`)
    else {
      const { account } = target
      const provider = providerById.get(account.provider) ?? target.provider
      targets.set(deployment.id, { account, provider: Provider.of(provider, account, deployment.model) })
    }
    if (seen.has(deployment.id)) problems.push(`deployment ${deployment.id} is given twice`)
    seen.add(deployment.id)
    const group = byModel.get(deployment.modelName)
    if (group === undefined) byModel.set(deployment.modelName, [deployment])
    else group.push(deployment)
  }
  if (problems.length > 0) throw new TypeError(problems.join("; "))

  const modelNames = [...byModel.keys()]
  const accountsByModel = new Map(
    [...byModel].map(([name, group]) => [name, [...new Set(group.map(({ account }) => account))]] as const)
  )
  const deploymentsOf = (modelName: string): ReadonlyArray<Deployment> => byModel.get(modelName) ?? []
  return Catalog.of({
    accounts: byId,
    targetOf: ({ account, id }) => targets.get(id) ?? byId.get(account),
    modelNames,
    deploymentsOf,
    deployments: (modelName, principal) => (mayUseModel(principal, modelName) ? deploymentsOf(modelName) : []),
    modelsOf: (principal) => modelNames.filter((name) => mayUseModel(principal, name)),
    accountsOf: (modelName) => accountsByModel.get(modelName) ?? []
  })
}

export const layer = (input: CatalogInput): Layer.Layer<Catalog> => Layer.sync(Catalog, () => make(input))
