/** Copies that had to be made again, as metrics of this process, by account and why. */
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/**
 * - `lost`: the provider did not have it any more
 * - `expired`: its time was over
 * - `expiring`: its time was nearly over
 */
export type Why = "lost" | "expired" | "expiring"

export const countEviction = (account: string): Effect.Effect<void> =>
  Metric.update(
    Metric.counter("omnifile_copies_evicted_total", {
      description: "Provider copies that were deleted to make room in their accounts",
      incremental: true,
      attributes: { account }
    }),
    1
  )

export const countRenewal = (account: string, why: Why): Effect.Effect<void> =>
  Metric.update(
    Metric.counter("omnifile_copies_renewed_total", {
      description: "Provider copies that had to be made again",
      incremental: true,
      attributes: { account, why }
    }),
    1
  )
