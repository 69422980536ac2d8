/** Failures of calls to providers as metrics of this process, by account and reason. */
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { ProviderError } from "./ProviderError.ts"

export const countFailure = ({ account, reason }: ProviderError): Effect.Effect<void> =>
  Metric.update(
    Metric.counter("omnifile_provider_errors_total", {
      description: "Calls to providers that failed, each try of them",
      incremental: true,
      attributes: { account, reason: reason._tag.toLowerCase() }
    }),
    1
  )
