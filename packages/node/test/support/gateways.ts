/** Gateways that share one registry and one blob directory, in front of one emulator; and who calls them. */
import { Account, CallPolicy, defaultPolicy, Deployment } from "@omnifile/core/Account"
import type { FileSettings } from "@omnifile/core/Settings"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as Redacted from "effect/Redacted"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import OpenAI from "openai"
import type { Configuration } from "../../src/config/Configuration.ts"
import * as Defaults from "../../src/config/Defaults.ts"
import * as Open from "../../src/Open.ts"
import * as Server from "../../src/Server.ts"

export interface RunningGateway {
  readonly url: string
  /** The official client of each user, which does not retry. */
  readonly alice: OpenAI
  readonly bob: OpenAI
  readonly admin: OpenAI
  readonly stop: () => Promise<void>
}

export interface Installation {
  readonly configuration: Configuration
  readonly emulator: OpenAIEmulator.Emulator
  readonly start: () => Promise<RunningGateway>
  /** Stops all that is still running. */
  readonly close: () => Promise<void>
}

export const accounts = ["east", "west"] as const

/** `both` is a model of both accounts, `east` and `west` of one each; every deployment has a name of its own. */
const deployments = [
  new Deployment({ id: "both-east", account: "east", modelName: "both", model: "provider-both-east", weight: 1 }),
  new Deployment({ id: "both-west", account: "west", modelName: "both", model: "provider-both-west", weight: 1 }),
  ...accounts.map((id) => new Deployment({ id, account: id, modelName: id, model: `provider-${id}`, weight: 1 }))
]

const users = ["alice", "bob", "admin"] as const

export const keyOf = (user: (typeof users)[number]): string => `sk-test-key-of-${user}`

const quick = new CallPolicy({ ...defaultPolicy, attempts: 1 })

export const install = async (
  files: Partial<FileSettings> = {},
  registry?: Configuration["storage"]["registry"],
  content?: Configuration["storage"]["content"],
  /** The providers' clock. */
  now?: () => number
): Promise<Installation> => {
  const directory = await mkdtemp(join(tmpdir(), "omnifile-gateways-"))
  const emulator = await OpenAIEmulator.start({
    accounts: accounts.map((name) => ({ name, key: `sk-${name}` })),
    now
  })
  const configuration: Configuration = {
    accounts: accounts.map(
      (id) =>
        new Account({
          id,
          provider: "openai",
          baseUrl: emulator.baseUrl,
          apiKey: Redacted.make(`sk-${id}`),
          headers: {},
          exclusive: true,
          policy: quick
        })
    ),
    deployments,
    keys: users.map((user) => ({
      key: Redacted.make(keyOf(user)),
      role: user === "admin" ? "admin" : "user",
      user,
      team: null,
      models: ["*"]
    })),
    storage: {
      registry: registry ?? { _tag: "Sqlite", filename: join(directory, "registry.db") },
      cache: "memory",
      content: content ?? { _tag: "Disk", directory: join(directory, "blobs") }
    },
    secret: { current: Redacted.make("a secret of the tests of gateways"), previous: [] },
    server: { ...Defaults.server, port: 0, log: { format: "json", level: "None" } },
    files
  }
  const running: Array<RunningGateway> = []
  return {
    configuration,
    emulator,
    start: async () => {
      const gateway = await Open.open({ configuration })
      const server = await Server.serve({ gateway, host: "127.0.0.1", port: 0, shutdownTimeout: 1_000 })
      const client = (user: (typeof users)[number]) =>
        new OpenAI({ apiKey: keyOf(user), baseURL: `${server.url}/v1`, maxRetries: 0 })
      let stopped = false
      const started: RunningGateway = {
        url: server.url,
        alice: client("alice"),
        bob: client("bob"),
        admin: client("admin"),
        stop: async () => {
          if (stopped) return
          stopped = true
          await server.stop()
          await gateway.close()
        }
      }
      running.push(started)
      return started
    },
    close: async () => {
      await Promise.all(running.map(({ stop }) => stop()))
      await emulator.close()
      await rm(directory, { recursive: true, force: true })
    }
  }
}
