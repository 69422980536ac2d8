/**
 * Taking files away: every provider copy, then the content, then the row. Each step can fail and is tried
 * again until nothing is left; for clients the file is gone at the first.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { BlobStore } from "./BlobStore.ts"
import { Catalog } from "./Catalog.ts"
import { namedReaders } from "./FileInUse.ts"
import { Instance, uploadOf } from "./Instance.ts"
import type { Job } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import { LostUploads } from "./LostUploads.ts"
import { abandonedUpload, type ManagedFile, openUploads, type Replica, update } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import { Settings } from "./Settings.ts"
import type { StorageError } from "./StorageError.ts"
import { Upstream } from "./Upstream.ts"

export class Removal extends Context.Service<
  Removal,
  {
    /**
     * Marks a ready file as gone, unless jobs that are not over read it: a job that is created at the same moment
     * either keeps the file or finds none. What is to be done about a marked file follows by `run`.
     */
    readonly mark: (key: string) => Effect.Effect<Mark, StorageError>
    /** Removes what is left of a marked file, as far as it can be removed now. True when nothing is left. */
    readonly run: (key: string) => Effect.Effect<boolean>
    /**
     * Undoes a create that came to nothing, and frees its idempotency key, unless `keep` says that the row
     * has moved on. Never fails and waits for a few seconds at most: what cannot be removed now is removed later.
     */
    readonly discardUnless: (key: string, keep: (file: ManagedFile) => boolean) => Effect.Effect<void>
  }
>()("@omnifile/core/Removal") {}

export type Mark =
  | { readonly _tag: "Marked" }
  /** It is not there, or gone already. */
  | { readonly _tag: "Gone" }
  /** Nothing was changed. */
  | { readonly _tag: "InUse"; readonly readers: ReadonlyArray<Job> }

/** What became of a copy. It is `busy` while its upload is under way, and `abandoned` if it never ended. */
type Outcome = "gone" | "left" | "busy" | "abandoned"

/** Milliseconds until the next try: 1 s, doubling, at most 5 minutes. */
export const backoff = (attempts: number): number => Math.min(300_000, 1_000 * 2 ** Math.min(attempts, 20))

/** A provider that does not answer a deletion for this long is asked again later. */
const deletionTimeout = Duration.seconds(10)

