/** The built servers, as `npm start` and the package's command run them: until the first answer, and when idle. */
import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Bench, Scenario } from "../harness/Bench.ts"
import * as Memory from "../harness/Memory.ts"
import * as Programs from "../harness/Program.ts"
import type { Row } from "../harness/Report.ts"
import { median } from "../harness/Statistics.ts"
import { toYaml } from "../servers/Installation.ts"

interface Program {
  readonly label: string
  readonly app: string
  /** The other one is not bundled: in the workspace it loads the sources of all packages, one by one. */
  readonly isBundled: boolean
}

const programs: ReadonlyArray<Program> = [
  { label: "koa server", app: "koa-server", isBundled: true },
  { label: "standalone, from sources", app: "standalone", isBundled: false }
]

/** Until the server counts as idle. */
const settling = 1_000

interface Started {
  /** Seconds. */
  readonly time: number
  /** MB. */
  readonly idle: number
}

/** With an empty data directory, as at the very first start. */
const start = async (file: string, directory: string): Promise<Started> => {
  const { pid, stop, time } = await Programs.start(file, join(directory, "omnifile.yaml"))
  try {
    await sleep(settling)
    return { time, idle: await Memory.resident(pid) }
  } finally {
    await stop("SIGKILL")
  }
}

const measure = async (bench: Bench, program: Program): Promise<Row> => {
  const { app, isBundled, label } = program
  const file = Programs.build(app)
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
