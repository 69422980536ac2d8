/**
 * What omnifile knows: files with their replicas, idempotency records, and which instances are alive.
 *
 * Every change is a compare-and-set on a version. A cache of files stands in front of the backend; it holds
 * rows, never a decision about access, and drops what another process may have changed before it answers.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as PubSub from "effect/PubSub"
import type * as Schema from "effect/Schema"
import type { Scope } from "./Access.ts"
import * as Event from "./Event.ts"
import * as CacheMetrics from "./CacheMetrics.ts"
import { FileCache } from "./FileCache.ts"
import type { ManagedFile, Purpose } from "./ManagedFile.ts"
import type { Versioned } from "./Records.ts"
import * as Backend from "./RegistryBackend.ts"
import { type Change, type Position, RegistryBackend, type StoredRecord } from "./RegistryBackend.ts"
import { instant, listPartition, remotePartition } from "./RegistryIndexes.ts"
import * as RegistryCommits from "./RegistryCommits.ts"
import * as Records from "./RegistryRecords.ts"
import type { IdempotencyRecord } from "./RegistryRecords.ts"
import * as RegistryStores from "./RegistryStores.ts"
import * as StorageError from "./StorageError.ts"

export type { Versioned } from "./Records.ts"

export interface ListFiles {
  /** Rows of any of these scopes; none: an empty page. */
  readonly scopes: ReadonlyArray<Scope>
  readonly purpose: Purpose | null
  readonly order: "asc" | "desc"
  readonly after: Position | undefined
  /** With `asc`, only files that were made by then; milliseconds since 1970. */
  readonly until?: number | undefined
  readonly limit: number
}

/** How often a change is tried again after somebody else's came first. */
const casAttempts = 64

