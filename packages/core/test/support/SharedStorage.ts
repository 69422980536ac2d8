/**
 * Storage in memory that several instances share, each through a view of its own: a view tells its instance what
 * others have changed, and can be made to fail, to wait or to be cut off at any call.
 */
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import * as BlobStore from "../../src/BlobStore.ts"
import type { Job } from "../../src/Job.ts"
import type { ManagedFile } from "../../src/ManagedFile.ts"
import * as Backend from "../../src/RegistryBackend.ts"
import type { Change, Invalidation, RegistryBackend } from "../../src/RegistryBackend.ts"
import * as StorageError from "../../src/StorageError.ts"

export type StorageMethod = "read" | "commit" | "scan" | "blob"

/** A call on its way to the storage. */
interface StorageCall {
  readonly method: StorageMethod
  /** The number of this call among all of the view, from 1, and among those of this method. */
  readonly count: number
  readonly ofMethod: number
  readonly changes: ReadonlyArray<Change>
}

/** What becomes of a call. */
export type Interference =
  /** It fails, and nothing is done. */
  | { readonly _tag: "Fail" }
  /** It is done, and fails all the same. */
  | { readonly _tag: "FailAfter" }
  /** Somebody else's change came first. */
  | { readonly _tag: "Conflict" }
  /** It waits until the latch opens. */
  | { readonly _tag: "Wait"; readonly latch: Latch.Latch }
  /** This runs first, or when it is done. */
  | { readonly _tag: "RunBefore" | "RunAfter"; readonly effect: Effect.Effect<unknown> }

export type Interfere = (call: StorageCall) => Interference | undefined

export interface StorageView {
  readonly backend: RegistryBackend["Service"]
  readonly blobs: BlobStore.BlobStore["Service"]
  readonly calls: Record<StorageMethod, number>
  /** Asked for every call. */
  interfere: Interfere
  /** Like the death of the process: no call that has not ended yet ever will. */
  readonly die: () => void
  readonly isDead: () => boolean
}

export interface SharedStorage {
  readonly view: () => StorageView
  /** The rows as they are stored, in whatever state. */
  readonly rows: () => ReadonlyArray<ManagedFile>
  /** The jobs as they are stored. */
  readonly jobs: () => ReadonlyArray<Job>
  /** The keys of all content. */
  readonly blobKeys: () => ReadonlyArray<string>
  /** The number of records of a collection. */
  readonly count: (collection: string) => number
}

const fail = StorageError.of("scripted")
const unavailable = (method: string) => fail(method, new StorageError.Unavailable({ cause: "scripted" }))

export const make = (): SharedStorage => {
  const inner = Backend.makeMemory()
  const memory = BlobStore.makeMemory()
  const keys = new Set<string>()
  const records = new Map<string, string>()
  const pending = new Map<StorageView, Array<{ readonly collection: string; readonly key: string }>>()

  const blobs: BlobStore.BlobBackend = {
    ...memory,
    write: (key, bytes) => Effect.tap(memory.write(key, bytes), () => Effect.sync(() => keys.add(key))),
    remove: (key) => Effect.tap(memory.remove(key), () => Effect.sync(() => keys.delete(key)))
  }

  const applied = (by: StorageView, changes: ReadonlyArray<Change>): void => {
    for (const { collection, key, record } of changes) {
      if (record === null) records.delete(`${collection} ${key}`)
      else records.set(`${collection} ${key}`, record.value)
      for (const [view, queue] of pending) if (view !== by) queue.push({ collection, key })
    }
  }

  const view = (): StorageView => {
    let dead = false
    const calls = { read: 0, commit: 0, scan: 0, blob: 0 }

    const through = <A>(
      method: StorageMethod,
      run: Effect.Effect<A, StorageError.StorageError>,
      changes: ReadonlyArray<Change> = []
    ): Effect.Effect<A, StorageError.StorageError> =>
      Effect.gen(function* () {
        if (dead) return yield* Effect.never
        calls[method]++
        const count = calls.read + calls.commit + calls.scan + calls.blob
        const interference = self.interfere({ method, count, ofMethod: calls[method], changes })
        switch (interference?._tag) {
          case "Fail":
            return yield* unavailable(method)
          case "Conflict":
            return yield* fail(method, new StorageError.Conflict({ key: "scripted" }))
          case "Wait":
            yield* interference.latch.await
            break
          case "RunBefore":
            yield* interference.effect
            if (dead) return yield* Effect.never
        }
        const result = yield* run
        if (interference?._tag === "RunAfter") yield* interference.effect
        if (dead) return yield* Effect.never
        return interference?._tag === "FailAfter" ? yield* unavailable(method) : result
      })

    const drain = Effect.sync((): Invalidation => {
      const queue = pending.get(self) ?? []
      pending.set(self, [])
      return queue.length === 0 ? { _tag: "Nothing" } : { _tag: "Keys", keys: queue }
    })

    const self: StorageView = {
      backend: Backend.RegistryBackend.of({
        name: "scripted",
        read: (collection, wanted) => through("read", inner.read(collection, wanted)),
        commit: (changes) =>
          through(
            "commit",
            Effect.tap(inner.commit(changes), () => Effect.sync(() => applied(self, changes))),
            changes
          ),
        scan: (scan) => through("scan", inner.scan(scan)),
        drainInvalidations: drain
      }),
      blobs: BlobStore.make({
        ...blobs,
        write: (key, bytes) => through("blob", blobs.write(key, bytes)),
        remove: (key) => through("blob", blobs.remove(key)),
        // Reading is asked before it begins; it needs a scope, which the other calls do not.
        read: (key, range) => Effect.andThen(through("blob", Effect.void), blobs.read(key, range))
      }),
      calls,
      interfere: () => undefined,
      die: () => void (dead = true),
      isDead: () => dead
    }
    pending.set(self, [])
    return self
  }

  return {
    view,
    rows: () =>
      [...records].flatMap(([name, value]) => (name.startsWith("files ") ? [JSON.parse(value) as ManagedFile] : [])),
    jobs: () => [...records].flatMap(([name, value]) => (name.startsWith("jobs ") ? [JSON.parse(value) as Job] : [])),
    blobKeys: () => [...keys],
    count: (collection) => [...records.keys()].filter((name) => name.startsWith(`${collection} `)).length
  }
}

/** Interferes with the n-th call (or the n-th of a method) and lets all others pass. */
export const at =
  (n: number, interference: Interference, method?: StorageMethod): Interfere =>
  (call) =>
    (method === undefined ? call.count : call.method === method ? call.ofMethod : 0) === n ? interference : undefined
