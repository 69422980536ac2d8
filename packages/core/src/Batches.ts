/** The Batch API, as effects: what each operation promises, whoever calls and over whatever wire. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { BatchAnswers, BatchOperation } from "./BatchOperation.ts"
import type { CallError } from "./CallError.ts"
import type { Call } from "./Hooks.ts"

export class Batches extends Context.Service<
  Batches,
  {
    readonly run: (
      call: Call<BatchOperation>
    ) => Effect.Effect<BatchAnswers[BatchOperation["_tag"]], CallError, Scope.Scope>
  }
>()("@omnifile/core/Batches") {}

export const layer: Layer.Layer<Batches> = Layer.succeed(Batches, {
  run: () => Effect.die(new Error("Batches is not built yet"))
})
