/** Under which index entries a file row is found. */
import { scopesOfOwner, type Scope } from "./Access.ts"
import { lastUse, type ManagedFile, type Purpose } from "./ManagedFile.ts"
import type { IndexEntry, Position } from "./RegistryBackend.ts"

/** Milliseconds as text that sorts like the number. */
export const instant = (millis: number): string => String(Math.max(0, Math.trunc(millis))).padStart(15, "0")

/** The partition of the `list` index for one scope, and one purpose or all. */
export const listPartition = (scope: Scope, purpose: Purpose | null): string =>
  purpose === null ? scope : `${scope}?${purpose}`

/** Where a file stands in lists. */
export const listPosition = (file: ManagedFile): Position => ({ sort: instant(file.createdAt), key: file.key })

/** The partition of the `remote` index for one provider copy. */
export const remotePartition = (account: string, remoteId: string): string =>
  `${account}/${encodeURIComponent(remoteId)}`

const usesOf = ({ replicas }: ManagedFile) =>
  replicas.filter(({ container, remoteId, state }) => state === "ready" && container === null && remoteId !== null)

/** Where a file stands among those with copies, by the copy that has been idle longest. */
export const usePosition = (file: ManagedFile): Position => ({
  sort: instant(Math.min(...usesOf(file).map(lastUse))),
  key: file.key
})

export const fileEntries = (file: ManagedFile): ReadonlyArray<IndexEntry> => {
  const entries: Array<IndexEntry> = []
  if (file.state === "ready") {
    const partitions = scopesOfOwner(file.owner).flatMap((scope) => [
      listPartition(scope, null),
      listPartition(scope, file.purpose)
    ])
    entries.push({ index: "list", partitions, sort: instant(file.createdAt) })
  }
  const copies = file.state === "ready" ? usesOf(file) : []
  if (copies.length > 0) {
    const partitions = [...new Set(copies.map(({ account }) => account))]
    entries.push({ index: "use", partitions, sort: usePosition(file).sort })
  }
  if (file.dueAt !== null) entries.push({ index: "due", partitions: ["all"], sort: instant(file.dueAt) })
  const uploading = file.replicas.filter((replica) => replica.state === "pending").map((replica) => replica.account)
  if (uploading.length > 0) {
    entries.push({ index: "uploads", partitions: [...new Set(uploading)], sort: instant(file.createdAt) })
  }
  const remote = [...file.replicas, ...file.lostUploads].flatMap(({ account, remoteId }) =>
    remoteId === null ? [] : [remotePartition(account, remoteId)]
  )
  if (remote.length > 0) entries.push({ index: "remote", partitions: [...new Set(remote)], sort: "" })
  return entries
}
