/**
 * The files of one account.
 */
import { ApiError } from "./Answer.ts"
import { newId } from "./Ids.ts"

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
  /** Absent when the file is larger than what the emulator keeps. */
  readonly content: Uint8Array | undefined
}

export interface Page {
  readonly data: ReadonlyArray<StoredFile>
  readonly hasMore: boolean
}

export interface FileStore {
  readonly add: (
    file: Omit<StoredFile, "id" | "createdAt" | "expiresAt"> & { readonly livesSeconds: number | undefined }
  ) => StoredFile
  readonly get: (id: string) => StoredFile | undefined
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

/** Makes an empty store; `now` is in epoch milliseconds. IDs begin with the prefix. */
export const make = (now: () => number, prefix = "file-"): FileStore => {
  const files = new Map<string, StoredFile>()
  // The order of creation, which the clock's seconds are too coarse to tell.
  const positions = new Map<string, number>()

  const isLive = (file: StoredFile): boolean => file.expiresAt === undefined || file.expiresAt * 1000 > now()
  const all = (): ReadonlyArray<StoredFile> => [...files.values()].filter(isLive)
  const position = (id: string): number => positions.get(id) ?? -1

  return {
    all,
    add: ({ livesSeconds, ...file }) => {
      const createdAt = Math.floor(now() / 1000)
      const expiresAt = livesSeconds === undefined ? undefined : createdAt + livesSeconds
      const stored: StoredFile = { ...file, id: newId(prefix), createdAt, expiresAt }
      positions.set(stored.id, positions.size)
      files.set(stored.id, stored)
      return stored
    },
    get: (id) => {
      const file = files.get(id)
      return file !== undefined && isLive(file) ? file : undefined
    },
    delete: (id) => {
      const file = files.get(id)
      files.delete(id)
      return file !== undefined && isLive(file)
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
