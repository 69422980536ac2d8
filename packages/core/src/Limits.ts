/** How much a key or a team may do. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RateLimited } from "./CallError.ts"
import type { Principal } from "./Principal.ts"
import type { StorageError } from "./StorageError.ts"

/** What a call uses of its caller's limits. */
export interface Use {
  readonly requests?: number | undefined
  readonly uploadBytes?: number | undefined
  readonly files?: number | undefined
  readonly batchLines?: number | undefined
}

export class Limits extends Context.Service<
  Limits,
  {
    /** Takes all of it from the caller's limits, or none and fails. */
    readonly take: (principal: Principal, use: Use) => Effect.Effect<void, RateLimited | StorageError>
  }
>()("@omnifile/core/Limits") {}

/** Not built yet: nothing is limited. */
export const layer: Layer.Layer<Limits> = Layer.succeed(Limits, { take: () => Effect.void })
