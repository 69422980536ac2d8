/** Whether what clients were told, what the registry says, and what providers and the disk have is one and the same. */
import postgres from "postgres"
import { filesIn } from "../support/Installation.ts"
import { sha256 } from "../support/Samples.ts"
import type { Clients, Upload } from "./Clients.ts"
import type { Cluster } from "./Cluster.ts"
import { accounts } from "./Schedule.ts"

interface Copy {
  readonly account: string
  readonly state: string
  readonly remoteId: string | null
}

interface FileRow {
  readonly key: string
  readonly id: string | null
  readonly state: string
  readonly filename: string
  readonly purpose: string
  readonly kept: boolean
  readonly replicas: ReadonlyArray<Copy>
  readonly lostUploads: ReadonlyArray<unknown>
}

interface JobRow {
  readonly key: string
  readonly kind: string
  readonly id: string | null
  readonly state: string
  readonly account: string
  readonly remoteId: string | null
}

export interface Books {
  /** Work that is left, and copies that only one side knows. Empty when all has settled. */
  readonly open: () => Promise<ReadonlyArray<string>>
  /** Every promise that does not hold, once all has settled. */
  readonly broken: () => Promise<ReadonlyArray<string>>
  /** How much there is. */
  readonly totals: () => Promise<Readonly<Record<string, number>>>
  readonly close: () => Promise<void>
}

const settledReplicas = new Set(["ready", "failed", "expired"])

/** What is left to do about a row. */
const openWork = ({ filename, key, lostUploads, replicas, state }: FileRow): ReadonlyArray<string> => [
  ...(state === "ready" || state === "deleted" ? [] : [`${filename} (${key}) is ${state}`]),
  ...(lostUploads.length === 0 ? [] : [`${filename} has ${lostUploads.length} lost uploads`]),
  ...replicas
    .filter((copy) => !settledReplicas.has(copy.state))
    .map((copy) => `${filename} is ${copy.state} in ${copy.account}`)
]

