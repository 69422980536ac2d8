/** What has been used, as an operation. */
import type { JsonObject } from "./Json.ts"

export const usageGroups = ["key", "user", "team", "model", "account"] as const
export type UsageGroup = (typeof usageGroups)[number]

export interface ReadUsage {
  readonly _tag: "ReadUsage"
  /** Milliseconds since 1970, included. */
  readonly from: number
  /** Milliseconds since 1970, not included. */
  readonly to: number
  readonly groupBy: ReadonlyArray<UsageGroup>
  readonly limit: number
  readonly after: string | null
}

export interface UsageAnswers {
  readonly ReadUsage: {
    readonly _tag: "ReadUsage"
    readonly objects: ReadonlyArray<JsonObject>
    readonly hasMore: boolean
  }
}
