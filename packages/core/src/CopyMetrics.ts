/** Copies that had to be made again or were not needed, as metrics of this process, by account. */
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/**
 * - `lost`: the provider did not have it any more
 * - `expired`: its time was over
 * - `expiring`: its time was nearly over
 */
export type Why = "lost" | "expired" | "expiring"

/** Files that went within a call, and not by the ID of a copy. */
export const countInlined = (account: string, files: number): Effect.Effect<void> =>
  Metric.update(
    Metric.counter("omnifile_files_inlined_total", {
      description: "Files whose content went within a call",
      incremental: true,
      attributes: { account }
    }),
    files
  )

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
