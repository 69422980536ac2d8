/** Files as OpenAI's API describes them. Times in seconds since 1970. */
import type { FilePage } from "@omnifile/core/Files"
import type { ManagedFile, Replica } from "@omnifile/core/ManagedFile"

const seconds = (millis: number): number => Math.floor(millis / 1000)

export const fileObject = (file: ManagedFile) => ({
  id: file.id,
  object: "file" as const,
  bytes: file.bytes,
  created_at: seconds(file.createdAt),
  ...(file.expiresAt === null ? {} : { expires_at: seconds(file.expiresAt) }),
  filename: file.filename,
  purpose: file.purpose,
  status: "processed" as const
})

export const fileList = ({ files, hasMore }: FilePage) => ({
  object: "list" as const,
  data: files.map(fileObject),
  first_id: files[0]?.id ?? null,
  last_id: files.at(-1)?.id ?? null,
  has_more: hasMore
})

export const deleted = (file: ManagedFile) => ({ id: file.id, object: "file" as const, deleted: true as const })

/** From the state that is best for a client to the worst. */
const states: ReadonlyArray<Replica["state"]> = ["ready", "processing", "pending", "expired", "failed", "deleting"]

/** One copy for each account: of several variants the one that is best off. */
const bestOf = (replicas: ReadonlyArray<Replica>): ReadonlyArray<Replica> => {
  const best = new Map<string, Replica>()
  for (const replica of replicas) {
    const known = best.get(replica.account)
    const isBetter = known === undefined || states.indexOf(replica.state) < states.indexOf(known.state)
    if (isBetter) best.set(replica.account, replica)
  }
  return [...best.values()]
}

/** The state of the file in each account, without the provider's ID for it. */
export const replicaList = (replicas: ReadonlyArray<Replica>) => ({
  object: "list" as const,
  data: bestOf(replicas).map(({ account, createdAt, error, expiresAt, state, updatedAt }) => ({
    object: "file.replica" as const,
    account,
    state,
    created_at: seconds(createdAt),
    updated_at: seconds(updatedAt),
    expires_at: expiresAt === null ? null : seconds(expiresAt),
    error
  }))
})