/** How long the end of a failed create waits until everything is undone. */
const discardPatience = Duration.seconds(5)

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const catalog = yield* Catalog
  const instance = yield* Instance
  const jobs = yield* Jobs
  const lostUploads = yield* LostUploads
  const registry = yield* Registry
  const upstream = yield* Upstream
  const { tombstoneTtl } = yield* Settings
  const scope = yield* Effect.scope
  const running = new Set<string>()

  const removeReplica = Effect.fnUntraced(function* (
    key: string,
    replica: Replica
  ): Effect.fn.Return<Outcome, StorageError> {
    const { account, instance: holder, remoteId, state, variant } = replica
    if (remoteId === null) {
      if (state !== "pending") return "gone"
      const upload = uploadOf(key, account, variant)
      return holder !== null && (yield* instance.mayBeAt(holder, upload)) ? "busy" : "abandoned"
    }
    // It goes with its container, which no caller of ours may empty.
    if (replica.container !== null) return "gone"
    const target = catalog.accounts.get(account)
    if (target === undefined) {
      yield* Effect.logWarning("A copy cannot be deleted: its account is not configured any more").pipe(
        Effect.annotateLogs({ account })
      )
      return "left"
    }
    const { files } = target.provider
    if (files === null) return "gone"
    const outcome = yield* upstream
      .request(target, Effect.succeed(files.remove(remoteId)), Result.succeed)
      .pipe(Effect.result, Effect.timeoutOption(deletionTimeout))
    if (Option.isSome(outcome) && (Result.isSuccess(outcome.value) || outcome.value.failure.absent)) return "gone"
    const error = Option.match(outcome, {
      onNone: () => "no answer in time",
      onSome: (result) => (Result.isFailure(result) ? result.failure : "")
    })
    yield* Effect.logWarning("A copy could not be deleted; it will be tried again", error).pipe(
      Effect.annotateLogs({ account })
    )
    return "left"
  })

  const removeContent = (key: string) =>
    blobs.remove(key).pipe(
      Effect.as(true),
      Effect.catch((error) => Effect.as(Effect.logWarning("Content could not be removed", error), false))
    )

  const removeAll = Effect.fnUntraced(function* (file: ManagedFile) {
    const now = yield* Clock.currentTimeMillis
    const [outcomes, settled, emptied] = yield* Effect.all(
      [
        Effect.forEach(file.replicas, (replica) => removeReplica(file.key, replica), { concurrency: "unbounded" }),
        Effect.forEach(file.lostUploads, (lost) => lostUploads.settle(file, lost, now), { concurrency: "unbounded" }),
        removeContent(file.key)
      ],
      { concurrency: "unbounded" }
    )
    // An upload that was under way may have added its copy meanwhile: it has no outcome.
    const outcomeOf = (replica: Replica): Outcome | undefined =>
      outcomes[file.replicas.findIndex((other) => sameCopy(other, replica))]
    const over = file.lostUploads.filter((_, index) => settled[index] === "Settled")
    const failed = !emptied || outcomes.includes("left") || settled.includes("Failed")
    const ended = yield* Clock.currentTimeMillis
    const after = yield* registry.modifyFile(file.key, (current) => {
      if (current.state !== "deleting") return undefined
      const abandoned = current.replicas.filter((replica) => outcomeOf(replica) === "abandoned")
      const replicas = current.replicas.filter(
        (replica) => outcomeOf(replica) !== "gone" && outcomeOf(replica) !== "abandoned"
      )
      const lostUploads = [...openUploads(current, over), ...abandoned.map((replica) => abandonedUpload(replica, now))]
      if (replicas.length === 0 && lostUploads.length === 0 && emptied) {
        return current.id === null
          ? null
          : update(current, { state: "deleted", replicas, lostUploads, attempts: 0, dueAt: ended + tombstoneTtl })
      }
      const attempts = failed ? current.attempts + 1 : current.attempts
      // Who has a copy in hand, or has let go of it, is to see the row: it stays due.
      const dueAt = !failed && outcomes.includes("busy") ? current.dueAt : ended + backoff(attempts)
      return update(current, { replicas, lostUploads, attempts, dueAt })
    })
    return after === undefined || after.state === "deleted"
  })

  const run = Effect.fn("Removal.run")(function* (key: string) {
    if (running.has(key)) return false
    running.add(key)
    return yield* Effect.gen(function* () {
      const file = yield* registry.file(key)
      if (file === undefined || file.state === "deleted") return true
      return file.state === "deleting" ? yield* removeAll(file) : false
    }).pipe(
      Effect.catch((error) => Effect.as(Effect.logWarning("A removal will be tried again", error), false)),
      Effect.ensuring(Effect.sync(() => running.delete(key)))
    )
  })

  const marked = (file: ManagedFile, now: number) =>
    update(file, { state: "deleting", instance: null, idempotency: null, attempts: 0, dueAt: now })

  return Removal.of({
    run,
    mark: Effect.fnUntraced(function* (key) {
      const now = yield* Clock.currentTimeMillis
      let outcome: Mark = { _tag: "Gone" }
      yield* registry.modifyFileWith(key, ({ value: file }) =>
        Effect.gen(function* () {
          outcome = { _tag: "Gone" }
          if (file.state !== "ready") return undefined
          // A job that comes after this look changes the file's row, so that the mark below conflicts with it.
          const readers = yield* jobs.unfinishedReaders(key, namedReaders + 1)
          outcome = readers.length > 0 ? { _tag: "InUse", readers } : { _tag: "Marked" }
          return readers.length > 0 ? undefined : { file: marked(file, now) }
        })
      )
      return outcome
    }),
    discardUnless: Effect.fnUntraced(
      function* (key, keep) {
        const now = yield* Clock.currentTimeMillis
        const after = yield* registry.modifyFile(key, (file) =>
          keep(file) || file.state === "deleting" ? undefined : marked(file, now)
        )
        // Another instance took this one for dead and was done with the row before the content was stored.
        if (after === undefined) return yield* blobs.remove(key)
        if (after.state !== "deleting") return
        const removing = yield* Effect.forkIn(run(key), scope, { startImmediately: true })
        yield* Effect.raceFirst(Fiber.await(removing), Effect.sleep(discardPatience))
      },
      Effect.catch((error) => Effect.logWarning("An unfinished upload will be undone later", error))
    )
  })
})

const sameCopy = (a: Replica, b: Replica): boolean =>
  a.account === b.account && a.variant === b.variant && a.remoteId === b.remoteId && a.state === b.state

export const layer: Layer.Layer<
  Removal,
  never,
  BlobStore | Catalog | Instance | Jobs | LostUploads | Registry | Upstream
> = Layer.effect(Removal, make)
