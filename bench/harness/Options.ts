/** What a run is to measure, and for how long. */
import { parseArgs } from "node:util"

export interface Options {
  /** The scenarios to run; all of them if it is empty. */
  readonly only: ReadonlyArray<string>
  /** Only cases whose name begins with this are measured; all of them if it is empty. */
  readonly cases: string
  readonly json: string | undefined
  readonly markdown: string | undefined
  /** Cases whose name begins with this are sampled, and nothing else is measured. */
  readonly profile: string | undefined
  readonly effort: Effort
}

interface Effort {
  readonly name: "quick" | "default" | "full"
  /** Each server is measured once in a round, in an order that rotates from round to round. */
  readonly rounds: number
  /** Milliseconds. */
  readonly window: number
  /** Requests to each server, or events from it, before the first round: by then its code is compiled. */
  readonly warmUp: number
  /** Rounds of large transfers. */
  readonly transferRounds: number
  /** Bytes. */
  readonly uploads: ReadonlyArray<number>
  readonly download: number
  /** Rows of the registries that pages are listed from. */
  readonly rows: ReadonlyArray<number>
  /** Whether all combinations are measured, or those that the budget turns on. */
  readonly thorough: boolean
}

const MiB = 1024 * 1024

const efforts: Readonly<Record<Effort["name"], Effort>> = {
  quick: {
    name: "quick",
    rounds: 3,
    window: 250,
    warmUp: 2_000,
    transferRounds: 1,
    uploads: [16 * MiB],
    download: 64 * MiB,
    rows: [1_000, 10_000],
    thorough: false
  },
  default: {
    name: "default",
    rounds: 7,
    window: 500,
    warmUp: 10_000,
    transferRounds: 3,
    uploads: [64 * MiB, 256 * MiB],
    download: 256 * MiB,
    rows: [1_000, 100_000],
    thorough: true
  },
  full: {
    name: "full",
    rounds: 9,
    window: 700,
    warmUp: 30_000,
    transferRounds: 3,
    uploads: [64 * MiB, 1024 * MiB],
    download: 1024 * MiB,
    rows: [1_000, 100_000, 1_000_000],
    thorough: true
  }
}

export const usage = (scenarios: ReadonlyArray<string>): string => `Usage: pnpm bench [options]

  --quick           short windows, small files: less than 90 seconds
  --full            uploads and downloads of 1 GiB, lists of 1,000,000 files: about half an hour
  --only A,B        some of: ${scenarios.join(", ")}
  --case NAME       cases whose name begins with NAME, such as "chat/1 KiB/3"
  --json FILE       writes the figures as JSON
  --markdown FILE   writes the tables as Markdown, into their place if FILE has one
  --profile NAME    samples the servers in the cases whose name begins with NAME, such as "chat/1 KiB/3",
                    writes bench/.profiles/*.cpuprofile, and sums them up by area
  --help            this text
`

const readArguments = (args: ReadonlyArray<string>) =>
  parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      full: { type: "boolean", default: false },
      only: { type: "string" },
      case: { type: "string", default: "" },
      json: { type: "string" },
      markdown: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", default: false }
    }
  })

/** Undefined if the user asks for help; what is wrong with the arguments, if something is. */
export const parse = (args: ReadonlyArray<string>, scenarios: ReadonlyArray<string>): Options | string | undefined => {
  let values: ReturnType<typeof readArguments>["values"]
  try {
    values = readArguments(args).values
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause)
  }
  if (values.help) return undefined
  const only = values.only?.split(",").map((name) => name.trim()) ?? []
  const unknown = only.filter((name) => !scenarios.includes(name))
  if (unknown.length > 0) return `There is no scenario ${unknown.join(", ")}.`
  return {
    only,
    cases: values.case,
    json: values.json,
    markdown: values.markdown,
    profile: values.profile,
    effort: efforts[values.full ? "full" : values.quick ? "quick" : "default"]
  }
}
