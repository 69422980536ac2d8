/** Resident memory of another process, in MB, as Linux tells it. Elsewhere every figure is NaN. */
import { readFile, writeFile } from "node:fs/promises"

const readField = async (pid: number, field: string): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "")
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]
  return kibibytes === undefined ? Number.NaN : (Number(kibibytes) * 1024) / 1e6
}

export const resident = (pid: number): Promise<number> => readField(pid, "VmRSS")

/** The most since the process began, or since `resetPeak`. */
export const peak = (pid: number): Promise<number> => readField(pid, "VmHWM")

/** Where it may not be done, the peak is that of the whole life of the process. */
export const resetPeak = (pid: number): Promise<void> => writeFile(`/proc/${pid}/clear_refs`, "5").catch(() => {})
