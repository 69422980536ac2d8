/** The conformance suites reject backends that are broken on purpose, each by the case that is about what it breaks. */
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as blobMutants from "./conformance/blobMutants.ts"
import * as registryMutants from "./conformance/registryMutants.ts"

const root = resolve(import.meta.dirname, "../../..")
const directory = mkdtempSync(join(tmpdir(), "omnifile-mutants-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const suites = [
  ["BlobStore", blobMutants.mutants],
  ["RegistryBackend", registryMutants.mutants]
] as const

interface Result {
  readonly fullName: string
  readonly status: string
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

/** Runs, of each mutant's suite, the cases that have to reject it. */
const runMutants = async (): Promise<ReadonlyArray<Result>> => {
  const cases = suites.flatMap(([suite, mutants]) =>
    mutants.map(({ name, rejectedBy }) => `${escape(`${suite} (${name})`)} (> )?${escape(rejectedBy)}`)
  )
  const report = join(directory, "report.json")
  await new Promise<void>((done) => {
    execFile(
      process.execPath,
      [
        join(root, "node_modules/vitest/vitest.mjs"),
        "run",
        "--config",
        join(import.meta.dirname, "conformance/vitest.config.ts"),
        "--testNamePattern",
        cases.join("|"),
        "--reporter=json",
        `--outputFile.json=${report}`
      ],
      { cwd: root },
      // It exits as failed, as it should.
      () => done()
    )
  })
  const { testResults }: { testResults: ReadonlyArray<{ assertionResults: ReadonlyArray<Result> }> } = JSON.parse(
    readFileSync(report, "utf8")
  )
  return testResults.flatMap(({ assertionResults }) => assertionResults)
}

let results: ReadonlyArray<Result> = []
beforeAll(async () => {
  results = await runMutants()
}, 60_000)

for (const [suite, mutants] of suites) {
  describe(`${suite}Suite rejects a backend that`, () => {
    for (const { name, rejectedBy } of mutants) {
      it(name, () => {
        const tried = results.filter(
          ({ fullName, status }) => fullName.startsWith(`${suite} (${name}) ${rejectedBy}`) && status !== "skipped"
        )
        assert.isAbove(tried.length, 0, "no such case was run")
        assert.include(
          tried.map(({ status }) => status),
          "failed"
        )
      })
    }
  })
}
