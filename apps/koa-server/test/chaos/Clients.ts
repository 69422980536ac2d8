/** What clients do in a campaign, and what they were told: the side of the books that omnifile has to agree with. */
import OpenAI, { toFile } from "openai"
import { sha256 } from "../support/Samples.ts"
import type { Cluster } from "./Cluster.ts"
import { contentAt, type Operation, serverAt } from "./Schedule.ts"

/** What a client knows of what it asked for: the answer was cut off, or said so. */
type Outcome = "answered" | "refused" | "unknown"

export interface Upload {
  readonly name: string
  readonly sha256: string
  readonly accounts: ReadonlyArray<string>
  /** Known once it was answered. */
  id: string | undefined
  outcome: Outcome
  deletion: "none" | Outcome
}

interface Batch {
  /** What its metadata says. */
  readonly name: string
  id: string | undefined
  outcome: Outcome
}

export interface Clients {
  readonly perform: (number: number, operation: Operation) => Promise<void>
  /** By name. */
  readonly uploads: ReadonlyMap<string, Upload>
  readonly batches: ReadonlyMap<string, Batch>
  /** What clients were told that cannot be. */
  readonly contradictions: ReadonlyArray<string>
  /** How often each operation ended how. */
  readonly counts: ReadonlyMap<string, number>
}

/** A refusal promises that nothing was done; other failures of a server promise nothing. */
const outcomeOf = (error: unknown): Outcome =>
  error instanceof OpenAI.APIError && typeof error.status === "number" && error.status !== 500 && error.status !== 503
    ? "refused"
    : "unknown"

const lineOf = (name: string, model: string): string =>
  JSON.stringify({
    custom_id: name,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model, messages: [{ role: "user", content: name }] }
  })

