/** The Fine-tuning API, as effects: what each operation promises, whoever calls and over whatever wire. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { FineTuningAnswers, FineTuningOperation } from "./FineTuningOperation.ts"
import type { CallError } from "./CallError.ts"
import type { Call } from "./Hooks.ts"

export class FineTuning extends Context.Service<
  FineTuning,
  {
    readonly run: (
      call: Call<FineTuningOperation>
    ) => Effect.Effect<FineTuningAnswers[FineTuningOperation["_tag"]], CallError, Scope.Scope>
  }
>()("@omnifile/core/FineTuning") {}

export const layer: Layer.Layer<FineTuning> = Layer.succeed(FineTuning, {
  run: () => Effect.die(new Error("FineTuning is not built yet"))
})
