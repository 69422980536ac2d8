/** An ID has one spelling, and nothing else reaches storage or a provider. */
import { DatabaseSync } from "node:sqlite"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { ask, refusal, refusalOf, upload } from "./support/calls.ts"
import * as Installation from "./support/Installation.ts"
import type { ServerProcess } from "./support/ServerProcess.ts"

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

let installation: Installation.Installation
let server: ServerProcess
let id: string

beforeAll(async () => {
  installation = await Installation.open()
  const first = await installation.start()
  id = (await upload(installation.client(first), "known by one ID", { models: "alpha,beta" })).id
  await first.stop()
  // The second server has read nothing yet: whatever it knows it has to ask for.
  server = await installation.start()
})
afterAll(() => installation.close())

/** Takes all tables away from the server while something is done. */
const withoutTables = async (run: () => Promise<void>): Promise<void> => {
  const database = new DatabaseSync(`${installation.data}/omnifile.db`, { timeout: 5_000 })
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  const rename = (from: string, to: string): void => {
    for (const { name } of tables) database.exec(`ALTER TABLE "${from}${name}" RENAME TO "${to}${name}"`)
  }
  rename("", "hidden_")
  try {
    await run()
  } finally {
    rename("hidden_", "")
    database.close()
  }
}

/** Another letter in each place. */
const flipped = (): ReadonlyArray<string> =>
  Array.from(id.slice("file-".length), (letter, index) => {
    const other = alphabet[(alphabet.indexOf(letter) ^ (1 << (index % 6))) % 64]
    const at = index + "file-".length
    return id.slice(0, at) + other + id.slice(at + 1)
  })

const otherSpellings = (): ReadonlyArray<string> => [
  `${id}A`,
  `${id}=`,
  `${id}==`,
  id.slice(0, -1),
  id.slice(0, -4),
  id.toLowerCase(),
  id.replace("file-", "FILE-"),
  id.replace("file-", "file_"),
  id.replace("file-", ""),
  id.replace("file-", "batch_"),
  id.replace("file-", "ftjob-"),
  id.replace("file-", "resp_"),
  `file-${id}`,
  `file-${Buffer.from(id.slice("file-".length), "base64url").toString("base64")}`,
  `file-${Buffer.from(id.slice("file-".length), "base64url").toString("hex")}`,
  "file-",
  "file-abc123",
  "file-6F2ksmvXxt4VdoqmHRw6kL",
  ...installation.emulator.files("alpha").map((file) => file.id)
]

describe("a wrong ID", { timeout: 60_000 }, () => {
  it("is refused without a look into storage or a call to a provider", async () => {
    const before = installation.emulator.journal.length
    await withoutTables(async () => {
      for (const wrong of flipped()) {
        assert.strictEqual((await refusal(installation.client(server).files.retrieve(wrong))).status, 404, wrong)
        assert.strictEqual((await refusal(ask(installation.client(server), "alpha", wrong))).status, 404, wrong)
      }
      for (const wrong of otherSpellings()) {
        const path = encodeURIComponent(wrong)
        for (const [method, route] of [
          ["GET", `/v1/files/${path}`],
          ["GET", `/v1/files/${path}/content`],
          ["GET", `/v1/files/${path}/replicas`],
          ["DELETE", `/v1/files/${path}`]
        ] as const) {
          const refused = await refusalOf(await installation.call(server, route, { method }))
          assert.strictEqual(refused.status, 404, `${method} ${route}`)
        }
        assert.include([400, 404], (await refusal(ask(installation.client(server), "alpha", wrong))).status, wrong)
        const cursor = await installation.call(server, `/v1/files?after=${path}`)
        assert.strictEqual((await refusalOf(cursor)).param, "after", wrong)
      }
      // Only what is one of ours is looked for, and that the tables are away is noticed.
      assert.isAtLeast((await refusalOf(await installation.call(server, `/v1/files/${id}`))).status, 500)
    })
    assert.strictEqual(installation.emulator.journal.length, before)
  })

  it("leaves the right one as it was", async () => {
    assert.strictEqual((await installation.client(server).files.retrieve(id)).id, id)
    assert.include(await ask(installation.client(server), "beta", id), "notes.txt")
  })
})
