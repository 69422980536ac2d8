/** Clients at work while one server after the other is killed on one data directory. */
import type { JournalEntry } from "@omnifile/testkit/OpenAIEmulator"
import type { Installation } from "./Installation.ts"
import type { Ledger } from "./Ledger.ts"
import type { Random } from "./Random.ts"
import type { LogEntry, ServerProcess } from "./ServerProcess.ts"

/** Until the server is gone, three clients upload to some accounts and delete some files. */
const work = async (
  installation: Installation,
  server: ServerProcess,
  ledger: Ledger,
  random: Random
): Promise<void> => {
  const { accounts } = installation
  const client = installation.client(server)
  const end = new AbortController()
  // Many files have the same name and size, as if to be mistaken for one another.
  const clientWork = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const content = random.bytes(random.next() < 0.3 ? 1_500_000 : 5_000)
      const targets = accounts.filter(() => random.next() < 0.7)
      const filename = random.next() < 0.5 ? "one.bin" : "other.bin"
      await ledger.upload(client, { filename, content, accounts: targets.length === 0 ? accounts : targets })
      const standing = ledger.standing()
      const chosen = standing[random.between(0, standing.length - 1)]
      if (chosen !== undefined && random.next() < 0.4) await ledger.remove(client, chosen)
    }
  }
  const workers = [clientWork(), clientWork(), clientWork()]
  await server.exited
  end.abort()
  await Promise.all(workers)
}

/** Every provider answers late, and one of them also wrongly. */
const misbehave = ({ accounts, emulator }: Installation, random: Random): void => {
  emulator.clearFaults()
  for (const account of accounts) emulator.setLatency(account, random.between(0, 120))
  const account = accounts[random.between(0, accounts.length - 1)]
  const kinds = [
    { status: 500 },
    { slowBytesPerSecond: 4_000_000 },
    { delayMs: 300 },
    { cutAfterBytes: 5_000 }
  ] as const
  const kind = kinds[random.between(0, kinds.length - 1)] ?? kinds[0]
  emulator.fault({ account, route: "files.create", times: 3, kind })
  emulator.fault({ account, route: "files.delete", times: 1, kind: { status: 500 } })
}

/** Resolves at some step of some request that a provider gets from now on. */
const someMoment = async ({ emulator }: Installation, random: Random): Promise<void> => {
  const { journal } = emulator
  const before = journal.length
  const [route, most] = random.next() < 0.7 ? (["files.create", 16] as const) : (["files.delete", 3] as const)
  const count = random.between(1, most)
  const steps: ReadonlyArray<(entry: JournalEntry) => boolean> = [
    () => true,
    ({ bytes }) => bytes > 0 || route === "files.delete",
    ({ status, upload }) => upload !== undefined || status !== undefined,
    ({ status }) => status !== undefined,
    ({ done }) => done
  ]
  const isThere = steps[random.between(0, steps.length - 1)] ?? (() => true)
  const reached = (): number => journal.slice(before).filter((entry) => entry.route === route && isThere(entry)).length
  await emulator.waitFor(() => reached() >= count)
}

/** Kills so many servers, each at some moment of its work, and answers what they have logged. */
export const killInARow = async (
  kills: number,
  installation: Installation,
  ledger: Ledger,
  random: Random
): Promise<ReadonlyArray<LogEntry>> => {
  const log: Array<LogEntry> = []
  for (let count = 0; count < kills; count++) {
    misbehave(installation, random)
    const server = await installation.start()
    const working = work(installation, server, ledger, random)
    await someMoment(installation, random)
    await server.kill()
    await working
    log.push(...server.logs())
  }
  installation.emulator.clearFaults()
  for (const account of installation.accounts) installation.emulator.setLatency(account, 0)
  return log
}
