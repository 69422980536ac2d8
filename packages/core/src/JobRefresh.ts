/** What a provider says of a job now, in our record and in the client's terms. */
import * as Effect from "effect/Effect"
import type { CallError } from "./CallError.ts"
import * as Failover from "./Failover.ts"
import type { Job } from "./Job.ts"
import * as JobProtocol from "./JobProtocol.ts"
import { Jobs } from "./Jobs.ts"
import { JobSync } from "./JobSync.ts"
import { ProviderError } from "./ProviderError.ts"
import { Upstream } from "./Upstream.ts"

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

  return {
    /** Asks the provider, unless the job is over. */
    refresh: (job: Job) =>
      job.state === "ended" ? Effect.succeed(job) : ask(job, ({ retrieve }, remoteId) => retrieve(remoteId)),

    /** The same for who asked for the job: while the provider does not answer, the last that is known stands. */
    current: (job: Job): Effect.Effect<Job, CallError> =>
      job.state === "ended"
        ? Effect.succeed(job)
        : ask(job, ({ retrieve }, remoteId) => retrieve(remoteId)).pipe(
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
