/** `pnpm chaos`: a campaign against three servers. See docs/reliability.md. Exits with 1 if the books differ. */
import { readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Campaign from "./Campaign.ts"

const usage = `Usage: pnpm chaos [--seed 42] [--operations 2000] [--servers 3] [--concurrency 8]
                  [--intensity 1] [--markdown FILE]

  --markdown FILE   puts the figures into their place in a document
`

/** The place in a document that the figures go to. */
const place = /(<!-- figures -->\n)[^]*(<!-- \/figures -->)/

const table = (head: string, rows: Iterable<readonly [string, number]>): string =>
  [
    `| ${head} | |`,
    "| --- | ---: |",
    ...[...rows].toSorted().map(([name, value]) => `| ${name} | ${value} |`),
    ""
  ].join("\n")

const toMarkdown = (seed: number, servers: number, report: Campaign.Report): string => {
  const { differences, disturbances, operations, recoverySeconds, seconds, totals } = report
  const sum = [...operations.values()].reduce((total, count) => total + count, 0)
  return [
    `Seed ${seed}: ${sum} operations on ${servers} servers in ${seconds} s; ${recoverySeconds} s after the last operation and`,
    `the last restart, all had settled. The books differ in ${differences.length} places.`,
    "",
    table("operations", operations),
    table("disturbances", disturbances),
    table("in the end", Object.entries(totals)),
    ""
  ].join("\n")
}

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "42" },
      operations: { type: "string", default: "2000" },
      servers: { type: "string", default: "3" },
      concurrency: { type: "string", default: "8" },
      intensity: { type: "string", default: "1" },
      markdown: { type: "string" },
      help: { type: "boolean", default: false }
    }
  })
  const [seed, operations, servers] = [Number(values.seed), Number(values.operations), Number(values.servers)]
  const [concurrency, intensity] = [Number(values.concurrency), Number(values.intensity)]
  const isUsable =
    Number.isInteger(seed) && [operations, servers, concurrency, intensity].every((number) => number >= 1)
  if (values.help || !isUsable) {
    process.stderr.write(usage)
    return values.help ? 0 : 2
  }
  const say = (text: string): void => void process.stderr.write(`${text}\n`)
  const report = await Campaign.run({ seed, operations, servers, concurrency, intensity, say })
  const text = toMarkdown(seed, servers, report)
  process.stdout.write(`${text}${report.differences.map((difference) => `DIFFERS: ${difference}\n`).join("")}`)
  if (report.differences.length > 0) {
    for (const entry of report.errors.slice(-50)) say(JSON.stringify(entry))
  }
  if (values.markdown !== undefined) {
    const document = readFileSync(values.markdown, "utf8")
    writeFileSync(
      values.markdown,
      document.replace(place, (_, start: string, end: string) => `${start}${text}${end}`)
    )
  }
  return report.differences.length === 0 ? 0 : 1
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1))
try {
  process.exitCode = await main()
} catch (cause) {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
  process.exitCode = 1
}
process.exit()
