/** The benchmark: omnifile against hand-written references in the same run. See docs/performance.md. */
import { spawnSync } from "node:child_process"
import { writeFile } from "node:fs/promises"
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

const main = async (): Promise<number> => {
  const names = scenarios.map(({ name }) => name)
  const options = Options.parse(process.argv.slice(2), names)
  if (options === undefined) {
    process.stdout.write(Options.usage(names))
    return 0
  }
  // The server under measurement has its core for itself.
  if (isPinned) spawnSync("taskset", ["-cp", String(loadCore), String(process.pid)])
  const started = performance.now()
  const wanted = scenarios.filter(({ name }) => options.only.length === 0 || options.only.includes(name))
  const sections: Array<Section> = []
  const say = (text: string): void => void process.stderr.write(`  ${text}\n`)
  await runAll(wanted, options, say, (section) => {
    sections.push(section)
    if (options.profile === undefined) process.stdout.write(`\n${toText(section)}`)
  })
  if (options.profile !== undefined) return 0
  const seconds = Math.round((performance.now() - started) / 1000)
  const about = `${machine()}; ${options.effort.name} run, ${seconds} s`
  process.stdout.write(`\n${summarise(sections)}${about}\n`)
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify({ about, sections }, null, 2)}\n`)
  if (options.markdown !== undefined) {
    await writeFile(options.markdown, `${about}\n\n${sections.map(toMarkdown).join("\n")}`)
  }
  return 0
}

try {
  process.exitCode = await main()
} catch (cause) {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
  process.exitCode = 1
}
// Children that a failure has left running end with this process.
process.exit()
