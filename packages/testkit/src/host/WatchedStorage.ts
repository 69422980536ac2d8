/**
 * Storage in memory that tells what happens to it: what a gateway has stored, what it has taken from a sender
 * and given to a reader so far. A test awaits a state of it rather than some time.
 */
import * as BlobStore from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as RegistryBackend from "@omnifile/core/RegistryBackend"
import * as StorageError from "@omnifile/core/StorageError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export interface WatchedStorage {
  readonly layer: Layer.Layer<BlobStore.BlobStore | RegistryBackend.RegistryBackend>
  /** What there is, as sorted text: `file <key> <state>` for each row, `blob <key>` for each content. */
  readonly contents: () => ReadonlyArray<string>
  /** Bytes taken from senders since the start. */
  readonly received: () => number
  /** Bytes given to readers since the start. */
  readonly served: () => number
  /** How many readers are at it. */
  readonly readers: () => number
  /** From now on content that comes in waits, until the function that this answers is called. */
  readonly hold: () => () => void
  /** Resolves when the condition holds, which is asked whenever something happens. Rejects after 10 s. */
  readonly until: (condition: () => boolean) => Promise<void>
}

/** Content above this size is not kept: reading it gives zeros. */
const keptSize = 1024 * 1024

/** In pieces of this size content is given to readers. */
const pieceSize = 64 * 1024

const patience = 10_000

interface Blob {
  readonly length: number
  readonly kept: Uint8Array | undefined
}

function* pieces(blob: Blob, range: Bytes.ByteRange): Generator<Uint8Array> {
  const end = Math.min(blob.length, range.offset + (range.length ?? blob.length))
  for (let at = range.offset; at < end; at += pieceSize) {
    const to = Math.min(end, at + pieceSize)
    yield blob.kept?.slice(at, to) ?? new Uint8Array(to - at)
  }
}

const makeEvents = (describe: () => string) => {
  const waiting = new Set<() => void>()
  return {
    tell: () => {
      for (const check of waiting) check()
    },
    until: (condition: () => boolean) =>
      new Promise<void>((resolve, reject) => {
        const settle = (finish: () => void): void => {
          clearTimeout(timer)
          waiting.delete(check)
          finish()
        }
        const check = (): void => {
          if (condition()) settle(resolve)
        }
        const timer = setTimeout(
          () => settle(() => reject(new Error(`the storage did not get there within ${patience} ms: ${describe()}`))),
          patience
        )
        waiting.add(check)
        check()
      })
  }
}

export const make = (): WatchedStorage => {
  const blobs = new Map<string, Blob>()
  const files = new Map<string, string>()
  let received = 0
  let served = 0
  let readers = 0
  let gate: Promise<void> = Promise.resolve()
  const contents = (): ReadonlyArray<string> =>
    [
      ...[...files].map(([key, state]) => `file ${key} ${state}`),
      ...[...blobs.keys()].map((key) => `blob ${key}`)
    ].sort()
  const { tell, until } = makeEvents(() => contents().join(", "))

  const take = async (bytes: Bytes.Bytes): Promise<Blob> => {
    let chunks: Array<Uint8Array> | undefined = []
    let length = 0
    for await (const chunk of bytes) {
      length += chunk.byteLength
      received += chunk.byteLength
      tell()
      if (length > keptSize) chunks = undefined
      chunks?.push(chunk.slice())
      await gate
    }
    return { length, kept: chunks === undefined ? undefined : Bytes.concat(chunks) }
  }

  const fail = StorageError.of("watched")
  const find = (method: string, key: string) =>
    Effect.suspend(() => {
      const blob = blobs.get(key)
      return blob === undefined ? Effect.fail(fail(method, new StorageError.Missing({ key }))) : Effect.succeed(blob)
    })

  const backend: BlobStore.BlobBackend = {
    name: "watched",
    write: Effect.fnUntraced(function* (key, bytes) {
      const blob = yield* Effect.tryPromise({
        try: (signal) => take(Bytes.abortable(bytes, signal)),
        catch: (cause) => fail("write", new StorageError.SourceFailed({ key, cause }))
      })
      if (blobs.has(key)) return yield* fail("write", new StorageError.Conflict({ key }))
      blobs.set(key, blob)
      tell()
    }),
    read: (key, range) =>
      Effect.map(find("read", key), (blob) => ({
        async *[Symbol.asyncIterator]() {
          readers += 1
          try {
            for (const piece of pieces(blob, range)) {
              served += piece.byteLength
              tell()
              yield piece
            }
          } finally {
            readers -= 1
            tell()
          }
        }
      })),
    size: (key) => Effect.map(find("size", key), ({ length }) => length),
    remove: (key) =>
      Effect.sync(() => {
        blobs.delete(key)
        tell()
      })
  }

  const memory = RegistryBackend.makeMemory()
  const remember = ({ collection, key, record }: RegistryBackend.Change): void => {
    if (collection !== "files") return
    if (record === null) files.delete(key)
    else files.set(key, (JSON.parse(record.value) as { readonly state: string }).state)
  }
  const registry = RegistryBackend.RegistryBackend.of({
    ...memory,
    commit: (changes) =>
      Effect.tap(memory.commit(changes), () =>
        Effect.sync(() => {
          for (const change of changes) remember(change)
          tell()
        })
      )
  })

  return {
    layer: Layer.mergeAll(
      Layer.succeed(BlobStore.BlobStore, BlobStore.make(backend)),
      Layer.succeed(RegistryBackend.RegistryBackend, registry)
    ),
    contents,
    received: () => received,
    served: () => served,
    readers: () => readers,
    hold: () => {
      let release = (): void => {}
      gate = new Promise((resolve) => {
        release = () => {
          gate = Promise.resolve()
          resolve()
        }
      })
      return () => release()
    },
    until
  }
}
