/** Takes uploads away that were not completed in time, and the parts of those that died. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StorageError } from "./StorageError.ts"

export class UploadExpiry extends Context.Service<
  UploadExpiry,
  {
    /** One round over all that is due now. */
    readonly round: Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/UploadExpiry") {}

/** Not built yet: there is nothing to do. */
export const layer: Layer.Layer<UploadExpiry> = Layer.succeed(UploadExpiry, { round: Effect.void })
