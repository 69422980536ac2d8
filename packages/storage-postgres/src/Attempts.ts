/** Calls that are tried again while the server is away. */
import type * as StorageError from "@omnifile/core/StorageError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isRetryable, toReason } from "./PostgresError.ts"

/** Beyond the server's own limit for a statement: then it does not answer at all. */
export const silence = 5_000

const causeOf = ({ reason }: StorageError.StorageError): unknown => ("cause" in reason ? reason.cause : undefined)

/**
 * Runs calls that may be run again, for as long as `retryFor`; one of them may take `timeout` milliseconds. `key` is
 * what a `Corrupt` names.
 */
export const make = (fail: ReturnType<typeof StorageError.of>, retryFor: Duration.Input, timeout: number) => {
  const schedule = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("500 millis")]).pipe(
    Schedule.jittered,
    Schedule.upTo({ duration: retryFor })
  )
  return <A>(method: string, key: string, run: () => Promise<A>): Effect.Effect<A, StorageError.StorageError> => {
    const once = Effect.timeoutOrElse(
      Effect.tryPromise({ try: run, catch: (cause) => fail(method, toReason(key, cause)) }),
      {
        duration: timeout,
        orElse: () => Effect.fail(fail(method, toReason(key, new Error("the server does not answer"))))
      }
    )
    const shouldRetry = (error: StorageError.StorageError) => isRetryable(causeOf(error))
    // Set up only when it is needed: a retry costs more than a read.
    return Effect.catchIf(once, shouldRetry, () => Effect.retry(once, { while: shouldRetry, schedule }))
  }
}