export class Registry extends Context.Service<
  Registry,
  RegistryStores.RegistryStores & {
    /** The row, in whatever state it is; undefined if there is none. */
    readonly file: (key: string) => Effect.Effect<ManagedFile | undefined, StorageError.StorageError>
    /** The rows of several keys, in the order of the keys. */
    readonly files: (
      keys: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<ManagedFile | undefined>, StorageError.StorageError>
    /** Inserts a row; `Conflict` if the key is taken. */
    readonly insertFile: (file: ManagedFile) => Effect.Effect<void, StorageError.StorageError>
    /**
     * Changes a row by compare-and-set. `change` sees the newest row and is asked again whenever another
     * change came first; undefined leaves the row, null removes it. A row that gives up its idempotency key
     * frees it in the same commit. Answers the row as it then is, undefined if there is none.
     */
    readonly modifyFile: (
      key: string,
      change: (file: ManagedFile) => ManagedFile | null | undefined
    ) => Effect.Effect<ManagedFile | undefined, StorageError.StorageError>
    /**
     * The same with a change that is an effect of its own, such as a look at other rows. It sees the version that it
     * would replace, and what it adds goes into the same commit.
     */
    readonly modifyFileWith: <E>(
      key: string,
      change: (found: Versioned<ManagedFile>) => Effect.Effect<FileChange | undefined, E>
    ) => Effect.Effect<ManagedFile | undefined, StorageError.StorageError | E>
    /** A row and the version that is stored now, whatever the cache says. */
    readonly freshFile: (key: string) => Effect.Effect<Versioned<ManagedFile> | undefined, StorageError.StorageError>
    /** The change that puts a file's row in the place of version `expected`. */
    readonly fileChange: (expected: number, file: ManagedFile) => Change
    /**
     * Changes of any records, all or none; `Conflict` if another change of one of them came first. The events are
     * recorded with them.
     */
    readonly commit: (
      changes: ReadonlyArray<Change>,
      events?: ReadonlyArray<Event.Draft>
    ) => Effect.Effect<void, StorageError.StorageError>
    /** Events of this process, when they have been recorded. Who is too slow misses the oldest. */
    readonly committed: Effect.Effect<PubSub.PubSub<Event.Event>>
    /** A page of ready files, by creation time and then key. */
    readonly listFiles: (query: ListFiles) => Effect.Effect<ReadonlyArray<ManagedFile>, StorageError.StorageError>
    /**
     * Rows whose background work is due at `now` or before, the most overdue first. One that cannot be understood
     * is passed over.
     */
    readonly dueFiles: (
      now: number,
      limit: number
    ) => Effect.Effect<ReadonlyArray<ManagedFile>, StorageError.StorageError>
    /** Rows with an upload to this account that may be under way. */
    readonly uploadsTo: (account: string) => Effect.Effect<ReadonlyArray<ManagedFile>, StorageError.StorageError>
    /** Ready files with a copy in this account, the one that has been idle longest first. */
    readonly copiesIn: (
      account: string,
      page: { readonly until?: number; readonly after?: Position | undefined; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<ManagedFile>, StorageError.StorageError>
    /** The row that owns this provider copy, if there is one. */
    readonly fileOfRemote: (
      account: string,
      remoteId: string
    ) => Effect.Effect<ManagedFile | undefined, StorageError.StorageError>
    /** Whether some row owns this provider copy. */
    readonly ownsRemote: (account: string, remoteId: string) => Effect.Effect<boolean, StorageError.StorageError>
    readonly idempotency: (
      key: string
    ) => Effect.Effect<Versioned<IdempotencyRecord> | undefined, StorageError.StorageError>
    /**
     * Takes an idempotency key for the file row that the record names: the record in place of version `replaces` (0:
     * of none) and the row as `change` says, both in one commit. `Contended` if another change of either came
     * first, `Refused` if there is no row or `change` leaves it.
     */
    readonly claimIdempotency: (
      record: IdempotencyRecord,
      replaces: number,
      change: (file: ManagedFile) => ManagedFile | undefined
    ) => Effect.Effect<"Claimed" | "Contended" | "Refused", StorageError.StorageError>
    /** The changes that free an idempotency key, if it is held by this row of the collection. */
    readonly releaseIdempotency: (
      key: string,
      collection: string,
      row: string
    ) => Effect.Effect<ReadonlyArray<Change>, StorageError.StorageError>
    /** Removes a record that has expired or lost its purpose, if it is still that version. */
    readonly removeIdempotency: (key: string, version: number) => Effect.Effect<void, StorageError.StorageError>
    readonly expiredIdempotency: (
      now: number,
      limit: number
    ) => Effect.Effect<ReadonlyArray<Versioned<IdempotencyRecord>>, StorageError.StorageError>
    /** Says that an instance lives until then, unless it says so again. */
    readonly heartbeat: (instance: string, until: number) => Effect.Effect<void, StorageError.StorageError>
    /** Takes an instance from the list: it has ended in order. */
    readonly removeInstance: (instance: string) => Effect.Effect<void, StorageError.StorageError>
    readonly isAlive: (instance: string, now: number) => Effect.Effect<boolean, StorageError.StorageError>
    /** Takes instances from the list that ended without order and have not been heard of for an hour or more. */
    readonly forgetInstances: (now: number) => Effect.Effect<void, StorageError.StorageError>
  }
>()("@omnifile/core/Registry") {}

/** What becomes of a file's row: the row as it shall be, or null to remove it, and what else is committed with it. */
export interface FileChange {
  readonly file: ManagedFile | null
  readonly others?: ReadonlyArray<Change> | undefined
}

const make = Effect.gen(function* () {
  const backend = yield* RegistryBackend
  const cache = new FileCache()
  const countLookups = yield* CacheMetrics.make
  const fail = StorageError.of(backend.name)

  const decodeWith =
    <A>(decode: (value: unknown) => Effect.Effect<A, Schema.SchemaError>) =>
    (record: StoredRecord): Effect.Effect<Versioned<A>, StorageError.StorageError> =>
      Effect.mapBoth(decode(record.value), {
        onSuccess: (value) => ({ value, version: record.version }),
        onFailure: (cause) => fail("decode", new StorageError.Corrupt({ key: record.key, cause }))
      })
  const decodeFile = decodeWith(Records.files.decode)
  const decodeIdempotency = decodeWith(Records.idempotency.decode)
  const decodeInstance = decodeWith(Records.instances.decode)

  const readOne = Effect.fnUntraced(function* <A>(
    collection: string,
    key: string,
    decode: (record: StoredRecord) => Effect.Effect<A, StorageError.StorageError>
  ) {
    const [record] = yield* backend.read(collection, [key])
    return record === undefined ? undefined : yield* decode(record)
  })

  const freshFile = Effect.fnUntraced(function* (key: string) {
    const epoch = cache.epoch
    const found = yield* readOne("files", key, decodeFile)
    if (found !== undefined) cache.offer(key, found, epoch)
    return found
  })

  /** Rows that the cache lacks, in one read. */
  const readFiles = Effect.fnUntraced(function* (keys: ReadonlyArray<string>) {
    const epoch = cache.epoch
    const records = yield* backend.read("files", keys)
    return yield* Effect.forEach(
      records,
      Effect.fnUntraced(function* (record) {
        if (record === undefined) return undefined
        const found = yield* decodeFile(record)
        cache.offer(record.key, found, epoch)
        return found.value
      })
    )
  })

  const cachedFiles = (keys: ReadonlyArray<string>) =>
    Effect.flatMap(backend.drainInvalidations, (invalidation) => {
      if (invalidation._tag !== "Nothing") cache.invalidate(invalidation)
      const known = keys.map((key) => cache.get(key)?.value)
      if (known.every((file) => file !== undefined)) {
        countLookups(known.length, 0)
        return Effect.succeed(known)
      }
      const missing = keys.filter((_, index) => known[index] === undefined)
      countLookups(keys.length - missing.length, missing.length)
      return Effect.map(readFiles(missing), (found) => {
        const rest = found.values()
        return known.map((file) => file ?? rest.next().value)
      })
    })

  const stores = RegistryStores.open(backend)
  const { commit, committed } = yield* RegistryCommits.make(backend, cache, stores.outbox)

  /** Runs `attempt` again as long as somebody else's commit came first. */
  const whileContended = <A, E>(attempt: Effect.Effect<A, E | StorageError.StorageError>) =>
    Effect.retry(attempt, {
      times: casAttempts,
      while: (error) => error instanceof StorageError.StorageError && StorageError.isConflict(error)
    })

  const orFalse = (run: Effect.Effect<void, StorageError.StorageError>) =>
    run.pipe(
      Effect.as(true),
      Effect.catchIf(StorageError.isConflict, () => Effect.succeed(false))
    )

  /** A row that cannot be understood must not keep background work from the others. */
  const understood = (record: StoredRecord) =>
    decodeFile(record).pipe(
      Effect.map(({ value }) => [value]),
      Effect.catch((error) => Effect.as(Effect.logError("A row is left alone", error), []))
    )

  const scanFiles = Effect.fnUntraced(function* (scan: Omit<Parameters<typeof backend.scan>[0], "collection">) {
    const records = yield* backend.scan({ collection: "files", ...scan })
    return (yield* Effect.forEach(records, decodeFile)).map(({ value }) => value)
  })

  const releaseIdempotency = Effect.fnUntraced(function* (key: string, collection: string, row: string) {
    const held = yield* readOne("idempotency", key, decodeIdempotency)
    const isHeld = held?.value.collection === collection && held.value.file === row
    return held !== undefined && isHeld ? [Records.removal(held.version, "idempotency", key)] : []
  })

  /** Frees the idempotency key of a row that does not hold it any more. */
  const released = (before: ManagedFile, after: ManagedFile | null) =>
    before.idempotency === null || after?.idempotency === before.idempotency
      ? Effect.succeed([])
      : releaseIdempotency(before.idempotency, "files", before.key)

  const modifyFileWith: Registry["Service"]["modifyFileWith"] = (key, change) =>
    whileContended(
      Effect.gen(function* () {
        const found = yield* freshFile(key)
        if (found === undefined) return undefined
        const before = found.value
        const change_ = yield* change(found)
        if (change_ === undefined) return before
        const { file: after, others = [] } = change_
        const ofFile =
          after === null ? Records.removal(found.version, "files", key) : Records.fileChange(found.version, after)
        yield* commit([ofFile, ...others, ...(yield* released(before, after))], Event.ofFile(before, after))
        return after ?? undefined
      })
    )

  const fileOfRemote = (account: string, remoteId: string) =>
    Effect.map(
      scanFiles({ index: "remote", partitions: [remotePartition(account, remoteId)], order: "asc", limit: 1 }),
      ([found]) => found
    )

  return Registry.of({
    file: (key) => Effect.map(cachedFiles([key]), ([file]) => file),
    files: cachedFiles,
    freshFile,
    fileChange: Records.fileChange,
    commit,
    committed,
    ...stores,
    insertFile: (file) => commit([Records.fileChange(0, file)], Event.ofFile(undefined, file)),
    modifyFileWith,
    releaseIdempotency,
    modifyFile: (key, change) =>
      modifyFileWith(key, ({ value }) => {
        const after = change(value)
        return Effect.succeed(after === undefined ? undefined : { file: after })
      }),
    listFiles: ({ after, limit, order, purpose, scopes, until }) =>
      scopes.length === 0
        ? Effect.succeed([])
        : scanFiles({
            index: "list",
            partitions: scopes.map((scope) => listPartition(scope, purpose)),
            order,
            after,
            until: until === undefined ? undefined : instant(until),
            limit
          }),
    dueFiles: Effect.fnUntraced(function* (now, limit) {
      const until = instant(now)
      const records = yield* backend.scan({
        collection: "files",
        index: "due",
        partitions: ["all"],
        order: "asc",
        until,
        limit
      })
      return (yield* Effect.forEach(records, understood)).flat()
    }),
    uploadsTo: (account) => scanFiles({ index: "uploads", partitions: [account], order: "asc", limit: 10_000 }),
    copiesIn: (account, { after, limit, until }) =>
      scanFiles({
        index: "use",
        partitions: [account],
        order: "asc",
        after,
        limit,
        until: until === undefined ? undefined : instant(until)
      }),
    fileOfRemote,
    ownsRemote: (account, remoteId) => Effect.map(fileOfRemote(account, remoteId), (found) => found !== undefined),
    idempotency: (key) => readOne("idempotency", key, decodeIdempotency),
    claimIdempotency: Effect.fnUntraced(function* (record, replaces, change) {
      const found = yield* freshFile(record.file)
      const after = found === undefined ? undefined : change(found.value)
      if (found === undefined || after === undefined) return "Refused"
      const committed = yield* orFalse(
        commit(
          [Records.idempotencyChange(replaces, record), Records.fileChange(found.version, after)],
          Event.ofFile(found.value, after)
        )
      )
      return committed ? "Claimed" : "Contended"
    }),
    removeIdempotency: (key, version) => Effect.asVoid(orFalse(commit([Records.removal(version, "idempotency", key)]))),
    expiredIdempotency: Effect.fnUntraced(function* (now, limit) {
      const records = yield* backend.scan({
        collection: "idempotency",
        index: "expiry",
        partitions: ["all"],
        order: "asc",
        until: instant(now),
        limit
      })
      return yield* Effect.forEach(records, decodeIdempotency)
    }),
    heartbeat: (instance, until) =>
      whileContended(
        Effect.gen(function* () {
          const found = yield* readOne("instances", instance, decodeInstance)
          yield* commit([Records.instanceChange(found?.version ?? 0, instance, until)])
        })
      ),
    removeInstance: (instance) =>
      whileContended(
        Effect.gen(function* () {
          const found = yield* readOne("instances", instance, decodeInstance)
          if (found === undefined) return
          yield* commit([Records.removal(found.version, "instances", instance)])
        })
      ),
    isAlive: (instance, now) =>
      Effect.map(
        readOne("instances", instance, decodeInstance),
        (found) => found !== undefined && found.value.until > now
      ),
    forgetInstances: Effect.fnUntraced(function* (now) {
      const query = { collection: "instances", index: "expiry", partitions: ["all"], order: "asc" } as const
      const records = yield* backend.scan({ ...query, until: instant(now), limit: 1_000 })
      for (const { key, version } of records) yield* orFalse(commit([Records.removal(version, "instances", key)]))
    })
  })
})

export const layer: Layer.Layer<Registry, never, RegistryBackend> = Layer.effect(Registry, make)

/** A registry in memory, for tests and trials. */
export const layerMemory: Layer.Layer<Registry> = Layer.provide(layer, Backend.layerMemory)