export const make = (cluster: Cluster, seed: number): Clients => {
  const uploads = new Map<string, Upload>()
  const batches = new Map<string, Batch>()
  const contradictions: Array<string> = []
  const counts = new Map<string, number>()
  const count = (operation: string, outcome: string): void => {
    const name = `${operation} ${outcome}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }

  const clientOf = (number: number, step = 0): Promise<OpenAI> =>
    cluster.client(serverAt(seed, number, cluster.size) + step)

  const standing = (pick: number): Upload | undefined => {
    const known = [...uploads.values()].filter(({ deletion, id }) => id !== undefined && deletion === "none")
    return known[Math.floor(pick * known.length)]
  }

  /** Sends a file to as many servers at once, under one key if to several. */
  const create = async (number: number, content: Buffer, entry: Upload, purpose: OpenAI.FilePurpose, times: number) => {
    uploads.set(entry.name, entry)
    const { name } = entry
    const results = await Promise.allSettled(
      Array.from({ length: times }, async (_, step) => {
        const client = await clientOf(number, step)
        const file = await toFile(content, name)
        const models = entry.accounts.length === 0 ? {} : { target_model_names: entry.accounts.join(",") }
        const headers = times > 1 ? { "idempotency-key": name } : {}
        return client.files.create({ file, purpose, ...models }, { headers })
      })
    )
    const ids = new Set(results.flatMap((result) => (result.status === "fulfilled" ? [result.value.id] : [])))
    const [id] = ids
    entry.id = id
    const failures = results.flatMap((result) => (result.status === "rejected" ? [outcomeOf(result.reason)] : []))
    entry.outcome = id !== undefined ? "answered" : failures.includes("unknown") ? "unknown" : "refused"
    if (id === undefined) throw results.find((result) => result.status === "rejected")?.reason
    if (ids.size > 1) contradictions.push(`${name} was made ${ids.size} times under one key`)
    return id
  }

  const createInParts = async (number: number, content: Buffer, entry: Upload): Promise<void> => {
    uploads.set(entry.name, entry)
    const begin = await clientOf(number)
    const models = { target_model_names: entry.accounts.join(",") }
    const about = { filename: entry.name, bytes: content.length, mime_type: "application/octet-stream" }
    // Nothing is there before the upload is completed.
    entry.outcome = "refused"
    const session = await begin.uploads.create({ ...about, purpose: "user_data", ...models })
    const half = content.length >> 1
    const parts = await Promise.all(
      [content.subarray(0, half), content.subarray(half)].map(async (part, step) => {
        const client = await clientOf(number, step + 1)
        return client.uploads.parts.create(session.id, { data: await toFile(part, "part") })
      })
    )
    const client = await clientOf(number, 2)
    try {
      const completed = await client.uploads.complete(session.id, { part_ids: parts.map(({ id }) => id) })
      entry.id = completed.file?.id
      entry.outcome = "answered"
    } catch (error) {
      entry.outcome = outcomeOf(error)
      throw error
    }
  }

  const entryOf = (name: string, content: Buffer, accounts: ReadonlyArray<string>): Upload => ({
    name,
    sha256: sha256(content),
    accounts,
    id: undefined,
    outcome: "unknown",
    deletion: "none"
  })

  const readsBack = async (client: OpenAI, { deletion, id = "", name, sha256: expected }: Upload): Promise<void> => {
    const content = Buffer.from(await (await client.files.content(id)).arrayBuffer())
    if (sha256(content) !== expected) contradictions.push(`${name} read back as something else`)
    if (deletion === "answered") contradictions.push(`${name} could be read after its deletion`)
  }

  const remove = async (client: OpenAI, entry: Upload): Promise<void> => {
    entry.deletion = "unknown"
    try {
      await client.files.delete(entry.id ?? "")
      entry.deletion = "answered"
    } catch (error) {
      // A job that is not over reads it.
      if (outcomeOf(error) === "refused") entry.deletion = "none"
      throw error
    }
  }

  const batch = async (number: number, account: string): Promise<void> => {
    const name = `batch-${number}`
    const content = Buffer.from(`${lineOf(name, account)}\n`)
    const input = await create(number, content, entryOf(`${name}.jsonl`, content, [account]), "batch", 1)
    const entry: Batch = { name, id: undefined, outcome: "unknown" }
    batches.set(name, entry)
    const client = await clientOf(number, 1)
    const endpoint = "/v1/chat/completions" as const
    const request = { input_file_id: input, endpoint, completion_window: "24h", metadata: { name } } as const
    try {
      entry.id = (await client.batches.create(request)).id
      entry.outcome = "answered"
    } catch (error) {
      entry.outcome = outcomeOf(error)
      throw error
    }
  }

  const use = async (
    client: OpenAI,
    entry: Upload,
    operation: Extract<Operation, { readonly _tag: "Read" | "Delete" | "Chat" }>
  ): Promise<void> => {
    try {
      if (operation._tag === "Read") await readsBack(client, entry)
      else if (operation._tag === "Delete") await remove(client, entry)
      else {
        const content = [{ type: "file" as const, file: { file_id: entry.id ?? "" } }]
        await client.chat.completions.create({ model: operation.account, messages: [{ role: "user", content }] })
      }
    } catch (error) {
      if (error instanceof OpenAI.NotFoundError && entry.deletion === "none") {
        contradictions.push(`${entry.name} was not found: ${operation._tag} ${error.message}`)
      }
      throw error
    }
  }

  const run = async (number: number, operation: Operation): Promise<boolean> => {
    switch (operation._tag) {
      case "Upload": {
        const content = contentAt(seed, number, operation.bytes)
        const entry = entryOf(`file-${number}.bin`, content, operation.accounts)
        await create(number, content, entry, "user_data", operation.twice ? 2 : 1)
        return true
      }
      case "Parts": {
        const content = contentAt(seed, number, operation.bytes)
        await createInParts(number, content, entryOf(`parts-${number}.bin`, content, [operation.account]))
        return true
      }
      case "Batch":
        await batch(number, operation.account)
        return true
      case "List":
        await (await clientOf(number)).files.list({ limit: 100 })
        return true
      default: {
        const entry = standing(operation.pick)
        if (entry === undefined) return false
        await use(await clientOf(number), entry, operation)
        return true
      }
    }
  }

  return {
    uploads,
    batches,
    contradictions,
    counts,
    perform: async (number, operation) => {
      try {
        const isDone = await run(number, operation)
        count(operation._tag, isDone ? "answered" : "left out")
      } catch (error) {
        const status = error instanceof OpenAI.APIError ? error.status : undefined
        if (status === 500) contradictions.push(`${operation._tag} ${number} was answered with 500`)
        count(operation._tag, typeof status === "number" ? `refused with ${status}` : "cut off")
      }
    }
  }
}
