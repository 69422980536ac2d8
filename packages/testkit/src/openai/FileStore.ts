/**
 * The files of one account.
 */
import { ApiError } from "./Answer.ts"

export type FileState = "processing" | "ready" | "failed"

export interface StoredFile {
  readonly id: string
  /** As the client sent it. */
  readonly filename: string
  readonly contentType: string
  readonly purpose: string
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
  /** Unix seconds. */
  readonly createdAt: number
  /** Unix seconds. From this moment on the file does not exist. */
  readonly expiresAt: number | undefined
  readonly state: FileState
  /** Absent when the file is larger than what the emulator keeps. */
  readonly content: Uint8Array | undefined
}

export interface Page {
  readonly data: ReadonlyArray<StoredFile>
  readonly hasMore: boolean
}

/** How long a file is processed before it can be used. */
export interface Processing {
  /** How often it is looked at until it is done; for ever if infinite. */
  readonly looks: number
  /** What becomes of it. Default: it is ready. */
  readonly ends?: "ready" | "failed" | undefined
}

/** What an account may hold. Absent: as much as it likes. */
export interface Quota {
  readonly bytes?: number | undefined
  readonly files?: number | undefined
}

export interface FileStore {
  readonly add: (
    file: Omit<StoredFile, "createdAt" | "expiresAt" | "id" | "state"> & {
      readonly livesSeconds: number | undefined
      /** Default: a fresh one. */
      readonly id?: string | undefined
      /** Made by the provider itself: ready at once, and not counted against the quota. */
      readonly made?: boolean | undefined
    }
  ) => StoredFile
  readonly get: (id: string) => StoredFile | undefined
  /** As `get`, by somebody who wants to know whether the file is ready yet. */
  readonly look: (id: string) => StoredFile | undefined
  /** A file that has expired, for as long as it would be told from one that never was. */
  readonly expired: (id: string) => StoredFile | undefined
  /** Lets a file expire now; false when it was not there. */
  readonly expire: (id: string) => boolean
  /** How files that come from now on are processed. */
  readonly setProcessing: (processing: Processing) => void
  readonly setQuota: (quota: Quota) => void
  /** Whether a file of so many bytes is within the quota. */
  readonly fits: (bytes: number) => boolean
  readonly delete: (id: string) => boolean
  /** All files, oldest first. */
  readonly all: () => ReadonlyArray<StoredFile>
  /** A cursor of a file that has been deleted keeps its place; one that never was is refused. */
  readonly list: (query: {
    readonly after: string | undefined
    readonly limit: number
    readonly order: "asc" | "desc"
    readonly purpose: string | undefined
  }) => Page
}

/** How long an expired file is told from one that never was, in seconds. */
const expiredKnownSeconds = 30 * 24 * 3600

interface Entry {
  file: StoredFile
  looks: number
  readonly ends: "ready" | "failed"
}

/** Makes an empty store; `now` is in epoch milliseconds. */
export const make = (now: () => number, newFileId: () => string): FileStore => {
  const entries = new Map<string, Entry>()
  // The order of creation, which the clock's seconds are too coarse to tell.
  const positions = new Map<string, number>()
  const made = new Set<string>()
  let processing: Processing = { looks: 0 }
  let quota: Quota = {}

  const isLive = ({ expiresAt }: StoredFile): boolean => expiresAt === undefined || expiresAt * 1000 > now()
  const live = (id: string): Entry | undefined => {
    const entry = entries.get(id)
    return entry !== undefined && isLive(entry.file) ? entry : undefined
  }
  const all = (): ReadonlyArray<StoredFile> => [...entries.values()].map(({ file }) => file).filter(isLive)
  const position = (id: string): number => positions.get(id) ?? -1

  return {
    all,
    add: ({ id = newFileId(), livesSeconds, made: isMade = false, ...file }) => {
      const createdAt = Math.floor(now() / 1000)
      const expiresAt = livesSeconds === undefined ? undefined : createdAt + livesSeconds
      const { ends = "ready", looks } = isMade ? { looks: 0 } : processing
      const stored: StoredFile = { ...file, id, createdAt, expiresAt, state: looks > 0 ? "processing" : ends }
      if (isMade) made.add(id)
      positions.set(id, positions.size)
      entries.set(id, { file: stored, looks, ends })
      return stored
    },
    get: (id) => live(id)?.file,
    look: (id) => {
      const entry = live(id)
      if (entry !== undefined && entry.file.state === "processing") {
        entry.looks -= 1
        if (entry.looks <= 0) entry.file = { ...entry.file, state: entry.ends }
      }
      return entry?.file
    },
    expired: (id) => {
      const file = entries.get(id)?.file
      if (file?.expiresAt === undefined || isLive(file)) return undefined
      return (file.expiresAt + expiredKnownSeconds) * 1000 > now() ? file : undefined
    },
    expire: (id) => {
      const entry = live(id)
      if (entry !== undefined) entry.file = { ...entry.file, expiresAt: Math.floor(now() / 1000) }
      return entry !== undefined
    },
    delete: (id) => {
      const wasThere = live(id) !== undefined
      entries.delete(id)
      return wasThere
    },
    setProcessing: (next) => {
      processing = next
    },
    setQuota: (next) => {
      quota = next
    },
    fits: (bytes) => {
      const counted = all().filter(({ id }) => !made.has(id))
      const held = counted.reduce((sum, file) => sum + file.bytes, bytes)
      return counted.length < (quota.files ?? Infinity) && held <= (quota.bytes ?? Infinity)
    },
    list: ({ after, limit, order, purpose }) => {
      if (after !== undefined && !positions.has(after)) {
        throw new ApiError(400, `No such File object: ${after}`, { param: "after" })
      }
      const chosen = all().filter((file) => purpose === undefined || file.purpose === purpose)
      const ordered = order === "asc" ? chosen : chosen.toReversed()
      const rest =
        after === undefined
          ? ordered
          : ordered.filter((file) =>
              order === "asc" ? position(file.id) > position(after) : position(file.id) < position(after)
            )
      return { data: rest.slice(0, limit), hasMore: rest.length > limit }
    }
  }
}
