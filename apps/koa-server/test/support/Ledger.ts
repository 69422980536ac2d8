/**
 * What clients did to an installation and what they were told, and whether the installation agrees: every file
 * that is there is whole, everywhere, and nothing else is anywhere.
 */
import type OpenAI from "openai"
import { toFile } from "openai"
import { filesIn, type Installation } from "./Installation.ts"
import { sha256 } from "./Samples.ts"
import type { LogEntry, ServerProcess } from "./ServerProcess.ts"

interface Upload {
  readonly filename: string
  /** No two uploads have the same: it is what files are told apart by. */
  readonly content: Uint8Array
  /** Where there is to be a copy. */
  readonly accounts: ReadonlyArray<string>
}

interface Entry {
  /** For people who read what is wrong. */
  readonly name: string
  readonly accounts: ReadonlyArray<string>
  /** Known once the upload was answered. */
  id: string | undefined
  /** Once a client has tried to delete it, it may be gone; once it was told so, it must be. */
  deletion: "none" | "tried" | "answered"
}

/** An uploaded file of the ledger. */
export type Standing = Readonly<Entry> & { readonly id: string }

export interface Ledger {
  /** Uploads for the models of some accounts and writes down what came of it. Never rejects. */
  readonly upload: (client: OpenAI, upload: Upload) => Promise<Standing | undefined>
  /** Deletes a file and writes down what came of it. Never rejects. */
  readonly remove: (client: OpenAI, file: Standing) => Promise<void>
  /** The files whose upload was answered and that nobody has tried to delete. */
  readonly standing: () => ReadonlyArray<Standing>
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

const field = (annotations: unknown, name: string): unknown =>
  (annotations as Readonly<Record<string, unknown>> | undefined)?.[name]

/** Whether there is a warning of a copy like this in the account. */
const suspects =
  (log: ReadonlyArray<LogEntry>) =>
  (account: string, { bytes, filename }: { readonly bytes: number; readonly filename: string }): boolean =>
    log.some(
      ({ annotations, level, message }) =>
        level === "WARN" &&
        String(message).includes("Suspected orphan") &&
        field(annotations, "account") === account &&
        field(annotations, "filename") === filename &&
        field(annotations, "bytes") === bytes
    )

/** What is wrong with a file that is listed, seen from its entry. */
const checkListed = (
  id: string,
  { accounts, deletion, id: told, name }: Entry,
  replicas: ReadonlyArray<ReplicaObject>
): ReadonlyArray<string> => {
  const found: Array<string> = []
  if (told !== undefined && told !== id) found.push(`${name} has another ID`)
  if (deletion === "answered") found.push(`${name} was deleted and is listed`)
  for (const { account, state } of replicas) {
    const isSettled = state === "ready" || (state === "failed" && !accounts.includes(account))
    if (!isSettled) found.push(`${name} is ${state} in ${account}`)
  }
  for (const account of accounts) {
    if (!replicas.some((replica) => replica.account === account)) found.push(`${name} is not in ${account}`)
  }
  return found
}

/** What the accounts have beyond, and lack of, the copies that are owned, each as account and digest. */
const checkCopies = (
  { accounts, emulator }: Installation,
  owned: ReadonlySet<string>,
  nameOf: (digest: string) => string,
  isSuspected: ReturnType<typeof suspects>
): ReadonlyArray<string> => {
  const left = new Set(owned)
  const found: Array<string> = []
  for (const account of accounts) {
    for (const copy of emulator.files(account)) {
      // A second copy of the same content is one too many.
      const isOwned = left.delete(`${account} ${copy.sha256}`)
      if (!isOwned && !isSuspected(account, copy)) found.push(`nobody owns ${nameOf(copy.sha256)} in ${account}`)
    }
  }
  for (const copy of left) {
    const [account = "", digest = ""] = copy.split(" ")
    found.push(`${nameOf(digest)} is gone from ${account}`)
  }
  return found
}

export const make = (): Ledger => {
  const entries = new Map<string, Entry>()
  const all = (): ReadonlyArray<Entry> => [...entries.values()]
  const nameOf = (digest: string): string => entries.get(digest)?.name ?? `something unknown (${digest})`

  const differences: Ledger["differences"] = async (installation, server, log = []) => {
    const found: Array<string> = []
    const client = installation.client(server, "admin")
    const listed = (await client.files.list({ limit: 10_000 })).data
    const seen = new Set<Entry>()
    const owned = new Set<string>()
    for (const { id } of listed) {
      const digest = sha256(Buffer.from(await (await client.files.content(id)).arrayBuffer()))
      const entry = entries.get(digest)
      if (entry === undefined || seen.has(entry)) {
        found.push(`${nameOf(digest)} is listed and should not be`)
        continue
      }
      seen.add(entry)
      const replicas = await replicasOf(installation, server, id)
      found.push(...checkListed(id, entry, replicas))
      for (const { account, state } of replicas) if (state === "ready") owned.add(`${account} ${digest}`)
    }
    for (const entry of all()) {
      if (entry.id !== undefined && entry.deletion === "none" && !seen.has(entry)) {
        found.push(`${entry.name} was answered and is not listed`)
      }
    }
    found.push(...checkCopies(installation, owned, nameOf, suspects([...log, ...server.logs()])))
    const blobs = filesIn(`${installation.data}/blobs`)
    if (blobs.length !== listed.length) {
      found.push(`${blobs.length} blobs for ${listed.length} files: ${blobs.map(({ path }) => path).join(" ")}`)
    }
    return found
  }

  return {
    upload: async (client, { accounts, content, filename }) => {
      const entry: Entry = { name: `${filename} (${entries.size})`, accounts, id: undefined, deletion: "none" }
      entries.set(sha256(content), entry)
      const models = { target_model_names: accounts.join(",") }
      try {
        const file = await toFile(content, filename)
        const { id } = await client.files.create({ file, purpose: "user_data", ...models })
        return Object.assign(entry, { id })
      } catch {
        // It was refused, or cut off by the end of the server: then nothing was promised.
        return undefined
      }
    },
    remove: async (client, file) => {
      const entry = all().find(({ id }) => id === file.id)
      if (entry === undefined) throw new Error(`${file.id} is not in the ledger`)
      entry.deletion = "tried"
      try {
        await client.files.delete(file.id)
        entry.deletion = "answered"
      } catch {
        // The server was killed before, or after it was done.
      }
    },
    standing: () =>
      all().flatMap((entry) =>
        entry.id !== undefined && entry.deletion === "none" ? [{ ...entry, id: entry.id }] : []
      ),
    answered: () => all().filter(({ id }) => id !== undefined).length,
    unanswered: () => all().filter(({ id }) => id === undefined).length,
    differences
  }
}
