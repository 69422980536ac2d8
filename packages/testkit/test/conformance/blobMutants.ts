/** Stores for content that each break one promise, and the case of the suite that has to notice. */
import type * as BlobStore from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"

type Backend = BlobStore.BlobBackend

export interface Mutant {
  readonly name: string
  /** The beginning of the names of cases; one of them fails at least. */
  readonly rejectedBy: string
  readonly mutate: (sound: Backend) => Partial<Backend>
}

const fail = StorageError.of("mutant")

const missing = (key: string) => fail("read", new StorageError.Missing({ key }))

/** A source that ends, well or not, where the store should have noticed an error. */
const swallowing = (bytes: Bytes.Bytes): Bytes.Bytes => ({
  async *[Symbol.asyncIterator]() {
    try {
      yield* bytes
    } catch {
      return
    }
  }
})

const whole = async (bytes: Bytes.Bytes): Promise<Uint8Array> => Uint8Array.from(await Bytes.collect(bytes))

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: "overwrites",
    rejectedBy: "refuses a key that holds",
    mutate: ({ remove, write }) => ({ write: (key, bytes) => Effect.andThen(remove(key), write(key, bytes)) })
  },
  {
    name: "keeps quiet about a taken key",
    rejectedBy: "refuses a key that holds",
    mutate: ({ write }) => ({
      write: (key, bytes) => Effect.catchIf(write(key, bytes), StorageError.isConflict, () => Effect.void)
    })
  },
  {
    name: "keeps what came before the source failed",
    rejectedBy: "keeps nothing of a source that fails",
    mutate: ({ write }) => ({ write: (key, bytes) => write(key, swallowing(bytes)) })
  },
  {
    name: "takes an error of the source for its own",
    rejectedBy: "keeps nothing of a source that fails",
    mutate: ({ write }) => ({
      write: (key, bytes) =>
        Effect.mapError(write(key, bytes), (error) =>
          error.reason._tag === "SourceFailed"
            ? fail("write", new StorageError.Unavailable({ cause: error.reason.cause }))
            : error
        )
    })
  },
  {
    name: "shows content before it is complete",
    rejectedBy: "shows nothing of content that is not complete",
    mutate: ({ remove, write }) => ({
      write: (key, bytes) =>
        Effect.gen(function* () {
          yield* write(key, Bytes.fromArray())
          const content = yield* Effect.promise(() => whole(bytes))
          yield* remove(key)
          yield* write(key, Bytes.fromArray(content))
        })
    })
  },
  {
    name: "checks for the key, and writes later",
    rejectedBy: "lets one of many puts at once have the key",
    mutate: ({ remove, size, write }) => ({
      write: (key, bytes) =>
        Effect.gen(function* () {
          if ((yield* Effect.option(size(key)))._tag === "Some") {
            return yield* fail("write", new StorageError.Conflict({ key }))
          }
          const content = yield* Effect.promise(() => whole(bytes))
          yield* remove(key)
          yield* Effect.catchIf(write(key, Bytes.fromArray(content)), StorageError.isConflict, () => Effect.void)
        })
    })
  },
  {
    name: "loses the last byte",
    rejectedBy: "gives back",
    mutate: ({ write }) => ({
      write: (key, bytes) =>
        Effect.flatMap(
          Effect.promise(() => whole(bytes)),
          (content) => write(key, Bytes.fromArray(content.subarray(0, -1)))
        )
    })
  },
  {
    name: "takes no notice of ranges",
    rejectedBy: "reads ranges",
    mutate: ({ read }) => ({ read: (key) => read(key, { offset: 0 }) })
  },
  {
    name: "takes the end of a range for its length",
    rejectedBy: "reads ranges",
    mutate: ({ read }) => ({
      read: (key, { length, offset }) =>
        read(key, { offset, length: length === undefined ? undefined : Math.max(length - offset, 0) })
    })
  },
  {
    name: "fails past the end",
    rejectedBy: "reads ranges",
    mutate: ({ read, size }) => ({
      read: (key, range) =>
        Effect.flatMap(size(key), (length) => (range.offset > length ? Effect.fail(missing(key)) : read(key, range)))
    })
  },
  {
    name: "finds empty content where there is none",
    rejectedBy: "finds nothing under a key that was never used",
    mutate: ({ read }) => ({
      read: (key, range) => Effect.catch(read(key, range), () => Effect.succeed(Bytes.fromArray()))
    })
  },
  {
    name: "does not remove",
    rejectedBy: "removes content",
    mutate: () => ({ remove: () => Effect.void })
  },
  {
    name: "minds when there is nothing to remove",
    rejectedBy: "removes content",
    mutate: ({ remove, size }) => ({ remove: (key) => Effect.andThen(size(key), remove(key)) })
  },
  {
    name: "removes keys that begin alike",
    rejectedBy: "keeps keys apart",
    mutate: (sound) => {
      const keys = new Set<string>()
      return {
        write: (key, bytes) => Effect.tap(sound.write(key, bytes), () => Effect.sync(() => keys.add(key))),
        remove: (key) =>
          Effect.forEach(
            [...keys].filter((each) => each.startsWith(key)),
            (each) => sound.remove(each),
            { discard: true }
          )
      }
    }
  },
  {
    name: "hands out its own arrays",
    rejectedBy: "keeps content apart from the arrays of its callers",
    mutate: (sound) => {
      const kept = new Map<string, Uint8Array>()
      return {
        write: (key, bytes) =>
          Effect.gen(function* () {
            const content = yield* Effect.promise(() => Bytes.collect(bytes))
            yield* sound.write(key, Bytes.fromArray(content))
            kept.set(key, content)
          }),
        read: (key, range) =>
          Effect.map(sound.read(key, range), (bytes) => {
            const content = kept.get(key)
            return content === undefined || range.offset > 0 ? bytes : Bytes.fromArray(content)
          })
      }
    }
  }
]
