/** Chat completions: what a request costs the server, with and without managed files in its body. */
import { type Bench, type Scenario, startFramework } from "../harness/Bench.ts"
import { compare, type Sample, type Samples, type Subject } from "../harness/ClosedLoop.ts"
import type { Column, Row, Section, Verdict } from "../harness/Report.ts"
import { chat } from "../harness/Requests.ts"
import { median, medianOfPairs } from "../harness/Statistics.ts"
import { direct, startTargets, type Target } from "./Targets.ts"

interface Body {
  readonly name: string
  readonly size: number
  readonly messages: number
}

const KiB = 1024
const small: Body = { name: "1 KiB", size: KiB, messages: 1 }
const oneText: Body = { name: "100 KiB, one text", size: 100 * KiB, messages: 1 }
const manyMessages: Body = { name: "100 KiB, 300 messages", size: 100 * KiB, messages: 300 }

const subjectsFor = (targets: ReadonlyArray<Target>, body: Body, ids: number): ReadonlyArray<Subject> =>
  targets.map(({ files, label, server }) => ({
    label,
    server,
    requests: [chat({ ...body, files: files.slice(0, ids) })]
  }))

const medianCpu = (samples: ReadonlyArray<Sample>): number => median(samples.map(({ cpu }) => cpu))

const cpuColumns: ReadonlyArray<Column> = [
  { key: "cpu", label: "CPU us/request", digits: 1 },
  { key: "rate", label: "requests/s", digits: 0 },
  { key: "ratio", label: "CPU ratio", digits: 2 }
]

/** What each framework costs by itself, in microseconds a request. */
type FrameworkCosts = ReadonlyMap<string, number>

const frameworks = ["none", "koa", "express"] as const

const measureFrameworks = async (bench: Bench): Promise<readonly [Section, FrameworkCosts]> => {
  const subjects: Array<Subject> = []
  for (const framework of frameworks) {
    const label = framework === "none" ? "node:http" : framework
    const server = await startFramework(bench, framework)
    subjects.push({ label, server, requests: [chat({ ...small, files: [] })] })
  }
  const samples = await compare(bench, "framework/1 KiB", subjects, { concurrency: 16 })
  const reference = samples.get("node:http") ?? []
  const costs = new Map<string, number>()
  const rows = [...samples].map(([label, own]): Row => {
    const over = medianOfPairs(own, reference, (sample, bare) => sample.cpu - bare.cpu)
    costs.set(label, over)
    return {
      case: small.name,
      server: label,
      figures: { cpu: medianCpu(own), rate: median(own.map(({ rate }) => rate)), over }
    }
  })
  const section: Section = {
    title: "Frameworks by themselves",
    note: "The same answer from memory, through one middleware, at concurrency 16.",
    columns: [...cpuColumns.slice(0, 2), { key: "over", label: "us over node:http", digits: 1 }],
    rows
  }
  return [section, costs]
}

const verdictsFor = (label: string, ids: number, samples: Samples, costs: FrameworkCosts): ReadonlyArray<Verdict> => {
  const own = samples.get(label) ?? []
  const framework = /^omnifile, (koa|express)$/.exec(label)?.[1]
  if (label === "omnifile, standalone" && ids === 3) {
    const value = medianOfPairs(own, samples.get("pass-through") ?? [], (sample, other) => sample.cpu / other.cpu)
    return [{ what: "CPU", value, limit: 1.5, direction: "at most", unit: "x" }]
  }
  if (framework === undefined) return []
  const alone = samples.get("omnifile, standalone") ?? []
  const value = medianOfPairs(own, alone, (sample, other) => sample.cpu - other.cpu)
  const limit = (costs.get(framework) ?? 0) + 10
  return [{ what: "over standalone", value, limit, direction: "at most", unit: "us" }]
}

const measureCpu = async (bench: Bench, targets: ReadonlyArray<Target>, costs: FrameworkCosts): Promise<Section> => {
  const { thorough } = bench.options.effort
  const rows: Array<Row> = []
  for (const body of [small, oneText, manyMessages]) {
    for (const ids of thorough ? [0, 1, 3] : [0, 3]) {
      // What a framework adds does not depend on the body.
      const compared = body === small && (thorough || ids === 3) ? targets : targets.slice(0, 2)
      const name = `chat/${body.name}/${ids}`
      const samples = await compare(bench, name, subjectsFor(compared, body, ids), { concurrency: 16 })
      const reference = samples.get("pass-through") ?? []
      for (const [label, own] of samples) {
        rows.push({
          case: `${body.name}, ${ids} IDs`,
          server: label,
          figures: {
            cpu: medianCpu(own),
            rate: median(own.map(({ rate }) => rate)),
            ratio: medianOfPairs(own, reference, (sample, other) => sample.cpu / other.cpu)
          },
          verdicts: body === small || label === "omnifile, standalone" ? verdictsFor(label, ids, samples, costs) : []
        })
      }
    }
  }
  return {
    title: "Chat: CPU",
    note: "CPU time of the server's process a request, at concurrency 16, against the pass-through proxy.",
    columns: cpuColumns,
    rows
  }
}

const millis = (micros: number): number => micros / 1000

const measureLatency = async (bench: Bench, targets: ReadonlyArray<Target>): Promise<Section> => {
  const subjects = subjectsFor(targets, small, 3)
  const samples = await compare(bench, "chat-latency/1 KiB/3", [direct(bench, subjects), ...subjects], {
    concurrency: 1
  })
  const rows = [...samples].map(([server, own]): Row => {
    const over = (other: string, pick: (sample: Sample) => number): number =>
      millis(medianOfPairs(own, samples.get(other) ?? [], (sample, reference) => pick(sample) - pick(reference)))
    const overPassThrough = over("pass-through", ({ p50 }) => p50)
    return {
      case: "1 KiB, 3 IDs",
      server,
      figures: {
        p50: millis(median(own.map(({ p50 }) => p50))),
        p99: millis(median(own.map(({ p99 }) => p99))),
        addedP50: over("no proxy", ({ p50 }) => p50),
        addedP99: over("no proxy", ({ p99 }) => p99),
        overPassThrough
      },
      verdicts:
        server === "omnifile, standalone"
          ? [{ what: "p50 over pass-through", value: overPassThrough, limit: 0.3, direction: "at most", unit: "ms" }]
          : []
    }
  })
  return {
    title: "Chat: latency",
    note: "One request at a time, from its first byte to the last of the answer; added: over no proxy at all.",
    columns: [
      { key: "p50", label: "p50 ms", digits: 3 },
      { key: "p99", label: "p99 ms", digits: 3 },
      { key: "addedP50", label: "added p50 ms", digits: 3 },
      { key: "addedP99", label: "added p99 ms", digits: 3 },
      { key: "overPassThrough", label: "p50 over pass-through ms", digits: 3 }
    ],
    rows
  }
}

export const scenario: Scenario = {
  name: "chat",
  run: async (bench) => {
    const targets = await startTargets(bench)
    const [frameworkSection, costs] = await measureFrameworks(bench)
    return [frameworkSection, await measureCpu(bench, targets, costs), await measureLatency(bench, targets)]
  }
}
