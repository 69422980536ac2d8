/**
 * A storage backend of one's own: records in memory, and each commit as a line of a journal file, from which
 * they are restored. For one process at a time.
 */
import { makeMemory, RegistryBackend, type Change } from "@omnifile/core/RegistryBackend"
import * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { constants } from "node:fs"
import { open, type FileHandle } from "node:fs/promises"

export interface Options {
  readonly filename: string
}

const fail = StorageError.of("journal")

const unavailable = (method: string) => (cause: unknown) => fail(method, new StorageError.Unavailable({ cause }))

/** The commits in the file, and where the last one ends. A line that was cut off by a crash was never acknowledged. */
const restore = async (file: FileHandle) => {
  const text = await file.readFile()
  const length = text.lastIndexOf("\n") + 1
  const lines = text.toString("utf8", 0, length).split("\n").slice(0, -1)
  return { commits: lines.map((line) => JSON.parse(line) as ReadonlyArray<Change>), length }
}

const make = Effect.fnUntraced(function* ({ filename }: Options) {
  let isOpen = true
  const file = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => open(filename, constants.O_RDWR | constants.O_CREAT, 0o600),
      catch: unavailable("open")
    }),
    (file) =>
      Effect.promise(() => {
        isOpen = false
        return file.close()
      })
  )
  const restored = yield* Effect.tryPromise({
    try: () => restore(file),
    catch: (cause) => fail("open", new StorageError.Corrupt({ key: filename, cause }))
  })
  const memory = makeMemory()
  for (const changes of restored.commits) yield* memory.commit(changes)

  const whileOpen = <A>(method: string, use: Effect.Effect<A, StorageError.StorageError>) =>
    Effect.suspend(() => (isOpen ? use : Effect.fail(unavailable(method)(new Error("the journal is closed")))))

  // Written where the last whole line ends, so that the next commit replaces a line that failed half way.
  let length = restored.length
  const append = (changes: ReadonlyArray<Change>) =>
    Effect.tryPromise({
      try: async () => {
        const line = Buffer.from(`${JSON.stringify(changes)}\n`)
        for (let written = 0; written < line.byteLength;) {
          written += (await file.write(line, written, line.byteLength - written, length + written)).bytesWritten
        }
        await file.datasync()
        length += line.byteLength
      },
      catch: unavailable("commit")
    })

  const assertExpected = Effect.fnUntraced(function* ({ collection, expected, key }: Change) {
    const [record] = yield* memory.read(collection, [key])
    if ((record?.version ?? 0) !== expected) return yield* fail("commit", new StorageError.Conflict({ key }))
  })

  // One commit after the other, and none is interrupted between the file and the memory.
  const oneAtATime = yield* Semaphore.make(1)
  const commit = (changes: ReadonlyArray<Change>) =>
    Effect.forEach(changes, assertExpected, { discard: true }).pipe(
      Effect.andThen(append(changes)),
      Effect.andThen(memory.commit(changes)),
      Effect.uninterruptible,
      Semaphore.withPermit(oneAtATime)
    )

  return RegistryBackend.of({
    name: "journal",
    read: (collection, keys) => whileOpen("read", memory.read(collection, keys)),
    commit: (changes) => whileOpen("commit", commit(changes)),
    scan: (scan) => whileOpen("scan", memory.scan(scan)),
    drainInvalidations: Effect.succeed({ _tag: "Nothing" })
  })
})

export const layer = (options: Options): Layer.Layer<RegistryBackend, StorageError.StorageError> =>
  Layer.effect(RegistryBackend, make(options))
