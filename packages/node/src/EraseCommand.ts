/** `omnifile erase`: everything of one user goes, and it is told what became of each copy. */
import * as Erasure from "@omnifile/core/Erasure"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Erase } from "./CommandLine.ts"
import type { Configuration } from "./config/Configuration.ts"
import * as Open from "./Open.ts"

/** It could not be done, or not to its end. */
export class CouldNotErase extends Data.TaggedError("CouldNotErase")<{ readonly message: string }> {}

const toText = ({ complete, dryRun, files, jobs, uploads, usage, user }: Erasure.Report): string => {
  const lines: Array<string> = []
  for (const { copies, id, kept, outcome } of files) {
    lines.push(`${outcome.padEnd(7)}  file ${id}${kept ? ", with its content here" : ""}`)
    for (const copy of copies) lines.push(`${copy.outcome.padEnd(7)}    copy on account ${copy.account}`)
  }
  for (const { account, id, kind, outcome } of jobs) {
    lines.push(`${outcome.padEnd(7)}  ${kind.replaceAll("_", " ")} ${id} on account ${account}`)
  }
  lines.push(
    `${files.length} files, ${jobs.length} jobs, ${uploads} uploads in parts and ${usage} records of usage ` +
      `${dryRun ? "would be erased" : "were met"}`
  )
  if (!dryRun) {
    const end = complete ? "Nothing is left of" : "Not all is gone yet; do it again later to erase what is left of"
    lines.push(`${end} user ${user}.`)
  }
  return `${lines.join("\n")}\n`
}

interface Outcome {
  readonly text: string
  /** 1: not all is gone yet. */
  readonly exitCode: 0 | 1
}

/** Erases, or tells what would be. */
export const erase = (
  { dryRun, json, user }: Erase,
  configuration: Configuration
): Effect.Effect<Outcome, CouldNotErase> =>
  Erasure.Erasure.use(({ run }) => run({ user, dryRun })).pipe(
    Effect.provide(Open.layerCore({ configuration })),
    Effect.mapError((error) => new CouldNotErase({ message: `Not all could be erased: ${error.message}` })),
    Effect.map((report) => ({
      text: json ? `${JSON.stringify(report, null, 2)}\n` : toText(report),
      exitCode: report.complete || dryRun ? 0 : 1
    }))
  )
