/** The Uploads API, as effects: what each operation promises, whoever calls and over whatever wire. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { UploadAnswers, UploadOperation } from "./UploadOperation.ts"
import type { CallError } from "./CallError.ts"
import type { Call } from "./Hooks.ts"

export class Uploads extends Context.Service<
  Uploads,
  {
    readonly run: (
      call: Call<UploadOperation>
    ) => Effect.Effect<UploadAnswers[UploadOperation["_tag"]], CallError, Scope.Scope>
  }
>()("@omnifile/core/Uploads") {}

export const layer: Layer.Layer<Uploads> = Layer.succeed(Uploads, {
  run: () => Effect.die(new Error("Uploads is not built yet"))
})
