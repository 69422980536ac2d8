/** A gateway over one emulated account of a provider, and a user of it. */
import { Account, defaultPolicy, Deployment } from "@omnifile/core/Account"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import type { Emulator } from "@omnifile/testkit/OpenAIEmulator"
import * as Redacted from "effect/Redacted"
import OpenAI, { toFile } from "openai"
import type { Configuration } from "../../src/config/Configuration.ts"
import * as Open from "../../src/Open.ts"

/** The key of the account `main`, which the emulator has to know. */
export const account = { name: "main", key: "vendor-key" } as const

export interface Vendor {
  readonly client: OpenAI
  readonly upload: (content: string, purpose?: OpenAI.FilePurpose, filename?: string) => Promise<OpenAI.FileObject>
  /** What is known of the copies of a file. */
  readonly replicas: (id: string) => Promise<ReadonlyArray<{ readonly account: string; readonly state: string }>>
  readonly close: () => Promise<void>
}

interface Options extends Partial<ConstructorParameters<typeof Account>[0]> {
  readonly provider: string
  /** What the account calls the model `model`. */
  readonly model?: string
  readonly identities?: Pick<Configuration, "aws" | "google">
}

export const make = async (
  emulator: Pick<Emulator, "baseUrl" | "close">,
  { identities = {}, model = "provider-model", ...options }: Options
): Promise<Vendor> => {
  const gateway = await Open.open({
    configuration: {
      ...identities,
      accounts: [
        new Account({
          id: account.name,
          baseUrl: emulator.baseUrl,
          apiKey: Redacted.make(account.key),
          headers: {},
          exclusive: false,
          policy: defaultPolicy,
          ...options
        })
      ],
      deployments: [new Deployment({ id: "one", account: account.name, modelName: "model", model, weight: 1 })],
      keys: [{ key: Redacted.make("sk-alice"), role: "user", user: "alice", team: null, models: ["*"] }],
      files: {},
      secret: { current: Redacted.make("a secret of these tests"), previous: [] },
      storage: { registry: { _tag: "Memory" }, cache: "memory", content: { _tag: "Memory" } },
      server: {
        host: "127.0.0.1",
        port: 0,
        maxBodySize: 64 * 1024 * 1024,
        shutdownTimeout: 1_000,
        log: { format: "json", level: "None" }
      }
    }
  })
  const host = await HostSuite.listen((request, response) => void gateway.node(request, response))
  const client = new OpenAI({ apiKey: "sk-alice", baseURL: `${host.url}/v1`, maxRetries: 0 })
  return {
    client,
    upload: async (content, purpose = "user_data", filename = "notes.txt") => {
      const target = { target_model_names: "model" }
      return client.files.create({ file: await toFile(Buffer.from(content), filename), purpose, ...target })
    },
    replicas: async (id) => {
      const { data } = (await client.get(`/files/${id}/replicas`)) as Awaited<{
        data: ReadonlyArray<{ readonly account: string; readonly state: string }>
      }>
      return data
    },
    close: async () => {
      await host.stop()
      await gateway.close()
      await emulator.close()
    }
  }
}
