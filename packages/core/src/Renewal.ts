/** Copies of files that are in use, made again before they expire, so that no call has to wait for it. */
import { lastUse, leadOf, type ManagedFile, originalVariant, type Replica, update } from "./ManagedFile.ts"
import { callLead, type FileSettings } from "./Settings.ts"

/** When the copy is to be made again; null if that is left to the call that needs it. Milliseconds since 1970. */
export const dueAt = (file: ManagedFile, replica: Replica, settings: FileSettings): number | null => {
  const { expiresAt, state, variant } = replica
  const { prefetchWindow } = settings
  if (prefetchWindow === 0 || state !== "ready" || variant !== originalVariant || expiresAt === null) return null
  if (!file.kept || (file.expiresAt !== null && file.expiresAt <= expiresAt)) return null
  const due = expiresAt - leadOf(replica, callLead(settings))
  return lastUse(replica) + prefetchWindow > due ? due : null
}

/** The copies that are to be made again now. */
export const due = (file: ManagedFile, now: number, settings: FileSettings): ReadonlyArray<Replica> =>
  file.replicas.filter((replica) => {
    const at = dueAt(file, replica, settings)
    return at !== null && at <= now
  })

/** The row, due no later than the first of its copies. */
export const schedule = (file: ManagedFile, settings: FileSettings): ManagedFile => {
  const times = file.replicas.flatMap((replica) => dueAt(file, replica, settings) ?? [])
  return times.length === 0 ? file : update(file, { dueAt: Math.min(...times, file.dueAt ?? Infinity) })
}
