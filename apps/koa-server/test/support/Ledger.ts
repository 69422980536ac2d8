/**
 * What clients did to an installation and what they were told, and whether the installation agrees: every file
 * that is there is whole, everywhere, and nothing else is anywhere.
 */
import type OpenAI from "openai"
import { toFile } from "openai"
import { filesIn, type Installation } from "./Installation.ts"
import { sha256 } from "./Samples.ts"
import type { LogEntry, ServerProcess } from "./ServerProcess.ts"

interface Entry {
  readonly sha256: string
  /** Where there is to be a copy. */
  readonly accounts: ReadonlyArray<string>
  /** Known once the upload was answered. */
  id: string | undefined
  /** Once a client has tried to delete it, it may be gone; once it was told so, it must be. */
  deletion: "none" | "tried" | "answered"
}

export interface Ledger {
  /**
   * Uploads for the models of some accounts and writes down what came of it. A name is used once. Never rejects.
   */
  readonly upload: (client: OpenAI, filename: string, content: Buffer, accounts: ReadonlyArray<string>) => Promise<void>
  /** Deletes a file whose upload was answered. Never rejects. */
  readonly remove: (client: OpenAI, filename: string) => Promise<void>
  /** The names of the files whose upload was answered and that nobody has tried to delete. */
  readonly standing: () => ReadonlyArray<string>
  readonly answered: () => number
  readonly unanswered: () => number
  /**
   * Everything in which the installation differs from what clients were told. A copy that nobody owns is no
   * difference if the log says that it may be there.
   */
  readonly differences: (
    installation: Installation,
    server: ServerProcess,
    log?: ReadonlyArray<LogEntry>
  ) => Promise<ReadonlyArray<string>>
}

interface ReplicaObject {
  readonly account: string
  readonly state: string
}

const replicasOf = async (
  installation: Installation,
  server: ServerProcess,
  id: string
): Promise<ReadonlyArray<ReplicaObject>> => {
  const answer = await installation.call(server, `/v1/files/${id}/replicas`, { who: "admin" })
  return ((await answer.json()) as { readonly data: ReadonlyArray<ReplicaObject> }).data
}

const textOf = (annotations: unknown, name: string): unknown =>
  (annotations as Readonly<Record<string, unknown>> | undefined)?.[name]

/** Whether there is a warning of a copy with this name in this account. */
const suspects =
  (log: ReadonlyArray<LogEntry>) =>
  (account: string, filename: string): boolean =>
    log.some(
      ({ annotations, level, message }) =>
        level === "WARN" &&
        String(message).includes("Suspected orphan") &&
        textOf(annotations, "account") === account &&
        textOf(annotations, "filename") === filename
    )

/** What is wrong with one file that is listed. */
const checkListed = (
  { emulator }: Installation,
  { filename, id }: OpenAI.FileObject,
  entry: Entry,
  replicas: ReadonlyArray<ReplicaObject>
): ReadonlyArray<string> => {
  const found: Array<string> = []
  if (entry.id !== undefined && entry.id !== id) found.push(`${filename} has another ID`)
  if (entry.deletion === "answered") found.push(`${filename} was deleted and is listed`)
  for (const account of entry.accounts) {
    const state = replicas.find((replica) => replica.account === account)?.state
    if (state !== "ready") found.push(`${filename} is ${state} in ${account}`)
  }
  for (const { account, state } of replicas) {
    const copies = emulator.files(account).filter((file) => file.filename === filename)
    if (state !== "ready" && state !== "failed") found.push(`${filename} is ${state} in ${account}`)
    if (state === "ready" && copies.length === 0) found.push(`${filename} has no copy in ${account}`)
    if (copies.some((file) => file.sha256 !== entry.sha256)) found.push(`${filename} differs in ${account}`)
  }
  return found
}

export const make = (): Ledger => {
  const entries = new Map<string, Entry>()
  const all = (): ReadonlyArray<Entry> => [...entries.values()]

  const differences: Ledger["differences"] = async (installation, server, log = []) => {
    const found: Array<string> = []
    const client = installation.client(server, "admin")
    const listed = (await client.files.list({ limit: 10_000 })).data
    const owned = new Set<string>()
    for (const file of listed) {
      const entry = entries.get(file.filename)
      const content = Buffer.from(await (await client.files.content(file.id)).arrayBuffer())
      if (entry?.sha256 !== sha256(content)) found.push(`${file.filename} has other content`)
      if (entry === undefined) continue
      const replicas = await replicasOf(installation, server, file.id)
      found.push(...checkListed(installation, file, entry, replicas))
      for (const { account, state } of replicas) if (state === "ready") owned.add(`${account} ${file.filename}`)
    }
    for (const [filename, { deletion, id }] of entries) {
      const isMissing = !listed.some((file) => file.filename === filename)
      if (id !== undefined && deletion === "none" && isMissing) found.push(`${filename} was answered and is not listed`)
    }
    const isSuspected = suspects([...log, ...server.logs()])
    for (const account of installation.accounts) {
      for (const { filename } of installation.emulator.files(account)) {
        // A second copy of the same name is one too many.
        const isOwned = owned.delete(`${account} ${filename}`)
        if (!isOwned && !isSuspected(account, filename)) found.push(`${account} has ${filename}, which nobody owns`)
      }
    }
    const blobs = filesIn(`${installation.data}/blobs`)
    if (blobs.length !== listed.length) {
      found.push(`${blobs.length} blobs for ${listed.length} files: ${blobs.map(({ path }) => path).join(" ")}`)
    }
    return found
  }

  return {
    upload: async (client, filename, content, accounts) => {
      const entry: Entry = { sha256: sha256(content), accounts, id: undefined, deletion: "none" }
      entries.set(filename, entry)
      const models = { target_model_names: accounts.join(",") }
      try {
        const file = await toFile(content, filename)
        entry.id = (await client.files.create({ file, purpose: "user_data", ...models })).id
      } catch {
        // It was refused, or cut off by the end of the server: then nothing was promised.
      }
    },
    remove: async (client, filename) => {
      const entry = entries.get(filename)
      if (entry?.id === undefined) throw new Error(`the upload of ${filename} has not been answered`)
      entry.deletion = "tried"
      try {
        await client.files.delete(entry.id)
        entry.deletion = "answered"
      } catch {
        // The server was killed before, or after it was done.
      }
    },
    standing: () =>
      [...entries].flatMap(([filename, { deletion, id }]) =>
        id !== undefined && deletion === "none" ? [filename] : []
      ),
    answered: () => all().filter(({ id }) => id !== undefined).length,
    unanswered: () => all().filter(({ id }) => id === undefined).length,
    differences
  }
}
