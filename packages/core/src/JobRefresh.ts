/** What a provider says of a job now, in our record and in the client's terms. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { CallError } from "./CallError.ts"
import * as Failover from "./Failover.ts"
import type { Job } from "./Job.ts"
import * as ForeignBatchEnd from "./ForeignBatchEnd.ts"
import type { ForeignBatches } from "./ForeignBatches.ts"
import * as JobProtocol from "./JobProtocol.ts"
import { Jobs } from "./Jobs.ts"
import { SplitEnd } from "./SplitEnd.ts"
import { JobSync } from "./JobSync.ts"
import type { ProviderCall } from "./Provider.ts"
import { ProviderError, Unreachable } from "./ProviderError.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"

/** How long background work waits for a provider, the recording of what it says included. */
const longPatience = Duration.seconds(50)

/** The same where all results of a batch may have to be read. */
const longestPatience = Duration.minutes(10)

/** How long somebody who asks for a job waits before what is known already is answered. */
const shortPatience = Duration.seconds(20)

export const make = Effect.gen(function* () {
  const foreign = yield* ForeignBatchEnd.ForeignBatchEnd
  const jobs = yield* Jobs
  const split = yield* SplitEnd
  const sync = yield* JobSync
  const upstream = yield* Upstream

  /** The same of a batch in another form: other calls than the one that asks for it do not answer with it. */
  const askForeign = Effect.fnUntraced(function* (
    job: Job,
    target: ProviderAccount,
    batches: ForeignBatches,
    call: Effect.Effect<ProviderCall>
  ) {
    if ((yield* call).method !== "GET") yield* upstream.request(target, call, Result.succeed)
    const retrieve = Effect.sync(() => batches.retrieve(job.remoteId ?? ""))
    const remote = yield* upstream.request(target, retrieve, batches.decode)
    if (!remote.ended) return yield* sync.apply(job, ForeignBatchEnd.snapshotOf(job, remote))
    return yield* foreign.finish(job, target, batches, remote)
  })

  /** Makes a call about a job, whose answer is the job, and records what it says. */
  const ask = Effect.fnUntraced(function* (job: Job, callOf: JobProtocol.CallOf) {
    const target = yield* jobs.target(job)
    const protocol = JobProtocol.of(job.kind, target.provider)
    if (protocol === null || job.remoteId === null) return job
    const call = Effect.succeed(callOf(protocol, job.remoteId))
    const batches = ForeignBatchEnd.batchesOf(job, target)
    if (batches !== null) return yield* askForeign(job, target, batches, call)
    return yield* sync.apply(job, yield* upstream.request(target, call, protocol.decode))
  })

  const look = (job: Job, patience: Duration.Duration) =>
    ask(job, ({ retrieve }, remoteId) => retrieve(remoteId)).pipe(
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () =>
          Effect.fail(
            new ProviderError({
              account: job.account,
              call: "jobs.retrieve",
              reason: new Unreachable({ timedOut: true, cause: "no answer in time" }),
              maybeAccepted: false
            })
          )
      })
    )

  /** The last that is known stands while the provider does not answer. */
  const currentOf = (job: Job): Effect.Effect<Job, CallError> =>
    job.state === "ended"
      ? Effect.succeed(job)
      : look(job, shortPatience).pipe(
          Effect.catchTag(["ProviderError", "ContentUnavailable"], (error) =>
            Effect.as(Effect.logInfo("A job's state could not be asked for", error), job)
          )
        )

  const actOn = (job: Job, callOf: JobProtocol.CallOf): Effect.Effect<Job, CallError> =>
    ask(job, callOf).pipe(
      Effect.mapError((error) =>
        error instanceof ProviderError ? Failover.refusal(JobProtocol.translate(job)(error)) : error
      )
    )

  const cancelPart = (part: Job) => actOn(part, ({ cancel }, remoteId) => cancel(remoteId))

  return {
    /** Asks the provider, unless the job is over. */
    refresh: (job: Job) =>
      job.state === "ended" ? Effect.succeed(job) : look(job, job.kind === "batch" ? longestPatience : longPatience),

    /** The same for a batch of parts, which are followed by themselves. */
    refreshParts: (batch: Job) => split.refresh(batch, null, cancelPart),

    /** The same for who asked for the job: while the provider does not answer, the last that is known stands. */
    current: (job: Job): Effect.Effect<Job, CallError> =>
      job.parts === undefined
        ? currentOf(job)
        : split.refresh(job, currentOf, cancelPart).pipe(
            Effect.map((after) => after ?? job),
            Effect.timeoutOrElse({ duration: shortPatience, orElse: () => Effect.succeed(job) }),
            Effect.catchTag(["ProviderError", "ContentUnavailable"], (error) =>
              Effect.as(Effect.logInfo("The files of a batch could not be put together yet", error), job)
            )
          ),

    /** Asks for something to be done about the job. A refusal is the caller's to see. */
    act: actOn,

    /** Has a batch cancelled. */
    cancelBatch: (job: Job): Effect.Effect<Job, CallError> =>
      job.parts === undefined
        ? cancelPart(job)
        : split.cancel(job, cancelPart).pipe(
            Effect.map((after) => after ?? job),
            Effect.catchTag("ProviderError", (error) => Effect.fail(Failover.refusal(error)))
          )
  }
})
