/** The benchmark: omnifile against hand-written references in the same run. See docs/performance.md. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { readFile, writeFile } from "node:fs/promises"
import { cpus, release, totalmem, type } from "node:os"
import { runAll } from "./harness/Bench.ts"
import { isPinned, loadCore } from "./harness/Child.ts"
import * as Options from "./harness/Options.ts"
import { type Section, summarise, toMarkdown, toText } from "./harness/Report.ts"
import * as chat from "./scenarios/chat.ts"
import * as download from "./scenarios/download.ts"
import * as list from "./scenarios/list.ts"
import * as retrieve from "./scenarios/retrieve.ts"
import * as sse from "./scenarios/sse.ts"
import * as start from "./scenarios/start.ts"
import * as upload from "./scenarios/upload.ts"

const scenarios = [chat, sse, upload, download, retrieve, list, start].map(({ scenario }) => scenario)

const machine = (): string =>
  `${cpus()[0]?.model.trim() ?? "unknown CPU"}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ` +
  `${type()} ${release()}, Node.js ${process.version}${isPinned ? "" : ", processes not pinned to cores"}`

/** The place in a document that tables go to. */
const place = /(<!-- figures -->\n)[^]*(<!-- \/figures -->)/

/** Puts the tables in their place in a document that has one, and is the whole file otherwise. */
const writeTables = async (file: string, tables: string): Promise<void> => {
  const document = existsSync(file) ? await readFile(file, "utf8") : ""
  const isDocument = place.test(document)
  const text = isDocument ? document.replace(place, (_, start, end) => `${start}${tables}${end}`) : tables
  await writeFile(file, text)
}

const main = async (): Promise<number> => {
  const names = scenarios.map(({ name }) => name)
  const options = Options.parse(process.argv.slice(2), names)
  if (typeof options === "string") {
    process.stderr.write(`${options}\n\n${Options.usage(names)}`)
    return 2
  }
  if (options === undefined) {
    process.stdout.write(Options.usage(names))
    return 0
  }
  // The server under measurement has its core for itself.
  if (isPinned) spawnSync("taskset", ["-cp", String(loadCore), String(process.pid)])
  const started = performance.now()
  const wanted = scenarios.filter(({ name }) => options.only.length === 0 || options.only.includes(name))
  const sections: Array<Section> = []
  const elapsed = (): number => Math.round((performance.now() - started) / 1000)
  const say = (text: string): void => void process.stderr.write(`${String(elapsed()).padStart(5)} s  ${text}\n`)
  await runAll(wanted, options, say, (section) => {
    sections.push(section)
    if (options.profile === undefined) process.stdout.write(`\n${toText(section)}`)
  })
  if (options.profile !== undefined) return 0
  const about = `${machine()}; ${options.effort.name} run, ${elapsed()} s`
  process.stdout.write(`\n${summarise(sections)}${about}\n`)
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify({ about, sections }, null, 2)}\n`)
  if (options.markdown !== undefined) {
    await writeTables(options.markdown, `${about}\n\n${sections.map(toMarkdown).join("\n")}`)
  }
  return 0
}

// An exit takes what was started and written along.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1))

try {
  process.exitCode = await main()
} catch (cause) {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
  process.exitCode = 1
}
// A failure may have left children running, which would keep this process.
process.exit()
