/**
 * A batch whose lines run as several: asked about as one, cancelled as one, and ended as one, when the files of its parts
 * have been put together.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as BatchEnding from "./BatchEnding.ts"
import * as BatchLines from "./BatchLines.ts"
import { longestLine } from "./BatchVariant.ts"
import { BlobStore } from "./BlobStore.ts"
import type { Bytes } from "./Bytes.ts"
import type { CallError } from "./CallError.ts"
import { Instance } from "./Instance.ts"
import { type Job, type JobOutput, JobPart, update } from "./Job.ts"
import { creationOf } from "./JobRecovery.ts"
import { Jobs } from "./Jobs.ts"
import { isObject } from "./Json.ts"
import * as LineReader from "./LineReader.ts"
import { OutputFiles } from "./OutputFiles.ts"
import type { ProviderError } from "./ProviderError.ts"
import { Registry } from "./Registry.ts"
import { backoff, Removal } from "./Removal.ts"
import { Settings } from "./Settings.ts"
import type { Sha256 } from "./Sha256.ts"
import { slice } from "./SplitLines.ts"
import * as SplitState from "./SplitState.ts"
import { StorageError } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"

/** For so long nobody else begins to put the same files together. */
const patience = Duration.toMillis(Duration.minutes(10))

/** Milliseconds until parts are looked at again whose creation broke off. */
const partPause = 2_000

/** How often a file that is not to be had is asked for. */
const fileAttempts = 6

/** Parts are asked about, or told something, so many at once. */
const concurrency = 4

/** Does something about one part, and answers its row as it then is. */
export type OfPart = (job: Job) => Effect.Effect<Job, CallError>

type Failure = CallError | ProviderError

export class SplitEnd extends Context.Service<
  SplitEnd,
  {
    /**
     * What has been made of a batch when its creation is over: those of its parts that have no row were refused, for
     * these reasons. Undefined, and the row is gone, if none has one.
     */
    readonly begin: (batch: Job, reasons: ReadonlyMap<string, string>) => Effect.Effect<Job | undefined, StorageError>
    /**
     * The batch as its parts are now. Each that is not over is looked at first; null: as it is in our record. Ends the
     * batch with its last part, which goes on when the caller leaves.
     */
    readonly refresh: (batch: Job, look: OfPart | null, cancel: OfPart) => Effect.Effect<Job | undefined, Failure>
    /** Has every part cancelled that runs, now or as soon as it does. */
    readonly cancel: (batch: Job, cancel: OfPart) => Effect.Effect<Job | undefined, Failure>
  }
>()("@omnifile/core/SplitEnd") {}

const encoder = new TextEncoder()

/** The contents one after the other, each with a line feed at its end. */
async function* concatenated(contents: AsyncIterable<Bytes>): AsyncGenerator<Uint8Array, void, void> {
  for await (const content of contents) {
    let last = 0x0a
    for await (const chunk of content) {
      last = chunk.at(-1) ?? last
      yield chunk
    }
    if (last !== 0x0a) yield encoder.encode("\n")
  }
}

