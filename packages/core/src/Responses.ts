/** Stored responses, as effects: what each operation promises, whoever calls and over whatever wire. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ResponseAnswers, ResponseOperation } from "./ResponseOperation.ts"
import type { CallError } from "./CallError.ts"
import type { Call } from "./Hooks.ts"

export class Responses extends Context.Service<
  Responses,
  {
    readonly run: (
      call: Call<ResponseOperation>
    ) => Effect.Effect<ResponseAnswers[ResponseOperation["_tag"]], CallError, Scope.Scope>
  }
>()("@omnifile/core/Responses") {}

export const layer: Layer.Layer<Responses> = Layer.succeed(Responses, {
  run: () => Effect.die(new Error("Responses is not built yet"))
})
