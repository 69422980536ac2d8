/** What a provider says of a job now, in our record and in the client's terms. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { CallError } from "./CallError.ts"
import * as Failover from "./Failover.ts"
import type { Job } from "./Job.ts"
import * as JobProtocol from "./JobProtocol.ts"
import { Jobs } from "./Jobs.ts"
import { JobSync } from "./JobSync.ts"
import { ProviderError, Unreachable } from "./ProviderError.ts"
import { Upstream } from "./Upstream.ts"

/** How long background work waits for a provider, the recording of what it says included. */
const longPatience = Duration.seconds(50)

/** How long somebody who asks for a job waits before what is known already is answered. */
const shortPatience = Duration.seconds(20)

export const make = Effect.gen(function* () {
  const jobs = yield* Jobs
  const sync = yield* JobSync
  const upstream = yield* Upstream

  /** Makes a call about a job, whose answer is the job, and records what it says. */
  const ask = Effect.fnUntraced(function* (job: Job, callOf: JobProtocol.CallOf) {
    const target = yield* jobs.target(job)
    const protocol = JobProtocol.of(job.kind, target.provider)
    if (protocol === null || job.remoteId === null) return job
    const remote = yield* upstream.request(target, Effect.succeed(callOf(protocol, job.remoteId)), protocol.decode)
    return yield* sync.apply(job, remote)
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

  return {
    /** Asks the provider, unless the job is over. */
    refresh: (job: Job) => (job.state === "ended" ? Effect.succeed(job) : look(job, longPatience)),

    /** The same for who asked for the job: while the provider does not answer, the last that is known stands. */
    current: (job: Job): Effect.Effect<Job, CallError> =>
      job.state === "ended"
        ? Effect.succeed(job)
        : look(job, shortPatience).pipe(
            Effect.catchTag(["ProviderError", "ContentUnavailable"], (error) =>
              Effect.as(Effect.logInfo("A job's state could not be asked for", error), job)
            )
          ),

    /** Asks for something to be done about the job. A refusal is the caller's to see. */
    act: (job: Job, callOf: JobProtocol.CallOf): Effect.Effect<Job, CallError> =>
      ask(job, callOf).pipe(
        Effect.mapError((error) =>
          error instanceof ProviderError ? Failover.refusal(JobProtocol.translate(job)(error)) : error
        )
      )
  }
})
