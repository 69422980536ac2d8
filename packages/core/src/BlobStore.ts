/**
 * Where file content is kept: bytes in and out as streams, whole or not at all.
 *
 * A backend implements the four methods of `BlobBackend`; `make` builds the service from them. Proof that a
 * backend keeps the promises below is the `BlobStoreSuite` of `@omnifile/testkit`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "./Bytes.ts"
import * as StorageError from "./StorageError.ts"

/**
 * What a storage backend for content provides.
 *
 * Keys are 1 to 128 characters of `a-z`, `0-9`, `.`, `_` and `-`, and begin with a letter or a digit.
 */
export interface BlobBackend {
  /** Names the backend in errors and logs. */
  readonly name: string
  /**
   * Stores the bytes under a new key, in constant memory. Nothing can be read under the key until all of it
   * is stored durably; after a failure, an interruption or a crash nothing ever can, and the key is free.
   * Fails with `Conflict` when the key is taken, and with `SourceFailed` when `bytes` throws. An interruption
   * ends the iteration of `bytes`, and does not wait for it.
   */
  readonly write: (key: string, bytes: Bytes.Bytes) => Effect.Effect<void, StorageError.StorageError>
  /**
   * Opens the content from `range.offset`, at most `range.length` bytes; a range past the end yields
   * nothing. Fails with `Missing`. Removing the key meanwhile does not disturb who already reads. The
   * scope frees what reading holds. What the iteration throws is a StorageError, or means `Unavailable`.
   */
  readonly read: (
    key: string,
    range: Bytes.ByteRange
  ) => Effect.Effect<Bytes.Bytes, StorageError.StorageError, Scope.Scope>
  /** The number of bytes under the key. Fails with `Missing`. */
  readonly size: (key: string) => Effect.Effect<number, StorageError.StorageError>
  /**
   * Removes the content, and whatever an unfinished `write` of that key left behind. It is not an error if
   * there is nothing.
   */
  readonly remove: (key: string) => Effect.Effect<void, StorageError.StorageError>
}

/** File content by key. */
export class BlobStore extends Context.Service<
  BlobStore,
  {
    readonly name: string
    /** Stores bytes under a new key, all or nothing. `Conflict` if the key is taken. */
    readonly put: (key: string, bytes: Bytes.Bytes) => Effect.Effect<void, StorageError.StorageError>
    /** Opens content for one pass; `Missing` if there is none. */
    readonly open: (
      key: string,
      range?: Bytes.ByteRange
    ) => Effect.Effect<Bytes.Bytes, StorageError.StorageError, Scope.Scope>
    /** The same content as an Effect stream. */
    readonly stream: (key: string, range?: Bytes.ByteRange) => Stream.Stream<Uint8Array, StorageError.StorageError>
    /** The whole content in memory: for content that is known to be small. */
    readonly get: (key: string) => Effect.Effect<Uint8Array, StorageError.StorageError>
    /** The number of bytes; `Missing` if there is none. */
    readonly size: (key: string) => Effect.Effect<number, StorageError.StorageError>
    /** Removes content and the remains of an unfinished `put`. */
    readonly remove: (key: string) => Effect.Effect<void, StorageError.StorageError>
  }
>()("@omnifile/core/BlobStore") {}

const keyPattern = /^[a-z0-9][a-z0-9._-]{0,127}$/

/** Builds the service from a backend. Malformed keys are refused here, so that no backend ever sees one. */
export const make = (backend: BlobBackend): BlobStore["Service"] => {
  const fail = StorageError.of(backend.name)
  const checked = <A, R>(
    method: string,
    key: string,
    run: () => Effect.Effect<A, StorageError.StorageError, R>
  ): Effect.Effect<A, StorageError.StorageError, R> =>
    Effect.suspend(() =>
      keyPattern.test(key)
        ? run()
        : Effect.fail(fail(method, new StorageError.Corrupt({ key, cause: "malformed blob key" })))
    )
  const readFailed = (cause: unknown): StorageError.StorageError =>
    cause instanceof StorageError.StorageError ? cause : fail("read", new StorageError.Unavailable({ cause }))
  const open = (key: string, range: Bytes.ByteRange = { offset: 0 }) =>
    checked("read", key, () => backend.read(key, range))
  return BlobStore.of({
    name: backend.name,
    put: (key, bytes) => checked("write", key, () => backend.write(key, bytes)),
    open,
    stream: (key, range) =>
      Stream.unwrap(Effect.map(open(key, range), (bytes) => Stream.fromAsyncIterable(bytes, readFailed))),
    get: (key) =>
      Effect.scoped(
        Effect.flatMap(open(key), (bytes) => Effect.tryPromise({ try: () => Bytes.collect(bytes), catch: readFailed }))
      ),
    size: (key) => checked("size", key, () => backend.size(key)),
    remove: (key) => checked("remove", key, () => backend.remove(key))
  })
}

/** Content in memory, for tests and trials. It is gone with the process. */
export const makeMemory = (): BlobBackend => {
  const fail = StorageError.of("memory")
  const blobs = new Map<string, Uint8Array>()
  const find = (method: string, key: string) =>
    Effect.suspend(() => {
      const blob = blobs.get(key)
      return blob === undefined ? Effect.fail(fail(method, new StorageError.Missing({ key }))) : Effect.succeed(blob)
    })
  return {
    name: "memory",
    write: Effect.fnUntraced(function* (key, bytes) {
      const whole = yield* Effect.tryPromise({
        try: (signal) => Bytes.collect(Bytes.abortable(bytes, signal)),
        catch: (cause) => fail("write", new StorageError.SourceFailed({ key, cause }))
      })
      if (blobs.has(key)) return yield* fail("write", new StorageError.Conflict({ key }))
      blobs.set(key, whole.slice())
    }),
    read: (key, range) =>
      Effect.map(find("read", key), (blob) =>
        Bytes.fromArray(blob.slice(range.offset, range.length === undefined ? undefined : range.offset + range.length))
      ),
    size: (key) => Effect.map(find("size", key), (blob) => blob.byteLength),
    remove: (key) => Effect.sync(() => void blobs.delete(key))
  }
}

export const layerMemory: Layer.Layer<BlobStore> = Layer.sync(BlobStore, () => make(makeMemory()))
