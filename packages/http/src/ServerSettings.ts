/** What an installation says of its HTTP surface. */
import * as Context from "effect/Context"

export interface ServerLimits {
  /** The most bytes of a JSON body. */
  readonly maxBodySize: number
  /** More paths below `/v1` whose calls go to a deployment as they are, such as `/videos`. */
  readonly forwardPaths: ReadonlyArray<string>
}

export const ServerSettings: Context.Reference<ServerLimits> = Context.Reference<ServerLimits>(
  "@omnifile/http/ServerSettings",
  { defaultValue: () => ({ maxBodySize: 64 * 1024 * 1024, forwardPaths: [] }) }
)
