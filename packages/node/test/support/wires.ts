/** One gateway in front of providers of several wires, an emulator each, under one model name a wire. */
import { Account, CallPolicy, defaultPolicy, Deployment } from "@omnifile/core/Account"
import type * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as Redacted from "effect/Redacted"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import OpenAI from "openai"
import * as Defaults from "../../src/config/Defaults.ts"
import * as Open from "../../src/Open.ts"
import * as Server from "../../src/Server.ts"

export interface Wire {
  /** The provider, the account and, unless it is given, the client's name for the model are called the same. */
  readonly name: string
  /** The provider's own name for the model. */
  readonly model: string
  /** The client's name for the model, where several wires serve the same one. */
  readonly modelName?: string
  /** How its calls get files. */
  readonly files?: "auto" | "inline"
  readonly start: (options: OpenAIEmulator.EmulatorOptions) => Promise<OpenAIEmulator.Emulator>
}

export interface Wires {
  readonly client: OpenAI
  readonly emulator: (wire: string) => OpenAIEmulator.Emulator
  readonly close: () => Promise<void>
}

const keyOf = (wire: string): string => `sk-key-of-${wire}`

const quick = new CallPolicy({ ...defaultPolicy, attempts: 1 })

export const install = async (wires: ReadonlyArray<Wire>): Promise<Wires> => {
  const directory = await mkdtemp(join(tmpdir(), "omnifile-wires-"))
  const emulators = new Map<string, OpenAIEmulator.Emulator>()
  for (const { name, start } of wires) {
    const accounts = [{ name, key: keyOf(name) }]
    // By the clock that a test may have set.
    emulators.set(name, await start({ accounts, stream: { intervalMs: 0 }, now: () => Date.now() }))
  }
  const emulator = (wire: string): OpenAIEmulator.Emulator => {
    const found = emulators.get(wire)
    if (found === undefined) throw new Error(`there is no emulator of ${wire}`)
    return found
  }
  const gateway = await Open.open({
    configuration: {
      accounts: wires.map(
        ({ files = "auto", name }) =>
          new Account({
            files,
            id: name,
            provider: name,
            baseUrl: emulator(name).baseUrl,
            apiKey: Redacted.make(keyOf(name)),
            headers: {},
            exclusive: true,
            policy: quick
          })
      ),
      deployments: wires.map(
        ({ model, modelName = "", name }) =>
          new Deployment({ id: `${name}-1`, account: name, modelName: modelName || name, model, weight: 1 })
      ),
      keys: [{ key: Redacted.make("sk-test-key-of-alice"), role: "user", user: "alice", team: null, models: ["*"] }],
      storage: {
        registry: { _tag: "Sqlite", filename: join(directory, "registry.db") },
        cache: "memory",
        content: { _tag: "Disk", directory: join(directory, "blobs") }
      },
      secret: { current: Redacted.make("a secret of the tests of wires"), previous: [] },
      server: { ...Defaults.server, port: 0, log: { format: "json", level: "None" } },
      files: {}
    }
  })
  const server = await Server.serve({ gateway, host: "127.0.0.1", port: 0, shutdownTimeout: 1_000 })
  return {
    client: new OpenAI({ apiKey: "sk-test-key-of-alice", baseURL: `${server.url}/v1`, maxRetries: 0 }),
    emulator,
    close: async () => {
      await server.stop()
      await gateway.close()
      await Promise.all([...emulators.values()].map(({ close }) => close()))
      await rm(directory, { recursive: true, force: true })
    }
  }
}
