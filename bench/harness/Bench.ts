/** What scenarios share: the processes on the other core, a directory, and the servers that they start. */
import { rmSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { LoadCommands } from "../processes/load.ts"
import type { UpstreamCommands } from "../processes/upstream.ts"
import type { FrameworkOptions } from "../references/framework.ts"
import type { PassthroughOptions } from "../references/passthrough.ts"
import type { GatewayOptions } from "../servers/gateway.ts"
import { providerKey } from "../servers/Installation.ts"
import { Child, loadCore, serverCore } from "./Child.ts"
import type { Options } from "./Options.ts"
import type { Section } from "./Report.ts"

export interface Bench {
  readonly options: Options
  readonly load: Child<LoadCommands>
  readonly upstream: Child<UpstreamCommands>
  /** Tells what is going on. */
  readonly say: (text: string) => void
  /** A new directory, which is gone when the scenario has ended. */
  readonly makeDirectory: () => Promise<string>
  /** Starts a server, which ends with the scenario. */
  readonly start: (module: string, options: unknown) => Promise<Child>
}

export interface Scenario {
  readonly name: string
  readonly run: (bench: Bench) => Promise<ReadonlyArray<Section>>
}

export const startPassthrough = (bench: Bench): Promise<Child> => {
  const options: PassthroughOptions = {
    origin: `http://127.0.0.1:${bench.upstream.port}`,
    basePath: "/a",
    authorization: `Bearer ${providerKey}`
  }
  return bench.start("references/passthrough.ts", options)
}

export const startFramework = (bench: Bench, framework: FrameworkOptions["framework"]): Promise<Child> =>
  bench.start("references/framework.ts", { framework } satisfies FrameworkOptions)

/** A gateway over what is in a directory; a new one unless it is given. */
export const startGateway = async (
  bench: Bench,
  host: GatewayOptions["host"] = "standalone",
  directory?: string
): Promise<Child> => {
  const options: GatewayOptions = {
    host,
    directory: directory ?? (await bench.makeDirectory()),
    upstreamPort: bench.upstream.port
  }
  return bench.start("servers/gateway.ts", options)
}

/** What is still on the disk, should the run end before it is removed. */
const written = new Set<string>()
process.on("exit", () => {
  for (const directory of written) rmSync(directory, { recursive: true, force: true })
})

/** Runs scenarios one after the other. What each has started and written is gone before the next. */
export const runAll = async (
  scenarios: ReadonlyArray<Scenario>,
  options: Options,
  say: (text: string) => void,
  onSection: (section: Section) => void
): Promise<void> => {
  const load = await Child.start<LoadCommands>({ module: "processes/load.ts", options: null, core: loadCore })
  const upstream = await Child.start<UpstreamCommands>({
    module: "processes/upstream.ts",
    options: null,
    core: loadCore
  })
  for (const scenario of scenarios) {
    const servers: Array<Child> = []
    const directories: Array<string> = []
    const bench: Bench = {
      options,
      load,
      upstream,
      say,
      makeDirectory: async () => {
        const directory = await mkdtemp(join(tmpdir(), "omnifile-bench-"))
        directories.push(directory)
        written.add(directory)
        return directory
      },
      start: async (module, options) => {
        const server = await Child.start({ module, options, core: serverCore })
        servers.push(server)
        return server
      }
    }
    try {
      for (const section of await scenario.run(bench)) onSection(section)
    } finally {
      await Promise.all(servers.map((server) => server.stop()))
      await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })))
    }
  }
  await Promise.all([load.stop(), upstream.stop()])
}
