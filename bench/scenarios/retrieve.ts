/** File objects by ID: from the cache and from SQLite, against a Map. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Scenario, startGateway } from "../harness/Bench.ts"
import { compare } from "../harness/ClosedLoop.ts"
import type { Row } from "../harness/Report.ts"
import { get } from "../harness/Requests.ts"
import { median, medianOfPairs } from "../harness/Statistics.ts"
import type { MapServerOptions } from "../references/map-server.ts"
import { authorization } from "../servers/Installation.ts"
import { seed } from "./Seeding.ts"

/** More than the gateway caches: asked for in turn, none is there any more when it is asked for again. */
const uncachedFiles = 30_000
const cachedFiles = 100

export const scenario: Scenario = {
  name: "retrieve",
  run: async (bench) => {
    const { directory, ids } = await seed(bench, uncachedFiles, uncachedFiles)
    const idsFile = join(directory, "ids.json")
    await writeFile(idsFile, JSON.stringify(ids))
    const gateway = await startGateway(bench, "standalone", directory)
    const map = await bench.start("references/map-server.ts", { authorization, idsFile } satisfies MapServerOptions)

    const rows: Array<Row> = []
    const cases = [
      { name: "from the cache", requested: ids.slice(0, cachedFiles), limit: 1 / 2 },
      { name: "from SQLite", requested: ids, limit: 1 / 4 }
    ]
    for (const { limit, name, requested } of cases) {
      const requests = requested.map((id) => get(`/v1/files/${id}`))
      const samples = await compare(
        bench,
        `retrieve/${name}`,
        [
          { label: "map server", server: map, requests },
          { label: "omnifile, standalone", server: gateway, requests }
        ],
        { concurrency: 16 }
      )
      const reference = samples.get("map server") ?? []
      for (const [server, own] of samples) {
        // The load has a core of its own, so what a server can answer is what its own core has time for.
        const ratio = medianOfPairs(own, reference, (sample, other) => other.cpu / sample.cpu)
        rows.push({
          case: name,
          server,
          figures: {
            cpu: median(own.map(({ cpu }) => cpu)),
            rate: median(own.map(({ rate }) => rate)),
            ratio,
            rateRatio: medianOfPairs(own, reference, (sample, other) => sample.rate / other.rate)
          },
          verdicts:
            server === "map server"
              ? []
              : [{ what: "requests a CPU second", value: ratio, limit, direction: "at least", unit: "x" }]
        })
      }
    }
    return [
      {
        title: "File objects",
        note:
          "GET /v1/files/{id} at concurrency 16, against a `node:http` server that answers from a Map. Ratio: requests " +
          "a second of the server's CPU; the ratio of requests a second also depends on how busy the machine is.",
        columns: [
          { key: "cpu", label: "CPU us/request", digits: 1 },
          { key: "rate", label: "requests/s", digits: 0 },
          { key: "ratio", label: "ratio", digits: 2 },
          { key: "rateRatio", label: "requests/s ratio", digits: 2 }
        ],
        rows
      }
    ]
  }
}
