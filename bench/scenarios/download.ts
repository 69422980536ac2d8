/** Content of a large file, against the same file from a plain file server. */
import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type Bench, type Scenario, startGateway } from "../harness/Bench.ts"
import type { Child } from "../harness/Child.ts"
import * as Memory from "../harness/Memory.ts"
import type { Row } from "../harness/Report.ts"
import { median, medianOfPairs } from "../harness/Statistics.ts"
import type { FileServerOptions } from "../references/file-server.ts"
import { authorization, models } from "../servers/Installation.ts"

interface Downloaded {
  /** MB a second. */
  readonly rate: number
  /** CPU seconds a GiB. */
  readonly cpu: number
  readonly growth: number
}

const GiB = 1024 ** 3

const download = async (bench: Bench, server: Child, path: string): Promise<Downloaded> => {
  await sleep(300)
  const idle = await Memory.resident(server.pid)
  await Memory.resetPeak(server.pid)
  const before = await server.ask("cpu", null)
  const { bytes, seconds } = await bench.load.ask("download", { port: server.port, path, authorization })
  const cpu = ((await server.ask("cpu", null)) - before) / 1e6 / (bytes / GiB)
  return { rate: bytes / 1e6 / seconds, cpu, growth: (await Memory.peak(server.pid)) - idle }
}

export const scenario: Scenario = {
  name: "download",
  run: async (bench) => {
    if (bench.options.profile !== undefined) return []
    const { download: size, transferRounds } = bench.options.effort
    const directory = await bench.makeDirectory()
    const file = join(directory, "plain")
    await writeFile(file, Buffer.alloc(0))
    for (let written = 0; written < size; written += 16 * 1024 * 1024) {
      await writeFile(file, Buffer.alloc(16 * 1024 * 1024, "omnifile"), { flag: "a" })
    }
    const uploader = await startGateway(bench, "standalone", directory)
    const fields = { purpose: "user_data", target_model_names: models.a }
    const upload = { port: uploader.port, path: "/v1/files", authorization, fields, size }
    const { id } = await bench.load.ask("upload", upload)
    await uploader.stop()

    const plain: Array<Downloaded> = []
    const own: Array<Downloaded> = []
    for (let round = 0; round < Math.max(3, transferRounds); round++) {
      bench.say(`download/${size / 1024 / 1024} MiB`)
      const server = await bench.start("references/file-server.ts", { file } satisfies FileServerOptions)
      plain.push(await download(bench, server, "/"))
      await server.stop()
      // It has not seen the file before.
      const gateway = await startGateway(bench, "standalone", directory)
      own.push(await download(bench, gateway, `/v1/files/${id}/content`))
      await gateway.stop()
    }
    await rm(directory, { recursive: true })

    const rowOf = (server: string, samples: ReadonlyArray<Downloaded>): Row => {
      const ratio = medianOfPairs(samples, plain, (sample, reference) => sample.rate / reference.rate)
      const growth = median(samples.map((sample) => sample.growth))
      return {
        case: `${size / 1024 / 1024} MiB`,
        server,
        figures: {
          rate: median(samples.map((sample) => sample.rate)),
          ratio,
          cpu: median(samples.map((sample) => sample.cpu)),
          growth
        },
        verdicts:
          samples === own
            ? [
                { what: "rate", value: ratio, limit: 0.7, direction: "at least", unit: "x" },
                { what: "memory", value: growth, limit: 80, direction: "at most", unit: "MB" }
              ]
            : []
      }
    }
    return [
      {
        title: "Content download",
        note:
          "One download from a server that was just started, against `pipeline(createReadStream(file), socket)`. " +
          "Memory: peak resident set over what it was before.",
        columns: [
          { key: "rate", label: "MB/s", digits: 0 },
          { key: "ratio", label: "ratio", digits: 2 },
          { key: "cpu", label: "CPU s/GiB", digits: 2 },
          { key: "growth", label: "memory MB", digits: 0 }
        ],
        rows: [rowOf("file server", plain), rowOf("omnifile, standalone", own)]
      }
    ]
  }
}
