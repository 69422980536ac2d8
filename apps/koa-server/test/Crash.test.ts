/**
 * Servers that are killed leave nothing half done behind: within 15 seconds after one has been started again,
 * every upload that was not answered is there as a whole or gone, and everything that was answered holds.
 */
import type { RouteName } from "@omnifile/testkit/OpenAIEmulator"
import { assert, describe, it } from "vitest"
import { killInARow } from "./support/CrashChain.ts"
import { accountsOf, moments } from "./support/CrashMoments.ts"
import { eventually } from "./support/eventually.ts"
import * as Installation from "./support/Installation.ts"
import * as Ledger from "./support/Ledger.ts"
import * as Random from "./support/Random.ts"
import type { LogEntry, ServerProcess } from "./support/ServerProcess.ts"

const recoverySeconds = 15

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
  const agreed = eventually(agrees, { what: "all is settled", seconds: recoverySeconds })
  await agreed.catch(() => assert.deepStrictEqual(differences, []))
}

describe.concurrent("a server that is killed", { timeout: 90_000 }, () => {
  for (const kind of ["exclusive", "shared"] as const) {
    it(`at the worst of moments leaves nothing behind in ${kind} accounts`, async ({ onTestFinished }) => {
      const installation = await Installation.open({
        accounts: moments.flatMap(accountsOf),
        account: { exclusive: kind === "exclusive" }
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
      await Promise.all(moments.map(({ reach }) => reach(sceneOn(killed))))
      await killed.kill()
      emulator.clearFaults()
      const server = await installation.start()
      await recovered(installation, server, ledger, killed.logs())
      for (const { afterwards } of moments) await afterwards?.(sceneOn(server))
      assert.deepStrictEqual(await server.stop(), { code: 0, signal: null })
    })
  }

  for (const seed of [1, 2, 3]) {
    const kind = seed === 3 ? "shared" : "exclusive"
    it(`five times in a row, at any moment, leaves nothing behind in ${kind} accounts (seed ${seed})`, async ({
      onTestFinished
    }) => {
      const installation = await Installation.open({ account: { exclusive: kind === "exclusive" } })
      onTestFinished(installation.close)
      const ledger = Ledger.make()
      const log = await killInARow(5, installation, ledger, Random.make(seed))
      const server = await installation.start()
      await recovered(installation, server, ledger, log)
      assert.isAbove(ledger.answered(), 0)
      assert.isAbove(ledger.unanswered(), 0)
      assert.deepStrictEqual(await server.stop(), { code: 0, signal: null })
    })
  }

  it("or only stopped, and taken for dead, agrees with the others in the end", async ({ onTestFinished }) => {
    const installation = await Installation.open({ account: { exclusive: true } })
    onTestFinished(installation.close)
    const { emulator } = installation
    const ledger = Ledger.make()
    const [stopped, other] = await Promise.all([installation.start(), installation.start()])
    const client = installation.client(stopped)
    const upload = (filename: string) =>
      ledger.upload(client, { filename, content: Buffer.from(`content of ${filename}`), accounts: ["alpha", "beta"] })
    const deleted = await upload("deleted.bin")
    await upload("kept.bin")
    assert.isDefined(deleted)
    // Answered while nobody reads the answer.
    emulator.fault({ account: "beta", route: "files.create", kind: { delayMs: 4_000 } })
    emulator.fault({ account: "alpha", route: "files.delete", times: 1, kind: { delayMs: 4_000 } })
    const start = emulator.journal.length
    const calls = [upload("one.bin"), upload("two.bin"), ledger.remove(client, deleted)]
    const has = (account: string, route: RouteName, count: number): boolean =>
      emulator.journal
        .slice(start)
        .filter((entry) => entry.account === account && entry.route === route)
        .filter(({ upload: received }) => received !== undefined || route !== "files.create").length >= count
    await emulator.waitFor(() => has("beta", "files.create", 2) && has("alpha", "files.delete", 1))
    stopped.send("SIGSTOP")
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
})
