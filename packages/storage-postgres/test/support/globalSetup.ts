/** One Postgres for all tests of a run, if any of its files needs one. */
import type { TestProject } from "vitest/node"
import * as PostgresServer from "@omnifile/testkit/servers/PostgresServer"

declare module "vitest" {
  interface ProvidedContext {
    /** A database to make schemas in, or why there is none. */
    readonly postgres: { readonly url: string } | { readonly missing: string }
  }
}

const needsPostgres = (file: string): boolean => /storage-postgres\/test\/|Postgres|examples\.test/.test(file)

/** What the run was limited to. Vitest does not publish it; without it, all files count, and a run of any of them starts a server. */
const filtersOf = ({ vitest }: TestProject): Array<string> | undefined => {
  const filters: unknown = Reflect.get(vitest, "filenamePattern")
  return Array.isArray(filters) ? filters.map(String) : undefined
}

export default async (project: TestProject): Promise<(() => Promise<void>) | undefined> => {
  const { testFiles } = await project.globTestFiles(filtersOf(project))
  if (!testFiles.some(needsPostgres)) {
    project.provide("postgres", { missing: "no file of this run needs it" })
    return undefined
  }
  try {
    const server = await PostgresServer.start()
    project.provide("postgres", { url: server.url })
    return server.stop
  } catch (cause) {
    if (process.env["REQUIRE_SERVERS"] === "true") throw cause
    const missing = cause instanceof Error ? cause.message : String(cause)
    console.error(`\nNOT RUN: the tests on Postgres, because no server could be started: ${missing}\n`)
    project.provide("postgres", { missing })
    return undefined
  }
}