export const open = ({ client, database, installation, schema }: Cluster, clients: Clients): Books => {
  const { emulator } = installation
  const sql = postgres(database, { max: 1, connection: { search_path: schema }, onnotice: () => {} })
  const rowsOf = async <Row>(collection: string): Promise<ReadonlyArray<Row>> =>
    (await sql<Array<{ readonly value: string }>>`SELECT value FROM records WHERE collection = ${collection}`).map(
      ({ value }) => JSON.parse(value) as Row
    )

  /** Copies that one side has and the other does not. */
  const copyDifferences = (rows: ReadonlyArray<FileRow>): ReadonlyArray<string> => {
    const owned = new Map<string, string>()
    for (const { filename, replicas } of rows) {
      for (const { account, remoteId, state } of replicas) {
        if (remoteId !== null && state === "ready") owned.set(`${account}/${remoteId}`, filename)
      }
    }
    const found: Array<string> = []
    for (const account of accounts) {
      for (const { filename, id } of emulator.files(account)) {
        if (!owned.delete(`${account}/${id}`)) found.push(`no row owns ${filename} (${id}) in ${account}`)
      }
    }
    for (const [place, filename] of owned) found.push(`${filename} is not at ${place}`)
    return found
  }

  const jobDifferences = (jobs: ReadonlyArray<JobRow>): ReadonlyArray<string> => {
    const known = new Set(jobs.map(({ account, remoteId }) => `${account}/${remoteId}`))
    const runs = accounts.flatMap((account) => emulator.batches(account).map((batch) => ({ account, ...batch })))
    const names = runs.map(({ metadata }) => metadata?.["name"] ?? "a batch of nobody")
    return [
      ...jobs.filter(({ state }) => state !== "ended").map(({ key, state }) => `the job ${key} is ${state}`),
      ...runs
        .filter(({ account, id }) => !known.has(`${account}/${id}`))
        .map(({ account, id, metadata }) => `${metadata?.["name"]} runs unseen as ${id} in ${account}`),
      ...names.filter((name, index) => names.indexOf(name) < index).map((name) => `${name} ran more than once`)
    ]
  }

  /** Parts of uploads that were never completed are kept until those expire. */
  const contentDifferences = (rows: ReadonlyArray<FileRow>, parts: number): ReadonlyArray<string> => {
    const kept = rows.filter((row) => row.state === "ready" && row.kept).length + parts
    const blobs = filesIn(`${installation.data}/blobs`).length
    return kept === blobs ? [] : [`${blobs} contents on the disk for ${kept} files and parts that have one`]
  }

  /** What is wrong with an upload, given the IDs under which its name is listed. */
  const uploadDifferences = async (upload: Upload, listed: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
    const { deletion, id, name, outcome } = upload
    const found: Array<string> = []
    if (listed.length > 1) found.push(`${name} is there ${listed.length} times`)
    if (id !== undefined && listed.length > 0 && !listed.includes(id)) found.push(`${name} has another ID`)
    if (deletion === "answered" && listed.length > 0) found.push(`${name} was deleted and is there`)
    if (outcome === "refused" && listed.length > 0) found.push(`${name} was refused and is there`)
    if (outcome === "answered" && deletion === "none" && listed.length === 0) found.push(`${name} is lost`)
    for (const each of listed) {
      const answer = await (await client(listed.length + found.length)).files.content(each)
      const digest = sha256(Buffer.from(await answer.arrayBuffer()))
      if (digest !== upload.sha256) found.push(`${name} has other content`)
    }
    return found
  }

  return {
    open: async () => {
      const [rows, jobs] = [await rowsOf<FileRow>("files"), await rowsOf<JobRow>("jobs")]
      const parts = (await rowsOf<unknown>("upload_parts")).length
      return [
        ...rows.flatMap(openWork),
        ...copyDifferences(rows),
        ...jobDifferences(jobs),
        ...contentDifferences(rows, parts)
      ]
    },
    broken: async () => {
      const found: Array<string> = [...clients.contradictions]
      const listed = new Map<string, Array<string>>()
      for await (const { filename, id, purpose } of (await client(1)).files.list({ limit: 1_000 })) {
        if (purpose === "batch_output") continue
        const ids = listed.get(filename) ?? []
        listed.set(filename, [...ids, id])
      }
      for (const upload of clients.uploads.values()) {
        found.push(...(await uploadDifferences(upload, listed.get(upload.name) ?? [])))
        listed.delete(upload.name)
        if (upload.deletion !== "answered" || upload.id === undefined) continue
        const status = await (await client(2)).files.retrieve(upload.id).then(
          () => 200,
          (error: { readonly status?: unknown }) => error.status
        )
        if (status !== 404) found.push(`${upload.name} was deleted and answers ${String(status)}`)
      }
      for (const name of listed.keys()) found.push(`${name} is there, and nobody has uploaded it`)
      for await (const { id, metadata, output_file_id, status } of (await client(0)).batches.list({ limit: 100 })) {
        const batch = clients.batches.get(metadata?.["name"] ?? "")
        if (batch === undefined) found.push(`the batch ${id} is nobody's`)
        else if (batch.id !== undefined && batch.id !== id) found.push(`${batch.name} has two IDs`)
        else if (status !== "completed" || typeof output_file_id !== "string")
          found.push(`${batch.name} ended ${status}`)
        else {
          const output = await (await client(0)).files.content(output_file_id)
          if (!(await output.text()).includes(batch.name)) found.push(`${batch.name} has the output of another batch`)
        }
      }
      return found
    },
    totals: async () => {
      const rows = (await rowsOf<FileRow>("files")).filter(({ state }) => state === "ready")
      return {
        "files that are there": rows.length,
        "copies of them at providers": accounts.reduce((sum, account) => sum + emulator.files(account).length, 0),
        "deletions that were answered": [...clients.uploads.values()].filter(({ deletion }) => deletion === "answered")
          .length,
        "batches that ran": accounts.reduce((sum, account) => sum + emulator.batches(account).length, 0)
      }
    },
    close: () => sql.end({ timeout: 1 })
  }
}
