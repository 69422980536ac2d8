/** Pages of a list, from registries of different sizes. */
import { type Scenario, startGateway } from "../harness/Bench.ts"
import { compare, type Subject } from "../harness/ClosedLoop.ts"
import type { Row } from "../harness/Report.ts"
import { get } from "../harness/Requests.ts"
import { median, medianOfPairs } from "../harness/Statistics.ts"
import { seed, type Seeded } from "./Seeding.ts"

const pageSize = 100
const places = 10

/** The first page, and others from all over the list. */
const pagesOf = ({ ids }: Seeded): ReadonlyArray<Uint8Array> =>
  ["", ...ids.slice(1).map((id) => `&after=${id}`)].map((after) => get(`/v1/files?limit=${pageSize}${after}`))

const labelOf = (count: number): string => `${count.toLocaleString("en")} files`

export const scenario: Scenario = {
  name: "list",
  run: async (bench) => {
    const subjects: Array<Subject> = []
    for (const count of bench.options.effort.rows) {
      const seeded = await seed(bench, count, places)
      const server = await startGateway(bench, "standalone", seeded.directory)
      subjects.push({ label: labelOf(count), server, requests: pagesOf(seeded) })
    }
    const samples = await compare(bench, "list/100", subjects, { concurrency: 1 })
    const reference = samples.get(subjects[0]?.label ?? "") ?? []
    const rows = [...samples].map(([label, own]): Row => {
      const ratio = medianOfPairs(own, reference, (sample, other) => sample.cpu / other.cpu)
      return {
        case: label,
        server: "omnifile, standalone",
        figures: {
          cpu: median(own.map(({ cpu }) => cpu)),
          p50: median(own.map(({ p50 }) => p50)) / 1000,
          ratio
        },
        verdicts: own === reference ? [] : [{ what: "CPU", value: ratio, limit: 1.2, direction: "at most", unit: "x" }]
      }
    })
    return [
      {
        title: "Lists",
        note: `GET /v1/files?limit=${pageSize} at ${places} places of the list, one request at a time, against the smallest registry.`,
        columns: [
          { key: "cpu", label: "CPU us/request", digits: 0 },
          { key: "p50", label: "p50 ms", digits: 2 },
          { key: "ratio", label: "CPU ratio", digits: 2 }
        ],
        rows
      }
    ]
  }
}
