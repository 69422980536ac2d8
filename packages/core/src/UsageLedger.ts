/** Where it is written down what calls have used. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Owner } from "./Access.ts"
import type { Tokens } from "./Usage.ts"

/** What one call has used. */
export interface Entry {
  readonly owner: Owner
  /** The name that clients use. */
  readonly model: string
  readonly account: string
  readonly tokens: Tokens
}

export class UsageLedger extends Context.Service<
  UsageLedger,
  {
    /** Counts a call. What is counted is written within a second or so. */
    readonly add: (entry: Entry) => Effect.Effect<void>
  }
>()("@omnifile/core/UsageLedger") {}

/** Not built yet: nothing is counted. */
export const layer: Layer.Layer<UsageLedger> = Layer.succeed(UsageLedger, { add: () => Effect.void })
