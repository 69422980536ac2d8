/** Several servers on one Postgres, one Redis and one directory of content, and what may be done to them. */
import * as PostgresServer from "@omnifile/testkit/servers/PostgresServer"
import * as RedisServer from "@omnifile/testkit/servers/RedisServer"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { connect } from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import type OpenAI from "openai"
import * as Installation from "../support/Installation.ts"
import type { LogEntry, ServerProcess } from "../support/ServerProcess.ts"
import { accounts, type Disturbance } from "./Schedule.ts"

export interface Cluster {
  readonly installation: Installation.Installation
  /** `postgres://…`, of the registry. */
  readonly database: string
  readonly schema: string
  readonly size: number
  /** The official client of a server that runs, the given one if it does. */
  readonly client: (server: number) => Promise<OpenAI>
  /** Does it, and resolves when all runs again. */
  readonly disturb: (disturbance: Disturbance) => Promise<void>
  /** How many calls met each kind of a provider's failure. */
  readonly failedCalls: () => ReadonlyMap<string, number>
  /** No provider fails any more. */
  readonly calm: () => void
  /** What all servers have logged, those that are gone included. */
  readonly logs: () => ReadonlyArray<LogEntry>
  readonly close: () => Promise<void>
}

/** Longer than an instance is believed to live without a word. */
const pauseMillis = 8_000

/** On one of the servers, files beyond this many bytes do not fit on the disk. */
const smallDisk = 1_000_000

/** Seconds: what a campaign is about is not how busy the machine is. */
const startPatience = 120

const flush = async (url: string): Promise<void> => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, "connect")
  socket.write("FLUSHALL\r\n")
  await once(socket, "data")
  socket.destroy()
}

const settings = (database: string, redis: string | undefined) => ({
  storage: { registry: database, content: "file:./data/blobs" },
  secret: randomUUID() + randomUUID(),
  limits: { key: { requests_per_minute: 1_000_000 }, ...(redis === undefined ? {} : { store: redis }) },
  jobs: { poll_interval: "1s", claim_ttl: "10s" }
})

/** Rejects with what has been started closed again. */
export const open = async (size: number): Promise<Cluster> => {
  const opened: Array<() => Promise<void>> = []
  const close = async (): Promise<void> => {
    for (const end of opened.toReversed()) await end()
  }
  try {
    return await openAll(size, opened, close)
  } catch (cause) {
    await close()
    throw cause
  }
}

const openAll = async (size: number, opened: Array<() => Promise<void>>, close: Cluster["close"]): Promise<Cluster> => {
  const postgres = await PostgresServer.start()
  opened.push(postgres.stop)
  const redis = await RedisServer.startOrReport("Redis in the campaign")
  if (redis !== null) opened.push(redis.stop)
  const schema = "campaign"
  const database = `${postgres.url}?schema=${schema}`
  const installation = await Installation.open({
    accounts,
    account: () => ({
      exclusive: true,
      timeouts: { connect: "3s", headers: "4s", idle: "3s", upload: "10s" }
    }),
    emulator: { journal: { maxEntries: 1_000 } },
    settings: settings(database, redis?.url)
  })
  opened.push(installation.close)
  for (const account of accounts) installation.emulator.setBatches(account, { pollsPerStep: 1 })
  const faults: Array<{ readonly name: string; readonly hits: () => number }> = []
  const servers: Array<ServerProcess | undefined> = []
  const started: Array<ServerProcess> = []
  const start = async (index: number): Promise<void> => {
    const server = await installation.start({
      patience: startPatience,
      fileSizeLimit: index === 0 && size > 1 ? smallDisk : undefined
    })
    servers[index] = server
    started.push(server)
  }
  // One by one: what a machine can take differs.
  for (let index = 0; index < size; index++) await start(index)

  const client: Cluster["client"] = async (wanted) => {
    for (;;) {
      for (let step = 0; step < size; step++) {
        const server = servers[(wanted + step) % size]
        if (server !== undefined) return installation.client(server).withOptions({ timeout: 60_000 })
      }
      await pause(20)
    }
  }

  const disturb: Cluster["disturb"] = async (disturbance) => {
    switch (disturbance._tag) {
      case "Kill": {
        const index = disturbance.server % size
        const server = servers[index]
        if (server === undefined) return
        servers[index] = undefined
        await server.kill()
        return start(index)
      }
      case "Pause": {
        const server = servers[disturbance.server % size]
        if (server === undefined) return
        server.send("SIGSTOP")
        await pause(pauseMillis)
        return server.send("SIGCONT")
      }
      case "RestartPostgres":
        await postgres.halt(disturbance.how)
        return postgres.resume()
      case "RestartRedis":
        await redis?.kill()
        return redis?.restart()
      case "FlushRedis":
        return redis === null ? undefined : flush(redis.url)
      case "Provider": {
        const { account, kind, route, times } = disturbance
        const name = `calls of ${route} that met ${Object.keys(kind)[0]}`
        faults.push({ name, hits: installation.emulator.fault({ account, kind, route, times }).hits })
        return
      }
    }
  }

  return {
    installation,
    database: postgres.url,
    schema,
    size,
    client,
    disturb,
    failedCalls: () => {
      const counts = new Map<string, number>()
      for (const { hits, name } of faults) if (hits() > 0) counts.set(name, (counts.get(name) ?? 0) + hits())
      return counts
    },
    calm: installation.emulator.clearFaults,
    logs: () => started.flatMap((server) => server.logs()),
    close
  }
}
