/**
 * Servers that are killed leave nothing half done behind: within 15 seconds after one has been started again,
 * every upload that was not answered is there as a whole or gone, and everything that was answered holds.
 */
import type { RouteName } from "@omnifile/testkit/OpenAIEmulator"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "vitest"
import { upload } from "./support/calls.ts"
import { killInARow } from "./support/CrashChain.ts"
import { accountsOf, moments } from "./support/CrashMoments.ts"
import { eventually } from "./support/eventually.ts"
import * as Installation from "./support/Installation.ts"
import * as Ledger from "./support/Ledger.ts"
import * as Random from "./support/Random.ts"
import type { LogEntry, ServerProcess } from "./support/ServerProcess.ts"

const recoverySeconds = 60

/** Waits until the installation agrees with the ledger; if it never does, tells in what it does not. */
const recovered = async (
  installation: Installation.Installation,
  server: ServerProcess,
  ledger: Ledger.Ledger,
  log: ReadonlyArray<LogEntry>
): Promise<void> => {
  let differences: ReadonlyArray<string> = []
  const agrees = async (): Promise<boolean> => {
    differences = await ledger.differences(installation, server, log)
    return differences.length === 0
  }
  const agreed = eventually(agrees, { what: "all is settled", seconds: recoverySeconds, milliseconds: 400 })
  await agreed.catch((cause: unknown) => {
    assert.deepStrictEqual(differences, [])
    throw cause
  })
}

/** Whether the server answers anything at all. */
const isRunning = ({ url }: ServerProcess): Promise<boolean> =>
  fetch(`${url}/health/live`, { signal: AbortSignal.timeout(300) }).then(
    () => true,
    () => false
  )

/**
 * Stops a server between two of its writes. In the midst of one it would keep the lock of the SQLite file, and
 * nobody else could write until it goes on: no way leads round that, so no recovery can be seen there.
 */
const stopBetweenWrites = async ({ data }: Installation.Installation, server: ServerProcess): Promise<void> => {
  const database = new DatabaseSync(`${data}/omnifile.db`, { timeout: 10_000 })
  try {
    database.exec("BEGIN IMMEDIATE")
    server.send("SIGSTOP")
    await eventually(async () => !(await isRunning(server)), { what: "the server is stopped" })
    database.exec("ROLLBACK")
  } finally {
    database.close()
  }
}

const kinds = ["exclusive", "shared"] as const

describe.concurrent("a server that is killed", { timeout: 300_000 }, () => {
  it("at the worst of moments leaves nothing behind", async ({ onTestFinished }) => {
    const named = kinds.flatMap((kind) => moments.map((moment) => ({ ...moment, name: `${kind}-${moment.name}` })))
    const installation = await Installation.open({
      accounts: named.flatMap(({ name }) => accountsOf(name)),
      account: (id) => ({ exclusive: id.startsWith("exclusive") })
    })
    onTestFinished(installation.close)
    const { emulator } = installation
    const ledger = Ledger.make()
    const sceneOn = (server: ServerProcess) => ({
      installation,
      emulator,
      server,
      client: installation.client(server),
      ledger
    })
    const killed = await installation.start()
    await Promise.all(named.map(({ name, reach }) => reach(sceneOn(killed), name)))
    await killed.kill()
    emulator.clearFaults()
    const server = await installation.start()
    await recovered(installation, server, ledger, killed.logs())
    for (const { afterwards, name } of named) await afterwards?.(sceneOn(server), name)
    assert.deepStrictEqual(await server.stop(), { code: 0, signal: null })
  })

  for (const [index, kind] of kinds.entries()) {
    it(`eight times in a row, at any moment, leaves nothing behind in ${kind} accounts`, async ({ onTestFinished }) => {
      const installation = await Installation.open({ account: () => ({ exclusive: kind === "exclusive" }) })
      onTestFinished(installation.close)
      const ledger = Ledger.make()
      const log = await killInARow(8, installation, ledger, Random.make(index + 1))
      const server = await installation.start()
      await recovered(installation, server, ledger, log)
      assert.isAbove(ledger.answered(), 0)
      assert.isAbove(ledger.unanswered(), 0)
      assert.deepStrictEqual(await server.stop(), { code: 0, signal: null })
    })
  }

  it("or only stopped, and taken for dead, agrees with the others in the end", async ({ onTestFinished }) => {
    const installation = await Installation.open({ account: () => ({ exclusive: true }) })
    onTestFinished(installation.close)
    const { emulator } = installation
    const ledger = Ledger.make()
    const [stopped, other] = await Promise.all([installation.start(), installation.start()])
    const client = installation.client(stopped)
    const send = (filename: string) =>
      ledger.upload(client, { filename, content: Buffer.from(`content of ${filename}`), accounts: ["alpha", "beta"] })
    const deleted = await send("deleted.bin")
    await send("kept.bin")
    assert.isDefined(deleted)
    // Answered while nobody reads the answer.
    emulator.fault({ account: "beta", route: "files.create", kind: { delayMs: 4_000 } })
    emulator.fault({ account: "alpha", route: "files.delete", times: 1, kind: { delayMs: 4_000 } })
    const start = emulator.journal.length
    const calls = [send("one.bin"), send("two.bin"), ledger.remove(client, deleted)]
    const has = (account: string, route: RouteName, count: number): boolean =>
      emulator.journal
        .slice(start)
        .filter((entry) => entry.account === account && entry.route === route)
        .filter((entry) => entry.upload !== undefined || route !== "files.create").length >= count
    await emulator.waitFor(() => has("beta", "files.create", 2) && has("alpha", "files.delete", 1))
    await stopBetweenWrites(installation, stopped)
    await recovered(installation, other, ledger, [])
    stopped.send("SIGCONT")
    await Promise.all(calls)
    emulator.clearFaults()
    await recovered(installation, other, ledger, stopped.logs())
    await recovered(installation, stopped, ledger, other.logs())
    assert.deepStrictEqual(
      ledger.standing().map(({ name }) => name),
      ["kept.bin (1)"]
    )
  })

  it("is cleared up after by another one that goes on, and frees its idempotency keys", async ({ onTestFinished }) => {
    const installation = await Installation.open({ account: () => ({ exclusive: true }) })
    onTestFinished(installation.close)
    const { emulator } = installation
    const ledger = Ledger.make()
    const [killed, other] = await Promise.all([installation.start(), installation.start({ app: "standalone" })])
    const client = installation.client(killed)
    const accounts = ["alpha", "beta"]
    const deleted = await ledger.upload(client, { filename: "deleted.bin", content: Buffer.from("deleted"), accounts })
    assert.isDefined(deleted)
    const deletions = emulator.fault({ account: "alpha", route: "files.delete", kind: { hang: true } })
    const creations = emulator.fault({ account: "beta", route: "files.create", kind: { hang: true } })
    const options = { name: "half.bin", models: "alpha,beta", idempotencyKey: "half" }
    void upload(client, "half", options).catch(() => {})
    void ledger.remove(client, deleted)
    await eventually(() => deletions.hits() > 0 && creations.hits() > 0, { what: "both are under way" })
    await killed.kill()
    emulator.clearFaults()
    // The same request again, by a client that did not get an answer.
    const again = upload(installation.client(other), "half", options)
    assert.match((await again).id, /^file-/)
    await installation.client(other).files.delete((await again).id)
    await recovered(installation, other, ledger, killed.logs())
  })
})
