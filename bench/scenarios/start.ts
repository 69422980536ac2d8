/** The built servers, as `npm start` and the package's command run them: until the first answer, and when idle. */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Bench, Scenario } from "../harness/Bench.ts"
import { pinned, serverCore, track } from "../harness/Child.ts"
import { listen } from "../harness/Loopback.ts"
import * as Memory from "../harness/Memory.ts"
import type { Row } from "../harness/Report.ts"
import { median } from "../harness/Statistics.ts"
import { authorization, toYaml } from "../servers/Installation.ts"

const root = resolve(import.meta.dirname, "../..")

interface Program {
  readonly label: string
  readonly directory: string
  /** The other one is not bundled: in the workspace it loads the sources of all packages, one by one. */
  readonly isBundled: boolean
}

const programs: ReadonlyArray<Program> = [
  { label: "koa server", directory: join(root, "apps/koa-server"), isBundled: true },
  { label: "standalone, from sources", directory: join(root, "apps/standalone"), isBundled: false }
]

const build = ({ directory }: Program): string => {
  const tsdown = join(root, "node_modules/.bin/tsdown")
  const { status, stderr, stdout } = spawnSync(tsdown, [], { cwd: directory, encoding: "utf8" })
  if (status !== 0) throw new Error(`${directory} cannot be built:\n${stdout}${stderr}`)
  return join(directory, "dist/main.mjs")
}

const freePort = async (): Promise<number> => {
  const server = createServer()
  const port = await listen(server)
  await new Promise((done) => server.close(done))
  return port
}

/** Milliseconds between two attempts to get an answer. */
const patience = 5
const longestStart = 30_000

/** Until the server counts as idle. */
const settling = 1_000

const firstAnswer = async (port: number, started: number): Promise<number> => {
  for (;;) {
    const elapsed = performance.now() - started
    if (elapsed > longestStart) throw new Error("The server does not answer")
    const status = await fetch(`http://127.0.0.1:${port}/v1/files`, { headers: { authorization } }).then(
      async (response) => {
        await response.arrayBuffer()
        return response.status
      },
      () => null
    )
    if (status === 200) return performance.now() - started
    if (status !== null) throw new Error(`The server answers with status ${status}`)
    await sleep(patience)
  }
}

interface Started {
  /** Seconds. */
  readonly time: number
  /** MB. */
  readonly idle: number
}

/** With an empty data directory, as at the very first start. */
const start = async (file: string, directory: string): Promise<Started> => {
  const port = await freePort()
  const config = join(directory, "omnifile.yaml")
  const [command = "", ...args] = pinned(serverCore, [process.execPath, file, "--config", config])
  const started = performance.now()
  const env = { ...process.env, PORT: String(port) }
  const server = track(spawn(command, args, { env, stdio: ["ignore", "ignore", "inherit"] }))
  try {
    const time = (await firstAnswer(port, started)) / 1000
    await sleep(settling)
    return { time, idle: await Memory.resident(server.pid ?? 0) }
  } finally {
    const ended = once(server, "exit")
    server.kill("SIGKILL")
    await ended
  }
}

const measure = async (bench: Bench, program: Program): Promise<Row> => {
  const { isBundled, label } = program
  const file = build(program)
  const rounds: Array<Started> = []
  for (let round = 0; round < Math.max(3, bench.options.effort.transferRounds); round++) {
    bench.say(`start/${label}`)
    const directory = await bench.makeDirectory()
    await writeFile(join(directory, "omnifile.yaml"), toYaml({ directory, upstreamPort: bench.upstream.port }))
    rounds.push(await start(file, directory))
    await rm(directory, { recursive: true })
  }
  const time = median(rounds.map((round) => round.time))
  const idle = median(rounds.map((round) => round.idle))
  return {
    case: "first start",
    server: label,
    figures: { time, idle },
    verdicts: isBundled
      ? [
          { what: "start", value: time, limit: 1, direction: "at most", unit: "s" },
          { what: "idle", value: idle, limit: 150, direction: "at most", unit: "MB" }
        ]
      : []
  }
}

export const scenario: Scenario = {
  name: "start",
  run: async (bench) => {
    if (bench.options.profile !== undefined) return []
    const rows: Array<Row> = []
    for (const program of programs) rows.push(await measure(bench, program))
    return [
      {
        title: "Start",
        note: "From the start of the process to the first authenticated answer, and resident memory a second later.",
        columns: [
          { key: "time", label: "first answer s", digits: 2 },
          { key: "idle", label: "idle MB", digits: 0 }
        ],
        rows
      }
    ]
  }
}
