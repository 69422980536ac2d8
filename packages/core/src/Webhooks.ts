/** Delivers events to the installation's webhooks, at least once each. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StorageError } from "./StorageError.ts"

export class Webhooks extends Context.Service<
  Webhooks,
  {
    /** One round over all that is due now. */
    readonly round: Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/Webhooks") {}

/** Not built yet: there is nothing to do. */
export const layer: Layer.Layer<Webhooks> = Layer.succeed(Webhooks, { round: Effect.void })
