/** A campaign: clients at work while servers, databases and providers fail; then the books are compared. */
import { eventually } from "../support/eventually.ts"
import type { LogEntry } from "../support/ServerProcess.ts"
import * as Books from "./Books.ts"
import * as Clients from "./Clients.ts"
import * as Cluster from "./Cluster.ts"
import { type Disturbance, disturbanceAt, operationAt } from "./Schedule.ts"

export interface Options {
  readonly seed: number
  readonly operations: number
  readonly servers: number
  /** How many operations are under way at the same time. */
  readonly concurrency: number
  /** How often something goes wrong, 1 being the usual. */
  readonly intensity?: number | undefined
  /** What goes wrong before which operation. Default: as the seed says. */
  readonly disturbances?: ((number: number) => Disturbance | undefined) | undefined
  readonly say: (text: string) => void
}

export interface Report {
  /** Everything in which the books differ; empty: nothing was lost, and nothing is there that should not be. */
  readonly differences: ReadonlyArray<string>
  /** What the servers have logged as errors, for whoever looks for the reason of a difference. */
  readonly errors: ReadonlyArray<LogEntry>
  readonly operations: ReadonlyMap<string, number>
  readonly disturbances: ReadonlyMap<string, number>
  readonly totals: Readonly<Record<string, number>>
  readonly seconds: number
  /** From the last operation until everything had settled. */
  readonly recoverySeconds: number
}

/** How long the servers have to put in order what was left. */
const patience = 180

const names: Readonly<Record<Exclude<Disturbance["_tag"], "Provider">, string>> = {
  Kill: "servers killed",
  Pause: "servers paused for 8 s",
  RestartPostgres: "restarts and crashes of Postgres",
  RestartRedis: "crashes of Redis",
  FlushRedis: "Redis emptied"
}

export const run = async (options: Options): Promise<Report> => {
  const { concurrency, intensity, operations, say, seed, servers } = options
  const { disturbances: disturbanceOf = (number: number) => disturbanceAt(seed, number, intensity) } = options
  const begun = performance.now()
  const secondsSince = (moment: number): number => Math.round((performance.now() - moment) / 100) / 10
  const cluster = await Cluster.open(servers)
  try {
    say(`${servers} servers run after ${secondsSince(begun)} s`)
    const clients = Clients.make(cluster, seed)
    const counts = new Map<string, number>()
    let disturbing = Promise.resolve()
    const failures: Array<unknown> = []
    let next = 0
    const work = async (): Promise<void> => {
      while (next < operations) {
        const number = next++
        const disturbance = disturbanceOf(number)
        if (disturbance?._tag === "Provider") await cluster.disturb(disturbance)
        else if (disturbance !== undefined) {
          counts.set(names[disturbance._tag], (counts.get(names[disturbance._tag]) ?? 0) + 1)
          // One at a time, while the clients go on.
          disturbing = disturbing
            .then(() => cluster.disturb(disturbance))
            .catch((cause: unknown) => void failures.push(cause))
        }
        await clients.perform(number, operationAt(seed, number))
        if (number % 100 === 99) say(`${number + 1} operations after ${secondsSince(begun)} s`)
      }
    }
    await Promise.all(Array.from({ length: concurrency }, work))
    await disturbing
    if (failures.length > 0) throw failures[0]
    cluster.calm()
    const ended = performance.now()
    const books = Books.open(cluster, clients)
    let differences: ReadonlyArray<string> = []
    const hasSettled = async (): Promise<boolean> => {
      differences = await books.open()
      return differences.length === 0
    }
    const settled = eventually(hasSettled, { what: "all has settled", seconds: patience, milliseconds: 500 })
    await settled.catch(() => {})
    const recoverySeconds = secondsSince(ended)
    const totals = await books.totals()
    differences = [...differences, ...(await books.broken())]
    await books.close()
    return {
      differences,
      errors: cluster.logs().filter(({ level }) => level === "ERROR"),
      operations: clients.counts,
      disturbances: new Map([...counts, ...cluster.failedCalls()]),
      totals,
      seconds: secondsSince(begun),
      recoverySeconds
    }
  } finally {
    await cluster.close()
  }
}
