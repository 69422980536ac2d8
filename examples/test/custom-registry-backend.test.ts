import { RegistryBackend, type Change } from "@omnifile/core/RegistryBackend"
import * as RegistrySuite from "@omnifile/testkit/RegistrySuite"
import * as Effect from "effect/Effect"
import { appendFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, it } from "vitest"
import * as Journal from "../custom-registry-backend.ts"

const directory = mkdtempSync(join(tmpdir(), "omnifile-journal-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

RegistrySuite.suite("journal", Journal.layer({ filename: join(directory, "suite.journal") }))
RegistrySuite.reopenSuite("journal", () => Journal.layer({ filename: join(directory, "reopened.journal") }))

it("forgets a commit that a crash cut off, and goes on after the one before", async () => {
  const filename = join(directory, "torn.journal")
  const insertion = (key: string): Change => ({
    collection: "c",
    key,
    expected: 0,
    record: { value: '"1"', entries: [] }
  })
  const withJournal = <A, E>(use: (backend: RegistryBackend["Service"]) => Effect.Effect<A, E>): Promise<A> =>
    Effect.runPromise(Effect.provide(Effect.flatMap(RegistryBackend, use), Journal.layer({ filename })))
  await withJournal((backend) => backend.commit([insertion("a")]))
  appendFileSync(filename, JSON.stringify([insertion("torn off at the end")]).slice(0, -5))
  await withJournal((backend) => backend.commit([insertion("b")]))
  const records = await withJournal((backend) => backend.read("c", ["a", "torn off at the end", "b"]))
  assert.deepStrictEqual(
    records.map((record) => record?.version),
    [1, undefined, 1]
  )
})
