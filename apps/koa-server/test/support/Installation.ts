/**
 * An installation as an operator would have it: a directory with a configuration file, several accounts at
 * emulated providers, keys for several callers. Servers are started on it, also several at once.
 */
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import OpenAI from "openai"
import * as ServerProcess from "./ServerProcess.ts"

/** A client key as the configuration has it. */
export interface Key {
  readonly key: string
  readonly user?: string
  readonly team?: string
  readonly role?: "admin" | "user"
  readonly models?: ReadonlyArray<string>
  readonly limits?: Readonly<Record<string, unknown>>
}

interface Deployment {
  readonly account: string
  readonly model: string
  readonly id?: string
  readonly weight?: number
}

export interface Options {
  /** Each with a model of its own name. Default: alpha, beta, gamma. */
  readonly accounts?: ReadonlyArray<string>
  /** More fields for each account. */
  readonly account?: (id: string) => Readonly<Record<string, unknown>>
  /** Models beside those of the accounts: from name to deployments. */
  readonly models?: Readonly<Record<string, ReadonlyArray<Deployment>>>
  readonly keys?: Readonly<Record<string, Key>>
  /** More sections of the configuration, or others in the place of the usual ones. */
  readonly settings?: Readonly<Record<string, unknown>>
  readonly emulator?: Partial<Omit<OpenAIEmulator.EmulatorOptions, "accounts">>
  readonly stream?: OpenAIEmulator.StreamShape
}

export interface Installation {
  readonly directory: string
  /** Where the registry, the secret and the content are. */
  readonly data: string
  readonly emulator: OpenAIEmulator.Emulator
  readonly accounts: ReadonlyArray<string>
  readonly keys: Readonly<Record<string, Key>>
  /** What the configuration file says. */
  readonly configuration: Readonly<Record<string, unknown>>
  readonly start: (command?: Partial<ServerProcess.Command>) => Promise<ServerProcess.ServerProcess>
  /** The official client, which does not retry. Default: alice's. */
  readonly client: (server: { readonly url: string }, who?: string) => OpenAI
  /** Any request, with a key. Default: alice's. */
  readonly call: (server: { readonly url: string }, path: string, call?: Call) => Promise<Response>
  /** Kills what still runs and removes the directory. */
  readonly close: () => Promise<void>
}

export interface Call extends RequestInit {
  readonly who?: string
  readonly duplex?: "half"
}

/** The credentials of an account at its provider. */
export const providerKey = (account: string): string => `sk-provider-${account}-5d41402abc4b2a76`

const defaultKeys: Readonly<Record<string, Key>> = {
  admin: { key: "sk-client-admin-0cc175b9c0f1b6a8", role: "admin" },
  alice: { key: "sk-client-alice-92eb5ffee6ae2fec", user: "alice" },
  bob: { key: "sk-client-bob-4a8a08f09d37b737", user: "bob" },
  someKey: { key: "sk-client-some-8277e0910d750195" },
  otherKey: { key: "sk-client-other-e1671797c52e15f7" }
}

/** Milliseconds: machines that run these tests can be busy. */
const patience = 20_000

export const open = async (options: Options = {}): Promise<Installation> => {
  const { account, accounts = ["alpha", "beta", "gamma"], keys = defaultKeys, models = {}, settings, stream } = options
  const directory = mkdtempSync(join(tmpdir(), "omnifile-server-"))
  const data = join(directory, "data")
  const started = await OpenAIEmulator.start({
    ...options.emulator,
    accounts: accounts.map((name) => ({ name, key: providerKey(name), stream }))
  })
  const emulator: OpenAIEmulator.Emulator = {
    ...started,
    waitFor: (predicate, timeoutMs = patience) => started.waitFor(predicate, timeoutMs)
  }
  const configuration = {
    accounts: accounts.map((id) => ({
      id,
      provider: "openai",
      base_url: emulator.baseUrl,
      api_key: providerKey(id),
      ...account?.(id)
    })),
    models: [
      ...accounts.map((name) => ({ name, deployments: [{ account: name, model: `provider-${name}` }] })),
      ...Object.entries(models).map(([name, deployments]) => ({ name, deployments }))
    ],
    keys: Object.values(keys),
    storage: { registry: `sqlite:${data}/omnifile.db`, content: `file:${data}/blobs` },
    server: { port: 0 },
    ...settings
  }
  const file = join(directory, "omnifile.yaml")
  // Every JSON text is YAML.
  writeFileSync(file, JSON.stringify(configuration, null, 2))

  const keyOf = (who: string): string => {
    const found = keys[who]
    if (found === undefined) throw new Error(`there is no key of ${who}`)
    return found.key
  }
  const running: Array<ServerProcess.ServerProcess> = []
  return {
    directory,
    data,
    emulator,
    accounts,
    keys,
    configuration,
    start: async (command) => {
      const server = await ServerProcess.start({ directory, args: ["--config", file], ...command })
      running.push(server)
      return server
    },
    client: ({ url }, who = "alice") => new OpenAI({ apiKey: keyOf(who), baseURL: `${url}/v1`, maxRetries: 0 }),
    call: ({ url }, path, { who = "alice", headers, ...call } = {}) =>
      fetch(url + path, { ...call, headers: { authorization: `Bearer ${keyOf(who)}`, ...headers } }),
    close: async () => {
      await Promise.all(running.map((server) => server.kill()))
      await emulator.close()
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

/** Undefined for what a server has removed meanwhile. */
const contentOf = (path: string): Buffer | undefined => {
  try {
    return readFileSync(path)
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined
    throw cause
  }
}

/** Every file under a directory, with its path from there. */
export const filesIn = (directory: string): ReadonlyArray<{ readonly path: string; readonly content: Buffer }> =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ name, parentPath }) => {
      const content = contentOf(join(parentPath, name))
      return content === undefined ? [] : [{ path: join(relative(directory, parentPath), name), content }]
    })
