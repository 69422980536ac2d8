import { afterAll, beforeAll } from "@effect/vitest"
import { Deployment } from "@omnifile/core/Account"
import type { ApiKey } from "@omnifile/core/Authenticator"
import { accounts, type Installation, modelOf } from "@omnifile/testkit/host/Installation"
import * as RunningHost from "@omnifile/testkit/host/RunningHost"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import OpenAI from "openai"
import * as Redacted from "effect/Redacted"
import * as Open from "../../src/Open.ts"

/** A model that the accounts alpha and beta both serve. */
export const sharedModel = "model-shared"

const callers = {
  alice: { role: "user", user: "alice", models: ["*"] },
  bob: { role: "user", user: "bob", models: ["*"] },
  /** May use the model of beta only. */
  carol: { role: "user", user: "carol", models: [modelOf("beta")] }
} as const

export type Caller = keyof typeof callers

const keyOf = (caller: Caller): string => `sk-${caller}`

const withTenants = (installation: Installation): Open.OpenOptions => {
  const { configuration } = installation
  const shared = accounts
    .filter((account) => account !== "ticker")
    .map(
      (account) =>
        new Deployment({
          id: `shared-on-${account}`,
          account,
          modelName: sharedModel,
          model: `shared-${account}`,
          weight: 1
        })
    )
  const keys = Object.entries(callers).map(([name, { models, role, user }]): ApiKey => ({
    key: Redacted.make(`sk-${name}`),
    role,
    user,
    team: null,
    models: [...models]
  }))
  return {
    ...installation,
    configuration: { ...configuration, keys, deployments: [...configuration.deployments, ...shared] }
  }
}

export interface Tenants {
  readonly host: () => RunningHost.RunningHost
  /** The official client of a caller. */
  readonly client: (caller: Caller) => OpenAI
}

/** A server with callers who must not see what the others have. It lives as long as the file's tests. */
export const tenants = (): Tenants => {
  let running: RunningHost.RunningHost
  beforeAll(async () => {
    running = await RunningHost.start({
      build: (installation) => Open.open(withTenants(installation)),
      serve: (gateway) => HostSuite.listen((request, response) => void gateway.node(request, response))
    })
  })
  afterAll(() => running.stop())
  return {
    host: () => running,
    client: (caller) => new OpenAI({ apiKey: keyOf(caller), baseURL: `${running.url}/v1`, maxRetries: 0 })
  }
}