/** What stands in the error file for lines that were never run. */
async function* refusedLines(
  content: Bytes,
  { part }: SplitState.PartState,
  { code, message }: SplitState.Reason,
  allowProviderIds: boolean
): AsyncGenerator<Uint8Array, void, void> {
  for await (const { bytes, number } of LineReader.read(slice(content, part), longestLine)) {
    const parsed = BatchLines.parse(bytes, allowProviderIds)
    if (Result.isFailure(parsed)) throw new TypeError(`Line ${number} ${parsed.failure}`)
    const id = `batch_req_${part.key.replaceAll("-", "")}_${number}`
    const line = { id, custom_id: parsed.success.customId, response: null, error: { code, message } }
    yield encoder.encode(`${JSON.stringify(line)}\n`)
  }
}

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const { fileKey, record, store } = yield* BatchEnding.make
  const ids = yield* UnifiedIds
  const instance = yield* Instance
  const jobs = yield* Jobs
  const outputFiles = yield* OutputFiles
  const registry = yield* Registry
  const removal = yield* Removal
  const scope = yield* Effect.scope
  const { allowProviderIds, jobs: timing, instanceTtl } = yield* Settings
  const running = new Map<string, Fiber.Fiber<Job | undefined, Failure>>()

  const statesOf = (batch: Job) =>
    Effect.forEach(batch.parts ?? [], (part) => Effect.map(jobs.read(part.key), (job) => ({ part, job })), {
      concurrency
    })

  const begin: SplitEnd["Service"]["begin"] = Effect.fnUntraced(function* (batch, reasons) {
    const states = yield* statesOf(batch)
    if (states.every(({ job }) => job === undefined)) {
      return yield* jobs.modify(batch.key, (current) => (current.state === "creating" ? null : undefined))
    }
    const parts = states.map(({ job, part }) =>
      job === undefined ? new JobPart({ ...part, refusal: reasons.get(part.key) ?? part.refusal }) : part
    )
    const deployment = states.find(({ job }) => job !== undefined)?.job?.deployment ?? ""
    const id = ids.encode({ _tag: "Batch", uuid: batch.key, deployment, providerId: "" })
    const now = yield* Clock.currentTimeMillis
    return yield* jobs.modify(batch.key, (current) => {
      if (current.state !== "creating") return undefined
      const object = JSON.stringify({ ...SplitState.progress(update(current, { parts }), states, now), id })
      const free = { instance: null, updatedAt: now, dueAt: now + timing.pollInterval }
      return update(current, { id, parts, object, state: "active", ...free })
    })
  })

  /** The content of a part's file, in our own store; null if nobody has it any more. */
  const contentOf = Effect.fnUntraced(function* (batch: Job, { file }: JobOutput) {
    const row = yield* registry.file(file)
    if (row === undefined || row.state !== "ready") return null
    return yield* outputFiles.pull(row).pipe(
      Effect.map(({ key }) => key),
      Effect.catchTag("ContentUnavailable", (error) =>
        batch.attempts < fileAttempts
          ? Effect.fail(error)
          : Effect.as(Effect.logWarning("A file of a part of a batch is not to be had any more", error), null)
      )
    )
  })

  /** Puts together what the parts have in this role, and adds lines that were never run. */
  const merge = Effect.fnUntraced(function* (
    batch: Job,
    states: ReadonlyArray<SplitState.PartState>,
    role: BatchEnding.Role
  ) {
    const outputs = states.flatMap(({ job }) => job?.outputs.filter((output) => output.role === role) ?? [])
    const keys = (yield* Effect.forEach(outputs, (output) => contentOf(batch, output))).filter((key) => key !== null)
    const refused = role === "output_file_id" ? [] : states.filter((state) => SplitState.reasonOf(state) !== null)
    if (keys.length === 0 && refused.length === 0) return []
    const input = batch.reads.find((read) => read.role === "input")?.file ?? ""
    const stored = yield* Effect.scoped(
      Effect.gen(function* () {
        const run = yield* FiberSet.makeRuntimePromise<never, Bytes, StorageError>()
        const within = yield* Effect.scope
        const open = (key: string) => run(Scope.provide(blobs.open(key), within))
        async function* contents(): AsyncGenerator<Bytes, void, void> {
          for (const key of keys) yield await open(key)
          for (const state of refused) {
            const reason = SplitState.reasonOf(state)
            if (reason !== null) yield refusedLines(await open(input), state, reason, allowProviderIds)
          }
        }
        return yield* store(fileKey(batch, role), { [Symbol.asyncIterator]: () => concatenated(contents()) })
      })
    )
    const expiry = SplitState.objectOf(batch)["output_expires_after"]
    const life = isObject(expiry) && typeof expiry["seconds"] === "number" ? expiry["seconds"] : null
    return [yield* record(batch, role, stored, life)]
  })

  /** Takes the row for as long as the files may take; undefined while somebody else has it. */
  const claim = Effect.fnUntraced(function* (batch: Job) {
    const now = yield* Clock.currentTimeMillis
    let claimed = false
    const row = yield* jobs.modify(batch.key, (current) => {
      const isHeld = current.instance !== instance.id && (current.claimedUntil ?? 0) > now
      claimed = current.state === "active" && !isHeld
      const known = SplitState.objectOf(current)
      const since = { finalizing_at: known["finalizing_at"] ?? Math.floor(now / 1000) }
      const object = JSON.stringify({ ...known, ...since, status: "finalizing" })
      const until = now + patience
      const held = { instance: instance.id, claimedUntil: until, dueAt: until, updatedAt: now }
      return claimed ? update(current, { object, ...held }) : undefined
    })
    return claimed ? row : undefined
  })

  /** Gives the row back to whoever is next, after a failure. */
  const release = (batch: Job) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      jobs.modify(batch.key, (current) => {
        if (current.state !== "active" || current.instance !== instance.id) return undefined
        const dueAt = now + backoff(current.attempts)
        return update(current, { instance: null, claimedUntil: null, dueAt, attempts: current.attempts + 1 })
      })
    ).pipe(Effect.ignore)

  /** Takes away the files of the parts, which nobody but us has seen. */
  const discard = (states: ReadonlyArray<SplitState.PartState>) =>
    Effect.forEach(
      states.flatMap(({ job }) => job?.outputs ?? []),
      ({ file }) =>
        Effect.andThen(removal.mark(file), removal.run(file)).pipe(
          Effect.catch((error) => Effect.logWarning("A file of a part of a batch will go later", error))
        ),
      { discard: true }
    )

  const finish = Effect.fnUntraced(function* (batch: Job, states: ReadonlyArray<SplitState.PartState>) {
    const claimed = yield* claim(batch)
    if (claimed === undefined) return yield* jobs.read(batch.key)
    const now = yield* Clock.currentTimeMillis
    const object = SplitState.ended(claimed, states, now)
    const after = yield* Effect.gen(function* () {
      const isFailed = object["status"] === "failed"
      const outputs = isFailed
        ? []
        : [...(yield* merge(claimed, states, "output_file_id")), ...(yield* merge(claimed, states, "error_file_id"))]
      const named = Object.fromEntries(outputs.map(({ id, role }) => [role, id]))
      return yield* jobs.modify(batch.key, (current) => {
        if (current.state === "ended") return undefined
        const over = { instance: null, claimedUntil: null, dueAt: null, attempts: 0, updatedAt: now }
        return update(current, { outputs, object: JSON.stringify({ ...object, ...named }), state: "ended", ...over })
      })
    }).pipe(Effect.onError(() => release(claimed)))
    yield* discard(states)
    return after
  })

  /** Callers at the same moment share the work. */
  const finishOnce = Effect.fnUntraced(function* (batch: Job, states: ReadonlyArray<SplitState.PartState>) {
    const known = running.get(batch.key)
    if (known !== undefined) return yield* Fiber.join(known)
    const started = yield* finish(batch, states).pipe(
      Effect.ensuring(Effect.sync(() => running.delete(batch.key))),
      Effect.forkIn(scope)
    )
    // A fiber that ended at once has been taken from the map before it got there.
    if (started.pollUnsafe() === undefined) running.set(batch.key, started)
    return yield* Fiber.join(started)
  })

  const saysNothing = (job: Job, call: OfPart) =>
    call(job).pipe(
      Effect.catch((error) =>
        error instanceof StorageError
          ? Effect.fail(error)
          : Effect.as(Effect.logInfo("A part of a batch could not be cancelled; it will be tried again", error), job)
      )
    )

  /** A part that runs, as it is now: told to stop, if it has not been, where the batch is. */
  const partNow = Effect.fnUntraced(function* (batch: Job, job: Job, look: OfPart | null, cancel: OfPart) {
    if (job.state !== "active") return job
    const { status } = SplitState.objectOf(job)
    const runs = status === "validating" || status === "in_progress"
    const told = SplitState.isCancelling(batch) && runs ? yield* saysNothing(job, cancel) : job
    return look === null || told.state === "ended" ? told : yield* look(told)
  })

  /** A batch that is still being made, by an instance that lives; or what is left of it. */
  const attend = Effect.fnUntraced(function* (batch: Job) {
    const isHeld = batch.instance !== null && (yield* instance.mayBeAt(batch.instance, creationOf(batch.key)))
    const now = yield* Clock.currentTimeMillis
    if (!isHeld) {
      const rows = (yield* statesOf(batch)).flatMap(({ job }) => job ?? [])
      const isKnown = rows.length === 0 || rows.some(({ state }) => state !== "creating")
      if (isKnown) return yield* begin(batch, new Map())
      // Whether a provider has taken any of the parts is being found out.
      return yield* jobs.modify(batch.key, (current) =>
        current.state === "creating" ? update(current, { instance: null, dueAt: now + partPause }) : undefined
      )
    }
    if (batch.instance !== instance.id) return batch
    return yield* jobs.modify(batch.key, (current) =>
      current.state === "creating" ? update(current, { dueAt: now + instanceTtl }) : undefined
    )
  })

  const refresh: SplitEnd["Service"]["refresh"] = Effect.fn("SplitEnd.refresh")(function* (batch, look, cancel) {
    if (batch.state === "ended") return batch
    if (batch.state === "creating") return yield* attend(batch)
    const states = yield* Effect.forEach(
      yield* statesOf(batch),
      (state): Effect.Effect<SplitState.PartState, CallError> =>
        state.job === undefined
          ? Effect.succeed(state)
          : Effect.map(partNow(batch, state.job, look, cancel), (job) => ({ part: state.part, job })),
      { concurrency }
    )
    if (!states.some(SplitState.isRunning)) return yield* finishOnce(batch, states)
    const now = yield* Clock.currentTimeMillis
    return yield* jobs.modify(batch.key, (current) => {
      if (current.state !== "active" || (current.claimedUntil ?? 0) > now) return undefined
      const object = JSON.stringify(SplitState.progress(current, states, now))
      const isNews = object !== current.object || (current.dueAt ?? 0) <= now
      return isNews ? update(current, { object, updatedAt: now, dueAt: now + timing.pollInterval }) : undefined
    })
  })

  return SplitEnd.of({
    begin,
    refresh,
    cancel: Effect.fn("SplitEnd.cancel")(function* (batch, cancel) {
      const now = yield* Clock.currentTimeMillis
      const asked = yield* jobs.modify(batch.key, (current) =>
        current.state === "active" && !SplitState.isCancelling(current)
          ? update(current, { object: JSON.stringify(SplitState.cancelling(current, now)), updatedAt: now })
          : undefined
      )
      return asked === undefined ? undefined : yield* refresh(asked, null, cancel)
    })
  })
})

export const layer: Layer.Layer<
  SplitEnd,
  never,
  BlobStore | Instance | Jobs | OutputFiles | Registry | Removal | Sha256 | UnifiedIds
> = Layer.effect(SplitEnd, make)
