/** Uploads that are copied to one and to three accounts: time, CPU and memory. */
import { open, rm } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type Bench, type Scenario, startGateway } from "../harness/Bench.ts"
import * as Memory from "../harness/Memory.ts"
import type { Row, Section } from "../harness/Report.ts"
import { get } from "../harness/Requests.ts"
import { median } from "../harness/Statistics.ts"
import { authorization, models, providerKey } from "../servers/Installation.ts"

const MiB = 1024 * 1024
const GiB = 1024 * MiB

/** Bytes a second that each account takes where they are slow, as those on the other side of a network are. */
const slow = { a: 200e6, b: 150e6, c: 100e6 }
const slowest = "c"

interface Pace {
  readonly name: string
  readonly rates: Readonly<Record<string, number>>
}

const paces: ReadonlyArray<Pace> = [
  { name: "accounts at any rate", rates: {} },
  { name: "accounts at 200, 150 and 100 MB/s", rates: slow }
]

/** The time to put so many bytes on the disk, in seconds: written, and forced out of the machine's cache. */
const writeToDisk = async (directory: string, size: number): Promise<number> => {
  const path = join(directory, "disk")
  const chunk = Buffer.alloc(MiB, "omnifile")
  const started = performance.now()
  const file = await open(path, "wx")
  for (let left = size; left > 0; left -= chunk.length) await file.write(chunk, 0, Math.min(left, chunk.length))
  await file.sync()
  await file.close()
  const seconds = (performance.now() - started) / 1000
  await rm(path)
  return seconds
}

interface Uploaded {
  readonly seconds: number
  /** CPU seconds of the gateway. */
  readonly cpu: number
  /** Resident memory, in MB. */
  readonly idle: number
  readonly growth: number
}

/** By a gateway that has done nothing else before, so that memory is its own. */
const uploadToGateway = async (bench: Bench, size: number, accounts: ReadonlyArray<string>): Promise<Uploaded> => {
  const directory = await bench.makeDirectory()
  const server = await startGateway(bench, "standalone", directory)
  const modelNames = Object.entries(models).flatMap(([account, name]) => (accounts.includes(account) ? [name] : []))
  await bench.load.ask("define", { name: "first", requests: [get("/v1/models")] })
  const first = { port: server.port, requests: "first", concurrency: 1, streams: false, duration: 20 }
  await bench.load.ask("loop", first)
  await sleep(500)
  const idle = await Memory.resident(server.pid)
  await Memory.resetPeak(server.pid)
  const before = await server.ask("cpu", null)
  const { seconds } = await bench.load.ask("upload", {
    port: server.port,
    path: "/v1/files",
    authorization,
    fields: { purpose: "user_data", target_model_names: modelNames.join(",") },
    size
  })
  const cpu = ((await server.ask("cpu", null)) - before) / 1e6
  const growth = (await Memory.peak(server.pid)) - idle
  await server.stop()
  await rm(directory, { recursive: true })
  return { seconds, cpu, idle, growth }
}

const uploadDirectly = async ({ load, upstream }: Bench, size: number, account: string): Promise<number> => {
  const { seconds } = await load.ask("upload", {
    port: upstream.port,
    path: `/${account}/v1/files`,
    authorization: `Bearer ${providerKey}`,
    fields: { purpose: "user_data" },
    size
  })
  return seconds
}

interface Round {
  readonly copy: number
  readonly disk: number
  readonly uploaded: Uploaded
}

const smallestHeld = 256 * MiB
const time = { what: "time", limit: 1.3, direction: "at most", unit: "x" } as const
const memory = { what: "memory", limit: 120, direction: "at most", unit: "MB" } as const

const showSize = (size: number): string => (size >= GiB ? `${size / GiB} GiB` : `${size / MiB} MiB`)

const measure = async (
  bench: Bench,
  size: number,
  accounts: ReadonlyArray<string>,
  { name, rates }: Pace
): Promise<Row> => {
  const scratch = await bench.makeDirectory()
  await bench.upstream.ask("limitUploads", rates)
  const rounds: Array<Round> = []
  for (let round = 0; round < bench.options.effort.transferRounds; round++) {
    bench.say(`upload/${showSize(size)}/${accounts.length}, ${name}`)
    const copy = await uploadDirectly(bench, size, accounts.includes(slowest) ? slowest : "a")
    const disk = await writeToDisk(scratch, size)
    rounds.push({ copy, disk, uploaded: await uploadToGateway(bench, size, accounts) })
  }
  const medianOf = (pick: (round: Round) => number): number => median(rounds.map(pick))
  const ratio = medianOf(({ copy, disk, uploaded }) => uploaded.seconds / (copy + disk))
  const growth = medianOf(({ uploaded }) => uploaded.growth)
  const isHeld = accounts.length === 3
  return {
    case: `${showSize(size)}, ${name}`,
    server: `omnifile to ${accounts.length}`,
    figures: {
      wall: medianOf(({ uploaded }) => uploaded.seconds),
      copy: medianOf(({ copy }) => copy),
      disk: medianOf(({ disk }) => disk),
      ratio,
      cpu: medianOf(({ uploaded }) => uploaded.cpu) / (size / GiB),
      idle: medianOf(({ uploaded }) => uploaded.idle),
      growth
    },
    verdicts: [
      // A small upload is over before the server has compiled its code.
      ...(isHeld && size >= smallestHeld ? [{ ...time, value: ratio }] : []),
      ...(isHeld ? [{ ...memory, value: growth }] : [])
    ]
  }
}

export const scenario: Scenario = {
  name: "upload",
  run: async (bench): Promise<ReadonlyArray<Section>> => {
    if (bench.options.profile !== undefined) return []
    const rows: Array<Row> = []
    for (const size of bench.options.effort.uploads) {
      for (const pace of paces) {
        for (const accounts of pace.rates === slow ? [["a", "b", "c"]] : [["a"], ["a", "b", "c"]]) {
          rows.push(await measure(bench, size, accounts, pace))
        }
      }
    }
    await bench.upstream.ask("limitUploads", {})
    return [
      {
        title: "Uploads",
        note:
          "One upload by a gateway that was just started, SHA-256 and a copy of our own on the disk included. Slowest " +
          "copy: the same upload from the client straight to the slowest account. Disk: the same bytes written and " +
          "synced. Ratio: time over slowest copy plus disk. Memory: peak resident set over what it was before.",
        columns: [
          { key: "wall", label: "time s", digits: 2 },
          { key: "copy", label: "slowest copy s", digits: 2 },
          { key: "disk", label: "disk s", digits: 2 },
          { key: "ratio", label: "ratio", digits: 2 },
          { key: "cpu", label: "CPU s/GiB", digits: 2 },
          { key: "idle", label: "idle MB", digits: 0 },
          { key: "growth", label: "memory MB", digits: 0 }
        ],
        rows
      }
    ]
  }
}
