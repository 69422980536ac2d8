/**
 * Servers under the same closed loop of requests, in interleaved rounds: so many connections, each with its
 * next request as soon as the last was answered.
 */
import { fileURLToPath } from "node:url"
import type { Bench } from "./Bench.ts"
import type { Child } from "./Child.ts"
import * as Profile from "./Profile.ts"

export interface Subject {
  readonly label: string
  readonly server: Child
  /** Whole HTTP requests, sent in turn. */
  readonly requests: ReadonlyArray<Uint8Array>
}

export interface Conditions {
  readonly concurrency: number
  /** The answers are streams of events. */
  readonly streams?: boolean | undefined
}

/** What one server did in one round. Times in microseconds, CPU of the server's whole process. */
export interface Sample {
  readonly cpu: number
  readonly cpuPerEvent: number
  /** Requests a second. */
  readonly rate: number
  readonly p50: number
  readonly p99: number
  readonly eventP50: number
  readonly eventP99: number
}

export type Samples = ReadonlyMap<string, ReadonlyArray<Sample>>

/** Before each window, in milliseconds: what other servers did meanwhile has emptied caches. */
const lead = 50

/** So that slow requests do not take forever to warm a server up; in windows. */
const longestWarmUp = 40

const profileDirectory = fileURLToPath(new URL("../.profiles", import.meta.url))

const rotate = <A>(items: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const start = by % Math.max(1, items.length)
  return [...items.slice(start), ...items.slice(0, start)]
}

/** The samples of each subject by its label, in the order of the rounds; none in a run for profiles. */
export const compare = async (
  { load, options, say }: Bench,
  name: string,
  subjects: ReadonlyArray<Subject>,
  { concurrency, streams = false }: Conditions
): Promise<Samples> => {
  const { rounds, warmUp, window } = options.effort
  const samples = new Map(subjects.map(({ label }) => [label, [] as Array<Sample>]))
  if (!name.startsWith(options.profile ?? options.cases)) return samples
  say(`${name}, concurrency ${concurrency}`)

  const setOf = ({ label }: Subject): string => `${name} ${label}`
  const run = (subject: Subject, duration: number) =>
    load.ask("loop", { port: subject.server.port, requests: setOf(subject), concurrency, streams, duration })

  for (const subject of subjects) {
    await load.ask("define", { name: setOf(subject), requests: subject.requests })
    for (let windows = 0, count = 0; windows < longestWarmUp && count < warmUp; windows++) {
      const result = await run(subject, window)
      count += streams ? result.events : result.count
    }
  }
  if (options.profile !== undefined) {
    for (const subject of subjects) {
      await subject.server.ask("startProfile", null)
      const { count } = await run(subject, 10 * window)
      await Profile.save(profileDirectory, `${name}-${concurrency}`, subject, count)
    }
    return samples
  }
  for (let round = 0; round < rounds; round++) {
    for (const subject of rotate(subjects, round)) {
      await run(subject, lead)
      const before = await subject.server.ask("cpu", null)
      const result = await run(subject, window)
      const cpu = (await subject.server.ask("cpu", null)) - before
      samples.get(subject.label)?.push({
        cpu: cpu / result.count,
        cpuPerEvent: cpu / result.events,
        rate: result.count / result.seconds,
        p50: result.latency.p50,
        p99: result.latency.p99,
        eventP50: result.eventDelay.p50,
        eventP99: result.eventDelay.p99
      })
    }
  }
  return samples
}
