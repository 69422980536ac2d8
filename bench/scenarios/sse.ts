/** Streamed chat completions: what an event costs the server, and how much longer it is on its way. */
import type { Bench, Scenario } from "../harness/Bench.ts"
import { compare, type Sample, type Subject } from "../harness/ClosedLoop.ts"
import type { Row, Section } from "../harness/Report.ts"
import { chat } from "../harness/Requests.ts"
import { median, medianOfPairs } from "../harness/Statistics.ts"
import { direct, startTargets } from "./Targets.ts"

const events = 200
/** Long enough that events do not run together even where the machine is busy. */
const gap = 2

const millis = (micros: number): number => micros / 1000

const measureCpu = async (bench: Bench, subjects: ReadonlyArray<Subject>): Promise<Section> => {
  const samples = await compare(bench, "sse/cpu", subjects, { concurrency: 16, streams: true })
  const reference = samples.get("pass-through") ?? []
  const rows = [...samples].map(([server, own]): Row => {
    const ratio = medianOfPairs(own, reference, (sample, other) => sample.cpuPerEvent / other.cpuPerEvent)
    return {
      case: `${events} events`,
      server,
      figures: { cpu: median(own.map(({ cpuPerEvent }) => cpuPerEvent)), ratio },
      verdicts:
        server === "omnifile, standalone"
          ? [{ what: "CPU", value: ratio, limit: 1.5, direction: "at most", unit: "x" }]
          : []
    }
  })
  return {
    title: "Server-sent events: CPU",
    note:
      `CPU time of the server's process an event of about 150 bytes, its share of the request included: ` +
      `16 streams of ${events} events, one every ${gap} ms in each, against the pass-through proxy.`,
    columns: [
      { key: "cpu", label: "CPU us/event", digits: 1 },
      { key: "ratio", label: "CPU ratio", digits: 2 }
    ],
    rows
  }
}

const measureDelay = async (bench: Bench, subjects: ReadonlyArray<Subject>): Promise<Section> => {
  const compared = [direct(bench, subjects), ...subjects]
  const samples = await compare(bench, "sse/delay", compared, { concurrency: 1, streams: true })
  const reference = samples.get("no proxy") ?? []
  const rows = [...samples].map(([server, own]): Row => {
    const added = (pick: (sample: Sample) => number): number =>
      millis(medianOfPairs(own, reference, (sample, other) => pick(sample) - pick(other)))
    const addedP50 = added(({ eventP50 }) => eventP50)
    return {
      case: `${events} events`,
      server,
      figures: {
        p50: millis(median(own.map(({ eventP50 }) => eventP50))),
        p99: millis(median(own.map(({ eventP99 }) => eventP99))),
        addedP50,
        addedP99: added(({ eventP99 }) => eventP99)
      },
      verdicts: server.startsWith("omnifile")
        ? [{ what: "added p50", value: addedP50, limit: 0.3, direction: "at most", unit: "ms" }]
        : []
    }
  })
  return {
    title: "Server-sent events: delay",
    note: "One stream at a time: from the upstream's write of an event to its arrival; added: over no proxy at all.",
    columns: [
      { key: "p50", label: "p50 ms", digits: 3 },
      { key: "p99", label: "p99 ms", digits: 3 },
      { key: "addedP50", label: "added p50 ms", digits: 3 },
      { key: "addedP99", label: "added p99 ms", digits: 3 }
    ],
    rows
  }
}

export const scenario: Scenario = {
  name: "sse",
  run: async (bench) => {
    await bench.upstream.ask("shapeStreams", { events, gap })
    const targets = await startTargets(bench, bench.options.effort.thorough ? undefined : ["standalone"])
    const subjects = targets.map(({ files, label, server }): Subject => ({
      label,
      server,
      requests: [chat({ size: 1024, messages: 1, files, stream: true })]
    }))
    return [await measureCpu(bench, subjects), await measureDelay(bench, subjects)]
  }
}
