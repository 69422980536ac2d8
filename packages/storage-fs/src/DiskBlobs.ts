/**
 * Content as files of a directory.
 *
 * Bytes are written to a file of their own under `tmp/`, forced to the disk, and only then linked to the
 * name that readers look for: `link` refuses a name that is taken. The file system must therefore have hard
 * links. Files are spread over 256 directories by a hash of the key, for keys may begin alike.
 *
 * A removed file lives on for those who have it open.
 */
import { BlobStore, make as makeService, type BlobBackend } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { hash } from "node:crypto"
import { link, mkdir, open, readdir, stat, unlink, type FileHandle } from "node:fs/promises"
import { join, resolve } from "node:path"
import { Readable } from "node:stream"
import { WriteFailure, writeDurably } from "./BatchWriter.ts"
import * as PartFile from "./PartFile.ts"

export interface Options {
  /** It is made when it does not exist, for this user only. Nothing else may be kept in it. */
  readonly directory: string
}

/** What one read asks of the disk. */
const readBytes = 256 * 1024

const fail = StorageError.of("disk")

const codeOf = (cause: unknown): unknown => (cause instanceof Error && "code" in cause ? cause.code : undefined)

const unavailable = (method: string) => (cause: unknown) => fail(method, new StorageError.Unavailable({ cause }))

const missingOrUnavailable = (method: string, key: string) => (cause: unknown) =>
  codeOf(cause) === "ENOENT" ? fail(method, new StorageError.Missing({ key })) : unavailable(method)(cause)

/** Undefined when there is no such file. */
const ifThere = async <A>(operation: Promise<A>): Promise<A | undefined> => {
  try {
    return await operation
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined
    throw cause
  }
}

/** Whether there was something to remove. */
const removeFile = async (path: string): Promise<boolean> =>
  (await ifThere(unlink(path).then(() => true))) !== undefined

/** Makes the names in a directory durable. Windows has no such call. */
const syncDirectory = async (path: string): Promise<void> => {
  if (process.platform === "win32") return
  const directory = await open(path, "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Makes the directories, and removes what writers that are gone have left unfinished. */
const prepare = async (partDirectory: string): Promise<void> => {
  await mkdir(partDirectory, { recursive: true, mode: 0o700 })
  for (const name of await readdir(partDirectory)) {
    const path = join(partDirectory, name)
    const part = PartFile.parse(name)
    const status = await ifThere(stat(path))
    if (part !== undefined && status !== undefined && PartFile.isAbandoned(part, status.mtimeMs)) {
      await removeFile(path)
    }
  }
}

/** A write that is not finished. */
interface Part {
  readonly path: string
  readonly file: FileHandle
}

/** What `write` does to part files: one is opened, published under its key once it is full, and always discarded. */
const makeWriter = (directory: string, partDirectory: string, shardOf: (key: string) => string) => ({
  openPart: async (key: string): Promise<Part> => {
    const path = join(partDirectory, PartFile.name(key))
    return { path, file: await open(path, "wx", 0o600) }
  },
  publish: async ({ path }: Part, key: string): Promise<void> => {
    const shard = shardOf(key)
    const published = join(shard, key)
    if ((await mkdir(shard, { recursive: true, mode: 0o700 })) !== undefined) await syncDirectory(directory)
    await link(path, published)
    try {
      await syncDirectory(shard)
    } catch (cause) {
      await removeFile(published)
      throw cause
    }
  },
  discard: async ({ file, path }: Part): Promise<void> => {
    await file.close()
    await removeFile(path)
  }
})

const writeFailed = (key: string) => (cause: unknown) =>
  cause instanceof WriteFailure
    ? unavailable("write")(cause.cause)
    : fail("write", new StorageError.SourceFailed({ key, cause }))

/** EEXIST: another writer was first. ENOENT: the key was removed meanwhile, and the part file with it. */
const publishFailed = (key: string) => (cause: unknown) =>
  codeOf(cause) === "EEXIST" || codeOf(cause) === "ENOENT"
    ? fail("write", new StorageError.Conflict({ key }))
    : unavailable("write")(cause)

const openStream = (file: FileHandle, { length, offset }: Bytes.ByteRange): Readable => {
  if (length === 0) return Readable.from([])
  const start = { start: offset, highWaterMark: readBytes }
  return file.createReadStream(length === undefined ? start : { ...start, end: offset + length - 1 })
}

/** The backend over a directory, which is made if it does not exist. */
export const makeBackend = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<BlobBackend, StorageError.StorageError> {
  const directory = resolve(options.directory)
  const partDirectory = join(directory, "tmp")
  yield* Effect.tryPromise({ try: () => prepare(partDirectory), catch: unavailable("open") })

  const shardOf = (key: string): string => join(directory, hash("sha256", key).slice(0, 2))
  const pathOf = (key: string): string => join(shardOf(key), key)
  const writer = makeWriter(directory, partDirectory, shardOf)

  return {
    name: "disk",
    write: Effect.fnUntraced(function* (key, bytes) {
      const taken = yield* Effect.tryPromise({ try: () => ifThere(stat(pathOf(key))), catch: unavailable("write") })
      if (taken !== undefined) return yield* fail("write", new StorageError.Conflict({ key }))
      yield* Effect.acquireUseRelease(
        Effect.tryPromise({ try: () => writer.openPart(key), catch: unavailable("write") }),
        (part) =>
          Effect.andThen(
            Effect.tryPromise({
              try: (signal) => writeDurably(part.file, Bytes.abortable(bytes, signal)),
              catch: writeFailed(key)
            }),
            // Interrupted half way, nobody could tell whether the content is there.
            Effect.uninterruptible(
              Effect.tryPromise({ try: () => writer.publish(part, key), catch: publishFailed(key) })
            )
          ),
        (part) =>
          Effect.ignore(
            Effect.tryPromise(() => writer.discard(part)),
            { log: true }
          )
      )
    }),
    read: Effect.fnUntraced(function* (key, range) {
      const file = yield* Effect.acquireRelease(
        Effect.tryPromise({ try: () => open(pathOf(key), "r"), catch: missingOrUnavailable("read", key) }),
        (file) => Effect.promise(() => file.close())
      )
      return yield* Effect.acquireRelease(
        Effect.sync(() => openStream(file, range)),
        (stream) => Effect.sync(() => stream.destroy())
      )
    }),
    size: (key) =>
      Effect.tryPromise({
        try: async () => (await stat(pathOf(key))).size,
        catch: missingOrUnavailable("size", key)
      }),
    remove: (key) =>
      Effect.tryPromise({
        try: async () => {
          const names = await readdir(partDirectory)
          const parts = names.filter((name) => PartFile.parse(name)?.key === key)
          await Promise.all(parts.map((name) => removeFile(join(partDirectory, name))))
          if (await removeFile(pathOf(key))) await syncDirectory(shardOf(key))
        },
        catch: unavailable("remove")
      })
  }
})

/** Content in a directory. */
export const layer = (options: Options): Layer.Layer<BlobStore, StorageError.StorageError> =>
  Layer.effect(BlobStore, Effect.map(makeBackend(options), makeService))
