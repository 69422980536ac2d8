/** What holds whenever background work has come to rest. */
import { decode } from "./FakeProvider.ts"
import type { World } from "./World.ts"

export interface Allowed {
  /** Accounts where copies may lie that no file owns. */
  readonly shared?: ReadonlyArray<string>
  /** Copies that the provider has dropped, which nobody may have noticed yet. */
  readonly dropped?: ReadonlySet<string>
}

/** What is wrong, in words; nothing if all is well. */
export const problems = (world: World, { dropped = new Set(), shared = [] }: Allowed = {}): ReadonlyArray<string> => {
  const found: Array<string> = []
  const rows = world.storage.rows()
  const owned = new Set(
    rows.flatMap(({ replicas, state }) =>
      state === "ready" ? replicas.flatMap(({ account, remoteId }) => `${account} ${remoteId}`) : []
    )
  )
  for (const { account, filename, id } of world.provider.files()) {
    if (!owned.has(`${account} ${id}`) && !shared.includes(account)) {
      found.push(`no file owns ${id} (${filename}) in ${account}`)
    }
  }
  for (const row of rows) {
    if (row.state !== "ready" && row.state !== "deleted") found.push(`${row.key} is ${row.state}`)
    if (row.lostUploads.length > 0) found.push(`${row.key} has ${row.lostUploads.length} lost uploads`)
    for (const { account, bytes, remoteId, state } of row.replicas) {
      const copy = world.account(account).files.get(remoteId ?? "")
      if (state === "pending" || state === "processing" || state === "deleting") {
        found.push(`${row.key} has a copy in ${account} that is ${state}`)
      }
      if (state === "ready" && copy === undefined && !dropped.has(remoteId ?? ""))
        found.push(`${row.key} has no copy ${remoteId} in ${account}`)
      if (state === "ready" && copy !== undefined && copy.content.byteLength !== (bytes ?? row.bytes)) {
        found.push(`${row.key} has ${decode(copy.content)} in ${account}`)
      }
    }
  }
  const kept = new Set(rows.flatMap(({ key, kept, state }) => (state === "ready" && kept ? [key] : [])))
  for (const key of world.storage.blobKeys()) if (!kept.has(key)) found.push(`no file owns the content ${key}`)
  for (const key of kept) if (!world.storage.blobKeys().includes(key)) found.push(`${key} has no content`)
  return found
}
