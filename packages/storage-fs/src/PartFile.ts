/**
 * The files of unfinished writes. Their names say for which key they are and which process writes them, so
 * that writers of one key never share a file, and what a process left behind when it died can be told from
 * what a living one is working on.
 */
import { hash, randomUUID } from "node:crypto"
import { hostname } from "node:os"

/** Who writes a part file: a process is known on its own host only. */
interface PartFile {
  readonly key: string
  readonly host: string
  readonly pid: number
}

const pattern = /^(.+)\.([0-9a-f]{8})-([0-9]+)-[0-9a-f]{8}\.part$/

const thisHost = (): string => hash("sha256", hostname()).slice(0, 8)

/** A new name for a file in which this process writes the content of the key. */
export const name = (key: string): string => `${key}.${thisHost()}-${process.pid}-${randomUUID().slice(0, 8)}.part`

export const parse = (filename: string): PartFile | undefined => {
  const [, key, host, pid] = pattern.exec(filename) ?? []
  return key === undefined || host === undefined ? undefined : { key, host, pid: Number(pid) }
}

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** After so long without a write the writer is taken for dead, whatever host it was on. */
const abandonedAfterMillis = 24 * 60 * 60 * 1000

/** Whether nobody writes the file any more. */
export const isAbandoned = ({ host, pid }: PartFile, modifiedMillis: number): boolean => {
  if (Date.now() - modifiedMillis > abandonedAfterMillis) return true
  if (host !== thisHost()) return false
  // An earlier process may have had our number, above all in a container.
  const startedMillis = Date.now() - process.uptime() * 1000
  return pid === process.pid ? modifiedMillis < startedMillis : !isRunning(pid)
}
