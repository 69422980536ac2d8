/** Limits of the HTTP surface. */
import * as Context from "effect/Context"

export interface ServerLimits {
  /** The most bytes of a JSON body. */
  readonly maxBodySize: number
}

export const ServerSettings: Context.Reference<ServerLimits> = Context.Reference<ServerLimits>(
  "@omnifile/http/ServerSettings",
  { defaultValue: () => ({ maxBodySize: 64 * 1024 * 1024 }) }
)
