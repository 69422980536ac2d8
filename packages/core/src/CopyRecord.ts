/** What the end of an upload makes of the file's row: a copy in its place, or none, and what is left to delete. */
import {
  findReplica,
  isLive,
  LostUpload,
  type ManagedFile,
  Replica,
  update,
  withLostUploads,
  withReplica
} from "./ManagedFile.ts"

/** The place of a copy is ours while it holds our intent, this very copy, or nothing that is worth keeping. */
const isOurs = (held: Replica | undefined, copy: string | null, instance: string, now: number): boolean => {
  if (held === undefined) return true
  if (held.state === "pending") return held.instance === instance
  if (copy !== null && held.remoteId === copy) return true
  return held.state !== "processing" && !isLive(held, now)
}

/**
 * The row with a copy that has been made, and with the uploads that were lost on the way. In a row that is
 * being deleted the copy is one to delete, and where another copy has taken its place meanwhile, too.
 */
export const made = (
  row: ManagedFile,
  copy: Replica,
  instance: string,
  lost: ReadonlyArray<LostUpload>,
  now: number
): ManagedFile => {
  if (!isOurs(findReplica(row, copy.account, copy.variant), copy.remoteId, instance, now)) {
    const { account, bytes, createdAt, remoteId, variant } = copy
    const surplus = new LostUpload({ account, variant, bytes, remoteId, startedAt: createdAt, endedAt: now })
    return withLostUploads(row, [...lost, surplus], now)
  }
  // A copy in the place of another one is as much in use as that was.
  const usedAt = findReplica(row, copy.account, copy.variant)?.usedAt ?? null
  const placed = usedAt === null ? copy : new Replica({ ...copy, usedAt })
  const after =
    row.state === "creating" || row.state === "ready"
      ? withReplica(row, placed)
      : update(withReplica(row, new Replica({ ...placed, state: "deleting" })), { state: "deleting", dueAt: now })
  return withLostUploads(after, lost, now)
}

/**
 * The row after an upload of this instance that came to nothing. Undefined if that changes nothing. A lost copy
 * that the row turns out to have is not lost.
 */
export const failed = (
  row: ManagedFile,
  account: string,
  variant: string,
  instance: string,
  message: string,
  lost: ReadonlyArray<LostUpload>,
  now: number
): ManagedFile | undefined => {
  const held = findReplica(row, account, variant)
  const given = lost.find(({ remoteId }) => remoteId !== null)?.remoteId ?? null
  const hasIt = held?.state === "ready" && held.remoteId !== null && held.remoteId === given
  const open = hasIt ? lost.filter(({ remoteId }) => remoteId === null) : lost
  const ours =
    (held?.state === "pending" && held.instance === instance) ||
    (held?.state === "processing" && held.remoteId === given)
  if (!ours) return open.length === 0 ? undefined : withLostUploads(row, open, now)
  const gone = { ...held, state: "failed", remoteId: null, instance: null, updatedAt: now, error: message } as const
  return withLostUploads(withReplica(row, new Replica(gone)), open, now)
}
