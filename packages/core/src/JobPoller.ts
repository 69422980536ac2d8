/** Keeps jobs that are not over up to date, whoever asks for them or not. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StorageError } from "./StorageError.ts"

export class JobPoller extends Context.Service<
  JobPoller,
  {
    /** One round over all that is due now. */
    readonly round: Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/JobPoller") {}

/** Not built yet: there is nothing to do. */
export const layer: Layer.Layer<JobPoller> = Layer.succeed(JobPoller, { round: Effect.void })
